import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { InboundResponse, InboundUpgrade } from '../request/inbound.js'

/**
 * Protocols over which requests follow: the client's own headers would assert identities over the proxy's connection.
 * kube-apiserver speaks none of them by upgrade, and serves a request that offers them as if it did not.
 */
const SPEAKS_HTTP = /(^|,)\s*(h2|http\/|tls\/)/i

/** Bytes that are read of a client that does not wait for its 101. */
const MAX_EARLY = 64 * 1024

/**
 * The response to an HTTP/1.1 request that asks for an upgrade. It is an ordinary response, after which the connection
 * ends, until the upgrade is agreed to; from then on ending it ends the connection that was handed over.
 *
 * While it waits, it reads: that is how it learns that the client has gone. Nothing that the client sends before the 101
 * goes anywhere until then, so that no bytes of the client's can pass upstream as a request of their own (CVE-2018-1002105).
 */
export class UpgradeResponse implements InboundResponse, InboundUpgrade {
  readonly protocol: string | undefined
  readonly #http: ServerResponse
  readonly #early: Buffer[] = []
  #earlyBytes: number
  #switched = false

  readonly #socket: Socket

  /** @param head what was read of the connection after the request, as Node's 'upgrade' event has it */
  constructor(req: IncomingMessage, socket: Socket, head: Buffer) {
    this.#socket = socket
    const protocol = req.headers.upgrade ?? ''
    this.protocol = SPEAKS_HTTP.test(protocol) ? undefined : protocol
    if (head.length > 0) this.#early.push(head)
    this.#earlyBytes = head.length
    this.#http = new ServerResponse(req)
    this.#http.assignSocket(socket)
    this.#http.on('finish', () => this.#socket.destroySoon())
    this.shouldKeepAlive = false
    // node:http takes all of its own listeners away from a connection that is upgraded.
    socket.on('error', ignore)
    socket.on('drain', this.#onDrain)
    socket.on('data', this.#onEarlyData)
    socket.on('end', this.#onEarlyEnd)
  }

  get sendDate(): boolean {
    return this.#http.sendDate
  }

  set sendDate(value: boolean) {
    this.#http.sendDate = value
  }

  get shouldKeepAlive(): boolean {
    return false
  }

  set shouldKeepAlive(_: boolean) {
    this.#http.shouldKeepAlive = false
  }

  get headersSent(): boolean {
    return this.#switched || this.#http.headersSent
  }

  get destroyed(): boolean {
    return this.#socket.destroyed
  }

  switchProtocols(statusMessage: string, headers: readonly string[]): Socket {
    const socket = this.#socket
    this.#switched = true
    this.#http.detachSocket(socket)
    socket.off('drain', this.#onDrain)
    socket.off('data', this.#onEarlyData)
    socket.off('end', this.#onEarlyEnd)
    socket.pause()
    if (this.#early.length > 0) socket.unshift(Buffer.concat(this.#early))
    let head = `HTTP/1.1 101 ${statusMessage}\r\n`
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
    socket.write(`${head}\r\n`, 'latin1')
    return socket
  }

  writeHead(statusCode: number, statusMessage: string, headers: string[]): void {
    this.#http.writeHead(statusCode, statusMessage, headers)
    // What else the client sends is read and thrown away, so that it gets to read its answer.
    this.#early.length = 0
    this.#socket.resume()
  }

  flushHeaders(): void {
    this.#http.flushHeaders()
  }

  write(chunk: Buffer): boolean {
    return this.#http.write(chunk)
  }

  addTrailers(trailers: readonly [string, string][]): void {
    this.#http.addTrailers(trailers)
  }

  end(body?: string | Buffer): void {
    if (this.#switched) this.#socket.destroySoon()
    else this.#http.end(body)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  on(event: 'close' | 'drain' | 'error', listener: (argument: never) => void): void {
    const emitter = event === 'close' ? this.#socket : this.#http
    emitter.on(event, listener as (argument: unknown) => void)
  }

  off(event: 'close' | 'drain' | 'error', listener: (argument: never) => void): void {
    const emitter = event === 'close' ? this.#socket : this.#http
    emitter.off(event, listener as (argument: unknown) => void)
  }

  readonly #onDrain = (): void => {
    this.#http.emit('drain')
  }

  readonly #onEarlyData = (chunk: Buffer): void => {
    if (this.#http.headersSent) return
    this.#early.push(chunk)
    this.#earlyBytes += chunk.length
    if (this.#earlyBytes >= MAX_EARLY) this.#socket.pause()
  }

  /** As node:http does: a client that ends its side before it has an answer has gone. */
  readonly #onEarlyEnd = (): void => {
    if (this.#http.headersSent) return
    this.#socket.destroy()
  }
}

function ignore(): void {
  // 'close' follows.
}
