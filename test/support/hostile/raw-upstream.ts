import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import type { Issued } from '../pki.js'

/** A request as its bytes came. */
export interface RawRequest {
  readonly method: string
  readonly target: string
  /** name, value, in the order and spelling received; one character per byte. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
  /** CN of the client certificate of the connection it came over, if it had one. */
  readonly peer: string | undefined
}

/** What a review asks, and the status that answers it. */
export type AnswerReview = (kind: string, spec: Record<string, unknown>) => object

/**
 * Stands for kube-apiserver, and reads what the proxy sends with a parser of its own that takes nothing but the plainest
 * HTTP/1.1: what any two parsers might disagree about is a fault, and so is a byte too many.
 */
export class RawUpstream {
  readonly requests: RawRequest[] = []
  /** What was not plain, with the bytes. */
  readonly faults: string[] = []
  readonly #server: tls.Server
  readonly #sockets = new Set<tls.TLSSocket>()

  readonly #answerReview: AnswerReview

  /** @param clientCA PEM of those who may have issued client certificates */
  constructor(serving: Issued, clientCA: readonly string[], answerReview: AnswerReview) {
    this.#answerReview = answerReview
    this.#server = tls.createServer(
      {
        cert: serving.cert,
        key: serving.key,
        requestCert: true,
        ca: [...clientCA],
        rejectUnauthorized: false,
      },
      (socket) => this.#serve(socket),
    )
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    const closed = once(this.#server.close(), 'close')
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #serve(socket: tls.TLSSocket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    const subject = socket.getPeerCertificate().subject as { CN?: string } | undefined
    let pending = Buffer.alloc(0)
    let chunks: Buffer[] = []
    let size = 0
    let wanted = 0
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      // A large body is not read again and again.
      if (size < wanted) return
      pending = Buffer.concat(chunks)
      try {
        for (;;) {
          const parsed = readRequest(pending.toString('latin1'), subject?.CN)
          chunks = [pending]
          size = pending.length
          wanted = parsed === undefined ? announcedLength(pending) : 0
          if (parsed === undefined) return
          pending = pending.subarray(parsed.length)
          socket.write(this.#answer(parsed.request), 'latin1')
        }
      } catch (err) {
        this.faults.push(`${String(err)} in ${JSON.stringify(pending.toString('latin1').slice(0, 2000))}`)
        socket.destroy()
      }
    })
  }

  #answer(request: RawRequest): string {
    const { target, headers } = request
    // The proxy's own reviews have no Audit-ID; everything that it passes on has one.
    const own = !headers.some(([name]) => name.toLowerCase() === 'audit-id')
    if (!own) {
      this.requests.push(request)
      return response(200, '{}', request.method === 'HEAD')
    }
    // Which impersonation it has: the refusal of a group without a user tells. It has none that is constrained.
    if (target === '/version' && headers.some(([name]) => name.toLowerCase() === 'impersonate-group'))
      return response(
        400,
        JSON.stringify({ kind: 'Status', message: 'requested [{Group ', code: 400 }),
        false,
      )
    if (!/^\/apis\/auth[a-z]+\.k8s\.io\/v1\/(tokenreviews|(self)?subjectaccessreviews)$/.test(target)) {
      throw new Error(`a request without Audit-ID for ${target}`)
    }
    const review = JSON.parse(Buffer.from(request.body, 'latin1').toString()) as {
      kind: string
      spec: Record<string, unknown>
    }
    return response(
      201,
      JSON.stringify({ ...review, status: this.#answerReview(review.kind, review.spec) }),
      false,
    )
  }
}

function response(code: number, body: string, head: boolean): string {
  const length = Buffer.byteLength(body)
  return (
    `HTTP/1.1 ${code} OK\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n` +
    (head ? '' : Buffer.from(body).toString('latin1'))
  )
}

const REQUEST_LINE = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+) ([!-~\x80-\xff]+) HTTP\/1\.1$/
const HEADER_LINE = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)$/ // eslint-disable-line no-control-regex

/** The first request in `text` and its length in bytes; undefined where it is not there whole. Throws for what is not plain. */
function readRequest(
  text: string,
  peer: string | undefined,
): { request: RawRequest; length: number } | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first, ...lines] = text.slice(0, end).split('\r\n') as [string, ...string[]]
  const line = REQUEST_LINE.exec(first)
  if (line === null) throw new Error(`the request line ${JSON.stringify(first)}`)
  const headers = lines.map((l): [string, string] => {
    const header = HEADER_LINE.exec(l)
    if (header === null) throw new Error(`the header ${JSON.stringify(l)}`)
    return [header[1] as string, header[2] as string]
  })
  const named = (name: string): string[] =>
    headers.filter(([n]) => n.toLowerCase() === name).map(([, v]) => v)
  for (const name of ['host', 'content-length', 'transfer-encoding']) {
    if (named(name).length > 1) throw new Error(`${name} repeats`)
  }
  const [encoding] = named('transfer-encoding')
  const [announced] = named('content-length')
  if (encoding !== undefined && (encoding !== 'chunked' || announced !== undefined))
    throw new Error('the framing')
  if (announced !== undefined && !/^(0|[1-9]\d*)$/.test(announced)) throw new Error('the length')
  const body =
    encoding === undefined ? readLength(text, end + 4, Number(announced ?? 0)) : readChunks(text, end + 4)
  if (body === undefined) return undefined
  const [, method, target] = line as unknown as [string, string, string]
  return { request: { method, target, headers, body: body.data, peer }, length: body.end }
}

/** The length of a request whose head is there, as far as it says. */
function announcedLength(pending: Buffer): number {
  const end = pending.indexOf('\r\n\r\n')
  const head = pending.toString('latin1', 0, Math.max(end, 0))
  return end + 4 + Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)
}

interface Body {
  readonly data: string
  readonly end: number
}

function readLength(text: string, from: number, length: number): Body | undefined {
  return text.length < from + length
    ? undefined
    : { data: text.slice(from, from + length), end: from + length }
}

function readChunks(text: string, from: number): Body | undefined {
  let data = ''
  for (let at = from; ;) {
    const newline = text.indexOf('\r\n', at)
    if (newline < 0) return undefined
    const line = text.slice(at, newline)
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`the chunk ${JSON.stringify(line)}`)
    const size = parseInt(line, 16)
    at = newline + 2 + size + 2
    if (text.length < at) return undefined
    if (text.slice(at - 2, at) !== '\r\n') throw new Error('the end of a chunk, or a trailer')
    if (size === 0) return { data, end: at }
    data += text.slice(newline + 2, at - 2)
  }
}
