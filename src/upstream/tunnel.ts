import {
  request as httpRequest,
  type ClientRequest as UpstreamRequest,
  type IncomingMessage,
} from 'node:http'
import type { Socket } from 'node:net'
import { headerBytes, isHopByHop } from '../request/client-headers.js'
import type { InboundResponse, InboundUpgrade } from '../request/inbound.js'
import { MAX_HEADER_SIZE } from '../cluster/upstream-connections.js'
import type { TunnelWatcher } from '../tunnel-watcher.js'
import type { ForwardRequest } from './forward.js'
import { Relay } from './relay.js'
import { ResponsePump, type Forwarding, type Outcome, type ResponseSource } from './response-pump.js'

export interface TunnelRequest extends ForwardRequest {
  /** What to ask the upstream for: the value of the Upgrade header. */
  readonly protocol: string
  /** Told when the upstream has agreed and the connections are joined. */
  onSwitch(): void
  /** Sees what passes over the joined connections. */
  readonly watcher?: TunnelWatcher | undefined
}

/**
 * Sends a request that asks for an upgrade, over a connection of its own. Where the upstream agrees (101), its answer
 * passes as it was sent and the two connections are joined byte for byte: each side's end and each side's slowness is the
 * other's. Where it answers anything else, that passes as any response does.
 *
 * node:http's client reads the answer, because a refusal is a whole response: of any length, chunked or not, held back
 * by a slow client. undici drops it. http-proxy passes it without back-pressure, sends the headers of the request and of
 * the 101 joined and in lower case (two groups of one identity would become one), refuses POST and SPDY/3.1, and tells
 * nobody what it passed, whereas the audit event needs the refusal's Status.
 */
export function tunnel(res: InboundResponse, upgrade: InboundUpgrade, request: TunnelRequest): Forwarding {
  const joined = new Tunnel(res, upgrade, request)
  joined.start()
  return joined
}

class Tunnel implements Forwarding, ResponseSource {
  readonly #pump: ResponsePump
  #outgoing: UpstreamRequest | undefined
  #response: IncomingMessage | undefined
  #upstream: Socket | undefined
  /** There once the connections are joined. */
  #client: Socket | undefined

  readonly #upgrade: InboundUpgrade
  readonly #request: TunnelRequest

  constructor(res: InboundResponse, upgrade: InboundUpgrade, request: TunnelRequest) {
    this.#upgrade = upgrade
    this.#request = request
    this.#pump = new ResponsePump(res, request, null)
    this.#pump.attach(this)
  }

  get outcome(): Promise<Outcome> {
    return this.#pump.outcome
  }

  get sent(): boolean {
    return this.#pump.sent
  }

  end(): void {
    this.#pump.end()
  }

  expire(): void {
    this.#pump.expire()
  }

  start(): void {
    if (this.#pump.over) return
    this.#request.connections.dial().then(
      (socket) => this.#send(socket),
      (err: Error) => this.#pump.failed(err),
    )
  }

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  abort(): void {
    this.#outgoing?.destroy()
    this.#upstream?.destroy()
  }

  #send(socket: Socket): void {
    socket.on('error', this.#onError)
    this.#upstream = socket
    if (this.#pump.over) {
      socket.destroy()
      return
    }
    const { connections, headers, method, protocol, target } = this.#request
    const all = ['Host', new URL(connections.origin).host, 'Connection', 'Upgrade', 'Upgrade', protocol]
    // Without a length node:http would announce chunks.
    if (method !== 'GET' && !names(headers, 'content-length')) all.push('Content-Length', '0')
    this.#outgoing = httpRequest({
      createConnection: () => socket,
      method,
      path: connections.pathPrefix + target,
      headers: [...all, ...headers],
      maxHeaderSize: MAX_HEADER_SIZE,
    })
    this.#outgoing.on('upgrade', (response, upstream: Socket, head) => this.#join(response, upstream, head))
    this.#outgoing.on('response', (response) => this.#refused(response))
    this.#outgoing.on('error', this.#onError)
    this.#pump.written()
    this.#outgoing.end()
  }

  #refused(response: IncomingMessage): void {
    this.#response = response
    this.#pump.start(response.statusCode ?? 0, response.statusMessage ?? '', response.rawHeaders)
    response.on('data', (chunk: Buffer) => this.#pump.data(chunk))
    response.on('end', () => this.#pump.complete(response.rawTrailers))
    response.on('error', this.#onError)
  }

  #join(response: IncomingMessage, upstream: Socket, head: Buffer): void {
    if (this.#pump.over) {
      upstream.destroy()
      return
    }
    this.#pump.switched(() => {
      const client = this.#upgrade.switchProtocols(
        response.statusMessage ?? '',
        this.#agreedHeaders(response),
      )
      this.#client = client
      if (head.length > 0) upstream.unshift(head)
      // Either side may end what it sends and still receive.
      client.allowHalfOpen = true
      upstream.allowHalfOpen = true
      const relay = this.#relay(client, upstream, response.rawHeaders)
      // A client that is there no more has ended its session, however it left.
      client.on('close', () => {
        this.#pump.complete()
        if (upstream.writableEnded) upstream.destroySoon()
        else upstream.destroy()
      })
      upstream.on('close', () => {
        if (relay?.lingering !== true) this.#pump.complete()
      })
      this.#request.onSwitch()
    })
  }

  /** Joins them; answers what does it where somebody watches. */
  #relay(client: Socket, upstream: Socket, rawHeaders: readonly string[]): Relay | undefined {
    const { watcher } = this.#request
    if (watcher === undefined) {
      upstream.pipe(client)
      client.pipe(upstream)
      return undefined
    }
    const relay = new Relay(client, upstream, watcher)
    relay.start(rawHeaders, (action) => this.#pump.guard(action))
    return relay
  }

  /** As the upstream sent them, with what belongs to the connection: this answer is about the connection. */
  #agreedHeaders({ rawHeaders }: IncomingMessage): string[] {
    const headers: string[] = []
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const lower = name.toLowerCase()
      if (lower === 'audit-id') continue
      if (isHopByHop(lower) && lower !== 'connection' && lower !== 'upgrade') continue
      headers.push(name, rawHeaders[i + 1] as string)
    }
    headers.push('Audit-Id', headerBytes(this.#request.auditID))
    return headers
  }

  readonly #onError = (err: Error): void => {
    // A client that had ended its session is not cut off by an upstream that does not care to end it in form.
    if (this.#client?.readableEnded === true) this.#pump.complete()
    else this.#pump.failed(err)
  }
}

function names(headers: readonly string[], lower: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i]?.toLowerCase() === lower) return true
  return false
}
