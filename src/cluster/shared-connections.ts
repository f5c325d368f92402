import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { ClusterConnection } from '../kubeconfig/connection.js'
import { CertificateChanges } from './certificate-changes.js'
import { newClusterDial, type ClusterPoolOptions } from './connection.js'
import type { Dial } from './dial.js'
import { SharedConnection } from './shared-connection.js'

/** Milliseconds after which a server that did not speak HTTP/2 is asked again whether it does. */
const ASK_AGAIN = 600_000

/**
 * HTTP/2 connections to one cluster, for requests that stay open and would otherwise take a connection each. They are
 * opened one at a time, as those that are there have no more room. When the client certificate is replaced, new requests
 * take new connections, and the old ones are closed as the requests on them end.
 */
export class SharedConnections {
  readonly #dial: Dial
  readonly #origin: string
  readonly #changes: CertificateChanges | undefined
  readonly #open = new Set<SharedConnection>()
  #opening: Promise<boolean> | undefined
  #askAgainAt = 0
  #closed = false

  /** @param options.withCredentials whether they show the client certificate of connection.credentials */
  constructor(
    connection: ClusterConnection,
    { withCredentials }: Pick<ClusterPoolOptions, 'withCredentials'>,
  ) {
    this.#dial = newClusterDial(connection, { withCredentials, http2: true })
    this.#origin = connection.server.origin
    this.#changes = withCredentials ? new CertificateChanges(connection.credentials) : undefined
  }

  /** How many connections are open. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Sends a request without a body. Rejects as dialling does, and with node:http2's TypeError where the headers cannot be
   * sent.
   *
   * @param isWanted asked before it is sent, which may have to wait for a connection
   * @returns undefined where it is not wanted, or the server does not speak HTTP/2
   */
  async request(
    headers: OutgoingHttpHeaders,
    isWanted: () => boolean,
  ): Promise<ClientHttp2Stream | undefined> {
    if (this.#changes?.noticed() === true) this.close()
    while (isWanted()) {
      for (const connection of this.#open) {
        const stream = connection.request(headers)
        if (stream !== undefined) return stream
      }
      if (Date.now() < this.#askAgainAt || this.#closed) return undefined
      this.#opening ??= this.#openOne().finally(() => (this.#opening = undefined))
      if (!(await this.#opening)) return undefined
    }
    return undefined
  }

  /** No more requests over what is open now; each connection ends with the last request on it. */
  close(): void {
    for (const connection of this.#open) connection.retire()
  }

  /** Cuts what is open, and opens nothing more. */
  destroy(): void {
    this.#closed = true
    for (const connection of this.#open) connection.destroy()
  }

  async #openOne(): Promise<boolean> {
    const socket = (await this.#dial()) as TLSSocket
    if (socket.alpnProtocol !== 'h2' || this.#closed) {
      socket.destroy()
      this.#askAgainAt = Date.now() + ASK_AGAIN
      return false
    }
    const connection = await SharedConnection.over(socket, this.#origin, () => this.#open.delete(connection))
    this.#open.add(connection)
    return true
  }
}
