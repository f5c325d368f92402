import { STATUS_CODES } from 'node:http'
import {
  constants,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { SharedConnections } from '../cluster/shared-connections.js'
import type { ResponsePump, ResponseSource } from './response-pump.js'

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants
/** How often a request is sent that the server says it has not looked at, as it does when its connection is ending. */
const MAX_ATTEMPTS = 3

/** What can be said the same in HTTP/2: the rest takes a connection of its own. */
const PLAIN_PATH = /^\/[\x21-\x7e]*$/

interface BodylessRequest {
  readonly method: string
  readonly path: string
  /** name, value, ... */
  readonly headers: readonly string[]
}

/** A request without a body that shares an HTTP/2 connection with others. Its client leaves by a reset of its stream. */
export class SharedRequest {
  readonly #connections: SharedConnections
  readonly #pump: ResponsePump
  readonly #sendAlone: () => void
  #attempts = 0

  /** @param sendAlone sends the same request over a connection of its own, where it cannot share one */
  constructor(connections: SharedConnections, pump: ResponsePump, sendAlone: () => void) {
    this.#connections = connections
    this.#pump = pump
    this.#sendAlone = sendAlone
  }

  /** Errors go to the pump. */
  async send(request: BodylessRequest): Promise<void> {
    if (!PLAIN_PATH.test(request.path)) return this.#sendAlone()
    this.#attempts++
    let stream: ClientHttp2Stream | undefined
    try {
      stream = await this.#connections.request(http2Headers(request), () => !this.#pump.over)
    } catch (err) {
      // Headers that HTTP/2 does not allow, but HTTP/1.1 does: twice what may be there once.
      if (err instanceof TypeError) return this.#sendAlone()
      return this.#pump.failed(err as Error)
    }
    if (stream !== undefined) this.#follow(stream, () => void this.send(request))
    else if (!this.#pump.over) this.#sendAlone()
  }

  #follow(stream: ClientHttp2Stream, again: () => void): void {
    const pump = this.#pump
    let answered = false
    let failure: Error | undefined
    let trailers: string[] = []
    stream.on('response', (headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      answered = true
      const status = Number(headers[':status'])
      pump.start(status, STATUS_CODES[status] ?? '', canonical(raw))
    })
    stream.on(
      'trailers',
      (_headers: IncomingHttpHeaders, _flags: number, raw: string[]) => (trailers = canonical(raw)),
    )
    stream.on('data', (chunk: Buffer) => pump.data(chunk))
    stream.on('error', (err: Error) => (failure = err))
    stream.on('end', () => {
      // A stream that is reset ends as well.
      if (answered && stream.rstCode === 0 && !stream.session?.destroyed) pump.complete(trailers)
    })
    stream.on('close', () => {
      if (pump.over) return
      const refused = !answered && stream.rstCode === NGHTTP2_REFUSED_STREAM
      if (refused && this.#attempts < MAX_ATTEMPTS) return again()
      pump.failed(failure ?? new Error(`the stream was closed with code ${stream.rstCode}`))
    })
    pump.attach(new StreamSource(stream))
    pump.written()
  }
}

class StreamSource implements ResponseSource {
  readonly #stream: ClientHttp2Stream

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  abort(): void {
    this.#stream.close(NGHTTP2_CANCEL)
    // What has arrived and was not read would keep the stream.
    this.#stream.destroy()
  }
}

function http2Headers({ method, path, headers }: BodylessRequest): OutgoingHttpHeaders {
  const fields = Object.create(null) as Record<string, string | string[]>
  fields[':method'] = method
  fields[':path'] = path
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    const value = headers[i + 1] as string
    const before = fields[name]
    if (before === undefined) fields[name] = value
    else if (typeof before === 'string') fields[name] = [before, value]
    else before.push(value)
  }
  return fields
}

/**
 * The fields of a response without its pseudo-headers, spelled as Go's net/http spells them in HTTP/1.1
 * (net/textproto CanonicalMIMEHeaderKey): a client of HTTP/1.1 gets them as kube-apiserver would have sent them.
 */
function canonical(raw: readonly string[]): string[] {
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.charCodeAt(0) === 0x3a /* : */) continue
    headers.push(
      name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase()),
      raw[i + 1] as string,
    )
  }
  return headers
}
