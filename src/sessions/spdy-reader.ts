import { StreamError } from './stream-error.js'

const VERSION = 3
/** SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE. */
export const FRAME = {
  synStream: 1,
  synReply: 2,
  rst: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
}
export const FLAG_FIN = 1
/** Of a control frame that is read: no session has headers of that length. */
const MAX_CONTROL = 64 * 1024
/** What each control frame has at least. */
const LEAST: Readonly<Record<number, number>> = { 1: 10, 2: 4, 3: 8, 4: 4, 6: 4, 7: 8, 8: 4, 9: 8 }
const HEAD = 8

/** Is told of the frames of one direction. Data comes in pieces, as it arrives. */
export interface SPDYSink {
  control(type: number, flags: number, payload: Buffer): void
  data(stream: number, bytes: Buffer): void
  /** The stream's sender has said its last. */
  fin(stream: number): void
}

/**
 * Reads the frames of one direction of SPDY/3.1, as github.com/moby/spdystream writes them. It holds no data, and of control
 * frames one at a time.
 */
export class SPDYReader {
  readonly #head = Buffer.alloc(HEAD)
  #headBytes = 0
  #left = 0
  #inFrame = false
  /** The payload of a control frame, as far as it is there. */
  #control: Buffer | undefined
  #boundary = 0

  readonly #sink: SPDYSink

  constructor(sink: SPDYSink) {
    this.#sink = sink
  }

  /** As SessionStream has it. */
  get boundary(): number {
    return this.#boundary
  }

  /** @throws StreamError, after which nothing is read any more */
  push(chunk: Buffer): void {
    this.#boundary = this.#between ? 0 : -1
    let at = 0
    while (at < chunk.length) {
      if (!this.#inFrame) {
        const taken = Math.min(HEAD - this.#headBytes, chunk.length - at)
        chunk.copy(this.#head, this.#headBytes, at, at + taken)
        this.#headBytes += taken
        at += taken
        if (this.#headBytes < HEAD) continue
        this.#begin()
        if (this.#left > 0) continue
      } else {
        const taken = Math.min(this.#left, chunk.length - at)
        const piece = chunk.subarray(at, at + taken)
        if (this.#control === undefined) this.#sink.data(this.#head.readUInt32BE() & 0x7fffffff, piece)
        else piece.copy(this.#control, this.#control.length - this.#left)
        this.#left -= taken
        at += taken
      }
      if (this.#left === 0) this.#end()
      if (this.#between) this.#boundary = at
    }
  }

  get #between(): boolean {
    return !this.#inFrame && this.#headBytes === 0
  }

  #begin(): void {
    const head = this.#head
    const length = head.readUInt32BE(4) & 0xffffff
    this.#inFrame = true
    this.#left = length
    if ((head[0] as number) < 0x80) return
    const version = head.readUInt16BE() & 0x7fff
    if (version !== VERSION) throw new StreamError(`a SPDY frame is of version ${version}`)
    const least = LEAST[head.readUInt16BE(2)]
    if (least === undefined) throw new StreamError('a SPDY frame is of an unknown type')
    if (length < least || length > MAX_CONTROL)
      throw new StreamError(`a SPDY control frame has ${length} bytes`)
    this.#control = Buffer.alloc(length)
  }

  #end(): void {
    const head = this.#head
    const control = this.#control
    const flags = head[4] as number
    this.#inFrame = false
    this.#headBytes = 0
    this.#control = undefined
    if (control !== undefined) this.#sink.control(head.readUInt16BE(2), flags, control)
    else if ((flags & FLAG_FIN) !== 0) this.#sink.fin(head.readUInt32BE() & 0x7fffffff)
  }
}

/** One whole data frame. */
export function dataFrame(stream: number, data: Buffer, fin: boolean): Buffer {
  const head = Buffer.alloc(HEAD)
  head.writeUInt32BE(stream)
  head.writeUInt32BE(data.length, 4)
  head[4] = fin ? FLAG_FIN : 0
  return Buffer.concat([head, data])
}
