import { once } from 'node:events'
import tls, { type TLSSocket } from 'node:tls'
import type { StandIn } from './stand-in.js'

export type Fields = readonly (readonly [string, string])[]

const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY] = [0, 1, 3, 4, 6, 7] as const
const [END_STREAM, END_HEADERS] = [1, 4]

/** HTTP/2 frames written as a test wants them, which a client library would refuse to send or would tidy up. */
export class RawHttp2 {
  /** What the proxy ended the session with. */
  goAwayCode: number | undefined

  readonly #frames = this.#read()

  private constructor(readonly socket: TLSSocket) {}

  /** Connects to the proxy as nobody. */
  static async connect(standIn: StandIn): Promise<RawHttp2> {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: standIn.proxy.port,
      ca: standIn.ca.cert,
      ALPNProtocols: ['h2'],
    })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    const raw = new RawHttp2(socket)
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    raw.#frame(SETTINGS, 0, 0, Buffer.alloc(0))
    return raw
  }

  /** Names and values of up to 126 bytes each, uncompressed. */
  headers(stream: number, fields: Fields, endStream: boolean): void {
    const literal = (text: string): Buffer[] => [Buffer.from([text.length]), Buffer.from(text, 'latin1')]
    const block = fields.flatMap(([name, value]) => [Buffer.from([0]), ...literal(name), ...literal(value)])
    this.#frame(HEADERS, END_HEADERS | (endStream ? END_STREAM : 0), stream, Buffer.concat(block))
  }

  data(stream: number, text: string): void {
    this.#frame(DATA, 0, stream, Buffer.from(text))
  }

  reset(stream: number, code: number): void {
    const payload = Buffer.alloc(4)
    payload.writeUInt32BE(code)
    this.#frame(RST_STREAM, 0, stream, payload)
  }

  ping(): void {
    this.#frame(PING, 0, 0, Buffer.alloc(8))
  }

  /** What comes next: an answer, a reset stream, the answer to a ping, or the end of the session. */
  async outcome(): Promise<'answered' | 'reset' | 'pong' | 'closed'> {
    for (;;) {
      const next = await this.#frames.next()
      if (next.done === true) return 'closed'
      const frame = next.value
      if (frame[3] === HEADERS) return 'answered'
      if (frame[3] === RST_STREAM) return 'reset'
      if (frame[3] === PING) return 'pong'
      if (frame[3] === GOAWAY) {
        this.goAwayCode = frame.readUInt32BE(13)
        return 'closed'
      }
    }
  }

  async *#read(): AsyncGenerator<Buffer, void> {
    let received: Buffer = Buffer.alloc(0)
    for await (const chunk of this.socket) {
      received = Buffer.concat([received, chunk as Buffer])
      while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
        const end = 9 + received.readUIntBE(0, 3)
        yield received.subarray(0, end)
        received = received.subarray(end)
      }
    }
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    const head = Buffer.alloc(9)
    head.writeUIntBE(payload.length, 0, 3)
    head[3] = type
    head[4] = flags
    head.writeUInt32BE(stream, 5)
    this.socket.write(Buffer.concat([head, payload]))
  }
}
