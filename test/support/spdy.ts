import type { Socket } from 'node:net'
import zlib from 'node:zlib'

const [SYN_STREAM, SYN_REPLY, PING, GOAWAY] = [1, 2, 6, 7]
const FIN = 1

/** One stream that the client opened. */
export class SPDYStream {
  #ended = false

  readonly #id: number
  readonly #connection: SPDYServer

  constructor(
    readonly headers: Readonly<Record<string, string>>,
    id: number,
    connection: SPDYServer,
  ) {
    this.#id = id
    this.#connection = connection
  }

  /** What the client sends over it; undefined where it ends its side. */
  onData: (data: Buffer | undefined) => void = () => undefined

  write(data: string | Buffer): void {
    this.#connection.data(this.#id, Buffer.from(data), false)
  }

  end(data: string | Buffer = ''): void {
    if (this.#ended) return
    this.#ended = true
    this.#connection.data(this.#id, Buffer.from(data), true)
  }
}

/**
 * The server's end of a SPDY/3.1 connection, as far as Kubernetes' clients need it to open streams and exchange data over
 * them. Flow control is left out: the clients do none either.
 */
export class SPDYServer {
  readonly #inflate = zlib.createInflate({ dictionary: DICTIONARY })
  readonly #deflate = zlib.createDeflate({ dictionary: DICTIONARY })
  readonly #streams = new Map<number, SPDYStream>()

  readonly #socket: Socket
  readonly #onStream: (stream: SPDYStream) => void

  /** @param onStream told of each stream that the client opens, which is then agreed to */
  constructor(socket: Socket, onStream: (stream: SPDYStream) => void) {
    this.#socket = socket
    this.#onStream = onStream
    socket.on('error', () => undefined)
    socket.on('end', () => socket.end())
    // kube-apiserver may reset a connection with which it is done; other errors are the test's.
    this.#read().catch((err: unknown) => {
      if (err !== socket.errored) throw err
    })
  }

  data(id: number, data: Buffer, fin: boolean): void {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(id)
    head.writeUInt32BE(data.length, 4)
    head[4] = fin ? FIN : 0
    this.#socket.write(Buffer.concat([head, data]))
  }

  end(): void {
    this.#control(GOAWAY, Buffer.alloc(8))
    this.#socket.end()
  }

  async #read(): Promise<void> {
    let received: Buffer = Buffer.alloc(0)
    for await (const chunk of this.#socket) {
      received = Buffer.concat([received, chunk as Buffer])
      while (received.length >= 8) {
        const length = 8 + (received.readUInt32BE(4) & 0xffffff)
        if (received.length < length) break
        await this.#frame(received.subarray(0, length))
        received = received.subarray(length)
      }
    }
    this.#inflate.close()
    this.#deflate.close()
  }

  async #frame(frame: Buffer): Promise<void> {
    const flags = frame[4] as number
    const payload = frame.subarray(8)
    if ((frame.readUInt8() & 0x80) === 0) {
      const stream = this.#streams.get(frame.readUInt32BE())
      if (payload.length > 0) stream?.onData(payload)
      if ((flags & FIN) !== 0) stream?.onData(undefined)
      return
    }
    const type = frame.readUInt16BE(2)
    if (type === PING) this.#control(PING, payload)
    if (type !== SYN_STREAM) return
    const id = payload.readUInt32BE()
    const stream = new SPDYStream(parseHeaders(await through(this.#inflate, payload.subarray(10))), id, this)
    this.#streams.set(id, stream)
    const reply = Buffer.alloc(4)
    reply.writeUInt32BE(id)
    this.#control(SYN_REPLY, Buffer.concat([reply, await through(this.#deflate, Buffer.alloc(4))]))
    this.#onStream(stream)
    if ((flags & FIN) !== 0) stream.onData(undefined)
  }

  #control(type: number, payload: Buffer): void {
    const head = Buffer.alloc(8)
    head.writeUInt16BE(0x8003)
    head.writeUInt16BE(type, 2)
    head.writeUInt32BE(payload.length, 4)
    this.#socket.write(Buffer.concat([head, payload]))
  }
}

/** All header blocks of one direction are one zlib stream. */
async function through(stream: zlib.Inflate | zlib.Deflate, block: Buffer): Promise<Buffer> {
  await new Promise<void>((resolve, reject) => stream.write(block, (err) => (err ? reject(err) : resolve())))
  if (stream instanceof zlib.Deflate) {
    await new Promise<void>((resolve) => stream.flush(zlib.constants.Z_SYNC_FLUSH, resolve))
  }
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0)
}

function parseHeaders(block: Buffer): Record<string, string> {
  const headers: Record<string, string> = {}
  let at = 4
  const text = (): string => {
    const start = at + 4
    at = start + block.readUInt32BE(at)
    return block.toString('latin1', start, at)
  }
  for (let i = block.readUInt32BE(); i > 0; i--) {
    const name = text().toLowerCase()
    headers[name] = text()
  }
  return headers
}

/** SPDY Protocol, draft 3, section 2.6.10.1: words with their lengths, then words without. */
const DICTIONARY = Buffer.concat([
  ...`options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length content-location
content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range
referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get
status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin`
    .split(/\s/)
    .flatMap((word) => [Buffer.from([0, 0, 0, word.length]), Buffer.from(word.replace('_', ' '))]),
  Buffer.from(
    '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505' +
      '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized' +
      '403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable' +
      'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT' +
      'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,' +
      'text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.',
  ),
])
