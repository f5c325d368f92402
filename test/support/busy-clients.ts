import http2 from 'node:http2'
import https, { type RequestOptions } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'

/** One of the requests that the clients send in turn. */
export interface BusyRequest {
  readonly method: string
  readonly path: string
  readonly body?: string
  /** Sent without a certificate, over HTTP/1.1. */
  readonly anonymous?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

export interface BusyClientsOptions {
  readonly as: RequestOptions
  readonly asNobody: RequestOptions
  readonly requests: readonly BusyRequest[]
  /** How many clients speak HTTP/1.1, and how many HTTP/2. */
  readonly http1: number
  readonly http2: number
  /** Told of each request whose answer a client has whole. */
  readonly onAnswered: (auditID: string, request: BusyRequest) => void
}

/** Clients that ask again as soon as they are answered, until their server is gone. */
export class BusyClients {
  readonly #options: BusyClientsOptions
  readonly #prefix: string
  #sent = 0
  /** Resolves when no client has a connection any more: then all that the server had sent is read. */
  readonly done: Promise<unknown>

  /** @param prefix of the Audit-IDs, by which each request is known */
  constructor(prefix: string, options: BusyClientsOptions) {
    this.#prefix = prefix
    this.#options = options
    this.done = Promise.all([
      ...Array.from({ length: options.http1 }, () => this.#speakHTTP1()),
      ...Array.from({ length: options.http2 }, () => this.#speakHTTP2()),
    ])
  }

  #next(): { request: BusyRequest; headers: Record<string, string>; auditID: string } {
    const { requests } = this.#options
    const auditID = `${this.#prefix}-${this.#sent}`
    const request = requests[this.#sent++ % requests.length] as BusyRequest
    return { request, auditID, headers: { 'audit-id': auditID, ...request.headers } }
  }

  async #speakHTTP1(): Promise<void> {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
    while (await this.#ask(agent)) continue
    agent.destroy()
  }

  /** @returns false where the server is gone */
  #ask(agent: https.Agent): Promise<boolean> {
    const { as, asNobody, onAnswered } = this.#options
    const { request, headers, auditID } = this.#next()
    return new Promise((resolve) => {
      const { method, path, body, anonymous } = request
      const req = https.request({
        ...(anonymous === true ? { ...asNobody, agent: false } : { ...as, agent }),
        method,
        path,
        headers,
      })
      req.on('error', () => resolve(false))
      req.on('response', (res) => {
        res.on('error', () => resolve(false))
        res.resume().on('end', () => {
          if (res.complete) onAnswered(auditID, request)
          resolve(res.complete)
        })
      })
      req.end(body)
    })
  }

  /** Four requests at a time. */
  async #speakHTTP2(): Promise<void> {
    const { as } = this.#options
    const session = http2.connect(`https://${String(as.host)}:${String(as.port)}`, {
      ca: as.ca,
      cert: as.cert,
      key: as.key,
    })
    session.on('error', () => undefined)
    const stream = async (): Promise<void> => {
      while (!session.destroyed && !session.closed) if (!(await this.#askBy(session))) return
    }
    await Promise.all(Array.from({ length: 4 }, stream))
    session.destroy()
  }

  #askBy(session: http2.ClientHttp2Session): Promise<boolean> {
    let next = this.#next()
    // All of a session is of one client.
    if (next.request.anonymous === true) next = this.#next()
    const { request, headers, auditID } = next
    const { method, path, body } = request
    return new Promise((resolve) => {
      let ended = false
      let missing = Infinity
      const received = (bytes: number): void => {
        missing -= bytes
        if (missing > 0 && !ended) return
        missing = Infinity
        this.#options.onAnswered(auditID, request)
        resolve(true)
      }
      const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: !body })
      stream.on('error', () => resolve(false))
      stream.on('close', () => resolve(false))
      stream.on('response', (head: IncomingHttpHeaders, flags: number) => {
        ended = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0
        missing = Number(head['content-length'] ?? Infinity)
        received(0)
      })
      stream.on('data', (chunk: Buffer) => received(chunk.length))
      stream.on('end', () => {
        if (!stream.destroyed && stream.rstCode === 0 && !session.destroyed) {
          ended = true
          received(0)
        }
      })
      if (body) stream.end(body)
    })
  }
}
