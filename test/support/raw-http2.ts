import { once } from 'node:events'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { Issued } from './pki.js'
import type { StandIn } from './stand-in.js'

export type Fields = readonly (readonly [string, string])[]

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const
export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const
/** Bytes of a frame, before the server says that it reads larger ones. */
const MAX_FRAME = 1 << 14
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** HTTP/2 frames written as a test wants them, which a client library would refuse to send or would tidy up. */
export class RawHttp2 {
  /** What the proxy ended the session with. */
  goAwayCode: number | undefined
  /** What the proxy last reset a stream with. */
  resetCode: number | undefined
  /** What the last answer to a ping had in it. */
  pong = Buffer.alloc(0)

  readonly #frames = this.#read()

  private constructor(readonly socket: TLSSocket) {}

  /** Connects to the proxy, and sends the preface and empty SETTINGS, or what is given in place of both. */
  static async connect(
    standIn: StandIn,
    preface?: string,
    who: Issued | 'nobody' = 'nobody',
  ): Promise<RawHttp2> {
    const socket = tls.connect({
      ...(standIn.as(who) as ConnectionOptions),
      ALPNProtocols: ['h2'],
    })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    const raw = new RawHttp2(socket)
    socket.write(preface ?? PREFACE)
    if (preface === undefined) raw.frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0))
    return raw
  }

  /** Names and values of up to 126 bytes each, uncompressed. */
  headers(stream: number, fields: Fields, endStream: boolean): void {
    this.frame(
      FRAME.HEADERS,
      FLAG.END_HEADERS | (endStream ? FLAG.END_STREAM : 0),
      stream,
      headerBlock(fields),
    )
  }

  /** A request without a body, of a block that HPACK reads, in as many frames as it takes. */
  request(stream: number, block: Buffer): void {
    for (let from = 0; from === 0 || from < block.length; from += MAX_FRAME) {
      const end = from + MAX_FRAME >= block.length ? FLAG.END_HEADERS : 0
      const [type, flags] = from === 0 ? [FRAME.HEADERS, FLAG.END_STREAM] : [FRAME.CONTINUATION, 0]
      this.frame(type, flags | end, stream, block.subarray(from, from + MAX_FRAME))
    }
  }

  data(stream: number, text: string): void {
    this.frame(FRAME.DATA, 0, stream, Buffer.from(text))
  }

  reset(stream: number, code: number): void {
    const payload = Buffer.alloc(4)
    payload.writeUInt32BE(code)
    this.frame(FRAME.RST_STREAM, 0, stream, payload)
  }

  ping(payload = Buffer.alloc(8)): void {
    this.frame(FRAME.PING, 0, 0, payload)
  }

  /** What comes next: an answer, a reset stream, the answer to a ping, or the end of the session. */
  async outcome(): Promise<'answered' | 'reset' | 'pong' | 'closed'> {
    for (;;) {
      const next = await this.#frames.next()
      if (next.done === true) return 'closed'
      const frame = next.value
      if (frame[3] === FRAME.HEADERS) return 'answered'
      if (frame[3] === FRAME.RST_STREAM) {
        this.resetCode = frame.readUInt32BE(9)
        return 'reset'
      }
      if (frame[3] === FRAME.PING) {
        this.pong = Buffer.from(frame.subarray(9))
        return 'pong'
      }
      if (frame[3] === FRAME.GOAWAY) {
        this.goAwayCode = frame.readUInt32BE(13)
        return 'closed'
      }
    }
  }

  async *#read(): AsyncGenerator<Buffer, void> {
    let received: Buffer = Buffer.alloc(0)
    try {
      for await (const chunk of this.socket) {
        received = Buffer.concat([received, chunk as Buffer])
        while (received.length >= 9 && received.length >= 9 + received.readUIntBE(0, 3)) {
          const end = 9 + received.readUIntBE(0, 3)
          yield received.subarray(0, end)
          received = received.subarray(end)
        }
      }
    } catch {
      // Cut off in the middle is an end as well.
    }
  }

  /** Any frame; its length may be said to be another than it is. */
  frame(type: number, flags: number, stream: number, payload: Buffer, length = payload.length): void {
    const head = Buffer.alloc(9)
    head.writeUIntBE(length, 0, 3)
    head[3] = type
    head[4] = flags
    head.writeUInt32BE(stream, 5)
    this.socket.write(Buffer.concat([head, payload]))
  }
}

/** Names and values of up to 126 bytes each, uncompressed and not indexed. */
export function headerBlock(fields: Fields): Buffer {
  const literal = (text: string): Buffer[] => [Buffer.from([text.length]), Buffer.from(text, 'latin1')]
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0]), ...literal(name), ...literal(value)]),
  )
}
