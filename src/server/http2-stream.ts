import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { InboundRequest, InboundResponse } from '../request/inbound.js'

/** What HTTP/2 delivered, as the handler reads requests. */
export class Http2Request implements InboundRequest {
  readonly method: string
  readonly url: string
  readonly httpVersionMajor = 2
  readonly rawHeaders: readonly string[]
  readonly headers: { readonly 'content-length'?: string | undefined }
  readonly endAfterHeaders: boolean

  readonly #stream: ServerHttp2Stream

  /**
   * @param headers those of Node's 'stream' event
   * @param socket the connection under the session. The session's own `socket` is another object for each session, and
   *   hides what TLS knows of the client.
   */
  constructor(
    stream: ServerHttp2Stream,
    headers: NodeJS.Dict<string | string[]>,
    rawHeaders: readonly string[],
    readonly socket: TLSSocket,
  ) {
    this.#stream = stream
    this.rawHeaders = oneCookie(rawHeaders, headers.cookie as string | undefined)
    this.method = headers[':method'] as string
    // CONNECT has none.
    this.url = (headers[':path'] as string | undefined) ?? ''
    this.headers = { 'content-length': headers['content-length'] as string | undefined }
    this.endAfterHeaders = stream.endAfterHeaders
  }

  get readableEnded(): boolean {
    return this.#stream.readableEnded
  }

  on(event: string, listener: (argument: never) => void): void {
    this.#stream.on(event, listener as (argument: unknown) => void)
  }

  off(event: string, listener: (argument: never) => void): void {
    this.#stream.off(event, listener as (argument: unknown) => void)
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }
}

/**
 * HTTP/2 lets a client send its cookies as several fields, HTTP/1.1 does not (RFC 9113 section 8.2.3).
 * @param cookie all of them in one, as Node joins them
 */
function oneCookie(raw: readonly string[], cookie: string | undefined): readonly string[] {
  if (cookie === undefined || !cookie.includes(';')) return raw
  const joined: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i] !== 'cookie') joined.push(raw[i] as string, raw[i + 1] as string)
  }
  joined.push('cookie', cookie)
  return joined
}

/** Sends the response over its stream of HTTP/2. Nothing done here touches other streams of the session. */
export class Http2Response implements InboundResponse {
  sendDate = true
  /** False: with the head goes a GOAWAY, as Go's HTTP/2 does it for `Connection: close`. Other streams go on. */
  shouldKeepAlive = true
  /** True where this end reset the stream. */
  cut = false
  #statusCode = 0
  #head: OutgoingHttpHeaders | undefined
  #hasLength = false
  #trailers: OutgoingHttpHeaders | undefined

  readonly #stream: ServerHttp2Stream
  readonly #method: string
  readonly #endSession: () => void

  constructor(stream: ServerHttp2Stream, method: string, endSession: () => void) {
    this.#stream = stream
    this.#method = method
    this.#endSession = endSession
  }

  get headersSent(): boolean {
    return this.#statusCode !== 0
  }

  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  writeHead(statusCode: number, _statusMessage: string, headers: readonly string[]): void {
    this.#statusCode = statusCode
    const head: OutgoingHttpHeaders = group(headers)
    this.#hasLength = head['content-length'] !== undefined
    head[':status'] = statusCode
    this.#head = head
  }

  flushHeaders(): void {
    // Without a body the head is the end of the stream, which is for end() to send.
    if (!this.#bodyless) this.#respond(false)
  }

  write(chunk: Buffer): boolean {
    this.#respond(false)
    if (this.destroyed || this.#stream.writableEnded) return true
    return this.#stream.write(chunk)
  }

  addTrailers(trailers: readonly [string, string][]): void {
    this.#trailers = group(trailers.flat())
  }

  end(body?: string | Buffer): void {
    const empty = body === undefined || body.length === 0 || this.#bodyless
    this.#respond(empty && this.#trailers === undefined)
    const stream = this.#stream
    if (this.destroyed) return
    if (!stream.writableEnded) stream.end(empty ? undefined : body)
    // Whoever still sends a request that has been answered is told to stop (RFC 9113 section 8.1).
    if (!stream.endAfterHeaders && !stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR)
  }

  destroy(): void {
    if (this.destroyed) return
    this.cut = true
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }

  on(event: string, listener: (argument: never) => void): void {
    this.#stream.on(event, listener as (argument: unknown) => void)
  }

  off(event: string, listener: (argument: never) => void): void {
    this.#stream.off(event, listener as (argument: unknown) => void)
  }

  get #bodyless(): boolean {
    const statusCode = this.#statusCode
    return this.#method === 'HEAD' || statusCode === 204 || statusCode === 205 || statusCode === 304
  }

  /** Sends the head, if that is still to be done. */
  #respond(endStream: boolean): void {
    const head = this.#head
    const stream = this.#stream
    if (head === undefined) return
    this.#head = undefined
    if (this.destroyed) return
    // Only a body of unknown length can be followed by trailers.
    const waitForTrailers = !endStream && !this.#hasLength && !this.#bodyless
    if (waitForTrailers) stream.once('wantTrailers', () => stream.sendTrailers(this.#trailers ?? {}))
    // Node's types leave out `sendDate`.
    const options: { endStream: boolean; waitForTrailers: boolean; sendDate: boolean } = {
      endStream,
      waitForTrailers,
      sendDate: this.sendDate,
    }
    try {
      stream.respond(head, options)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ERR_HTTP2_HEADER_SINGLE_VALUE') throw err
      stream.respond(joined(head), options)
    }
    if (!this.shouldKeepAlive) this.#endSession()
  }
}

/** Node's object of headers, in which a name that repeats has an array: every value travels as a field of its own. */
function group(headers: readonly string[]): OutgoingHttpHeaders {
  // Names come from outside: __proto__ is one like any other.
  const grouped = Object.create(null) as OutgoingHttpHeaders
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    const value = headers[i + 1] as string
    const before = grouped[name]
    if (before === undefined) grouped[name] = value
    else if (Array.isArray(before)) before.push(value)
    else grouped[name] = [String(before), value]
  }
  return grouped
}

/** Node refuses to repeat some names. As one field the values mean the same (RFC 9110 section 5.3), but for set-cookie. */
function joined(head: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const one = Object.create(null) as OutgoingHttpHeaders
  for (const [name, value] of Object.entries(head)) {
    one[name] = Array.isArray(value) && name !== 'set-cookie' ? value.join(', ') : value
  }
  return one
}
