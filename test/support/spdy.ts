import type { Socket } from 'node:net'
import zlib from 'node:zlib'
import { SPDY_DICTIONARY } from '../../src/sessions/spdy-headers.js'

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
  readonly #inflate = zlib.createInflate({ dictionary: SPDY_DICTIONARY })
  readonly #deflate = zlib.createDeflate({ dictionary: SPDY_DICTIONARY })
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
