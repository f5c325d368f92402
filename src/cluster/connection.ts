import { Dispatcher, Pool, type buildConnector } from 'undici'
import type { ClusterConnection } from '../kubeconfig/connection.js'
import { CertificateChanges } from './certificate-changes.js'
import { CONNECT_TIMEOUT, newDial, type Dial, type DialOptions } from './dial.js'
import type { DialLimit } from './dial-limit.js'
import { inAbsoluteForm, newProxyDial } from './forward-proxy.js'
import { MAX_HEADER_SIZE } from './upstream-connections.js'

/** Milliseconds that an unused connection is kept. */
const KEEP_ALIVE = 30_000

export interface ClusterPoolOptions {
  /** Whether its connections show the client certificate of connection.credentials. Without, they show none. */
  readonly withCredentials: boolean
  /** How many connections at most; without it, as many as there are requests at a time. */
  readonly connections?: number | undefined
  /** Shared by those whose connections are not to be opened all at once; without it, nothing waits. */
  readonly dialLimit?: DialLimit | undefined
  /** Milliseconds to connect, the TLS handshake included. Default 30,000 (client-go's dialer). */
  readonly connectTimeout?: number | undefined
  /** Milliseconds to wait for the headers of a response. Default 0, for ever. */
  readonly headersTimeout?: number | undefined
  /** Milliseconds that a body may stand still. Default 0, for ever. */
  readonly bodyTimeout?: number | undefined
}

/**
 * HTTP/1.1 connections to one cluster. A dispatch names the origin `connection.server.origin` and the whole path, the
 * path of connection.server included. The Authorization header is the caller's to set, from
 * connection.credentials.authorization(). Closed by the caller; that does not close the credentials.
 *
 * When the client certificate is replaced, new requests go over new connections; the old ones are closed as the requests
 * on them end (client-go cuts them: transport/cert_rotation.go).
 */
export function newClusterPool(connection: ClusterConnection, options: ClusterPoolOptions): Dispatcher {
  return new ClusterPool(connection, options)
}

/**
 * Opens single connections to one cluster, for those that speak something else than requests over them (upgrades).
 *
 * @param options.withCredentials whether they show the client certificate of connection.credentials
 */
export function newClusterDial(
  connection: ClusterConnection,
  options: Pick<ClusterPoolOptions, 'withCredentials' | 'connectTimeout' | 'dialLimit'> &
    Pick<DialOptions, 'http2'>,
): Dial {
  const { dialLimit, ...rest } = options
  const dial = unlimitedDial(connection, rest)
  return dialLimit?.limited(dial) ?? dial
}

function unlimitedDial(
  connection: ClusterConnection,
  options: Pick<ClusterPoolOptions, 'withCredentials' | 'connectTimeout'> & Pick<DialOptions, 'http2'>,
): Dial {
  const { withCredentials, ...dialOptions } = options
  if (!withCredentials) return newDial(connection, dialOptions)
  const { credentials } = connection
  let dial: { readonly dial: Dial; readonly version: number } | undefined
  return async () => {
    const clientCertificate = await credentials.clientCertificate()
    if (dial === undefined || dial.version !== credentials.certificateVersion) {
      dial = {
        dial: newDial(connection, { ...dialOptions, clientCertificate }),
        version: credentials.certificateVersion,
      }
    }
    return dial.dial()
  }
}

class ClusterPool extends Dispatcher {
  readonly #connection: ClusterConnection
  readonly #options: ClusterPoolOptions
  /** undefined where the certificate can never change, because none is shown. */
  readonly #changes: CertificateChanges | undefined
  /** Constant: undici ends a connection when the name changes, which otherwise follows each request's Host header. */
  readonly #servername: string
  /** The forward proxy where it is sent the requests themselves; to a server on https it opens tunnels. */
  readonly #proxyUrl: URL | undefined
  readonly #retired = new Set<Pool>()
  #pool: Pool

  constructor(connection: ClusterConnection, options: ClusterPoolOptions) {
    super()
    this.#connection = connection
    this.#options = options
    this.#changes = options.withCredentials ? new CertificateChanges(connection.credentials) : undefined
    this.#servername = connection.tls.servername ?? connection.server.hostname
    this.#proxyUrl = connection.server.protocol === 'http:' ? connection.proxyUrl : undefined
    this.#pool = this.#newPool()
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#changes?.noticed() === true) this.#replacePool()
    const request = this.#proxyUrl
      ? inAbsoluteForm(options, this.#connection.server, this.#proxyUrl)
      : options
    const withName = { ...request, servername: this.#servername } as Dispatcher.DispatchOptions
    return this.#pool.dispatch(withName, handler)
  }

  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: () => void): Promise<void> | void {
    const closed = Promise.all([this.#pool, ...this.#retired].map((pool) => pool.close())).then(() => {})
    return callback === undefined ? closed : void closed.then(callback)
  }

  override destroy(): Promise<void>
  override destroy(err: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(err: Error | null, callback: () => void): void
  override destroy(err?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    const then = typeof err === 'function' ? err : callback
    const reason = err instanceof Error ? err : null
    const destroyed = Promise.all([this.#pool, ...this.#retired].map((pool) => pool.destroy(reason))).then(
      () => {},
    )
    return then === undefined ? destroyed : void destroyed.then(then)
  }

  #replacePool(): void {
    const old = this.#pool
    this.#pool = this.#newPool()
    this.#retired.add(old)
    void old
      .close()
      .catch(() => {})
      .finally(() => this.#retired.delete(old))
  }

  #newPool(): Pool {
    const { withCredentials, connections, connectTimeout = CONNECT_TIMEOUT } = this.#options
    const { headersTimeout, bodyTimeout, dialLimit } = this.#options
    const unlimited = this.#proxyUrl
      ? newProxyDial(this.#proxyUrl, this.#connection, connectTimeout)
      : unlimitedDial(this.#connection, { withCredentials, connectTimeout })
    const dial = dialLimit?.limited(unlimited) ?? unlimited
    const connect: buildConnector.connector = (_options, callback) => {
      dial().then(
        (socket) => callback(null, socket),
        (err: Error) => callback(err, null),
      )
    }
    const pool = new Pool(this.#connection.server.origin, {
      connect,
      connections: connections ?? null,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE,
      headersTimeout: headersTimeout ?? 0,
      bodyTimeout: bodyTimeout ?? 0,
      maxHeaderSize: MAX_HEADER_SIZE,
    })
    pool.on('drain', (origin) => this.emit('drain', origin))
    return pool
  }
}
