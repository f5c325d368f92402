import type { Writable } from 'node:stream'

/** What a frame between a worker and the primary says. */
export const FRAME = {
  /** Worker: audit events, as encodeEvents has them. With an id, an answer of the same id is waited for. */
  events: 1,
  /** Worker: a request has begun whose RequestReceived the policy omits. That event, as encodeEvents has it. */
  opened: 2,
  /** Worker: a request is over, and no event says so. RequestKey. */
  closed: 3,
  /** Primary: the events of that id are stored. */
  stored: 4,
  /** Primary: the events of that id are not stored. */
  notStored: 5,
} as const

/** Length of the text (4 bytes), kind (1), id (4): little-endian. */
const HEADER = 9

/**
 * Writes frames: a length, a kind, an id and a text each. The frames of one turn of the event loop go out in one write,
 * so that many connections at work cost few system calls.
 */
export class FrameWriter {
  readonly #stream: Writable
  #frames: { readonly kind: number; readonly id: number; readonly text: string }[] = []
  #characters = 0
  #scheduled: NodeJS.Immediate | undefined

  constructor(stream: Writable) {
    this.#stream = stream
  }

  /** About how many bytes wait to be written. */
  get pending(): number {
    return this.#characters + this.#stream.writableLength
  }

  write(kind: number, id: number, text: string): void {
    this.#frames.push({ kind, id, text })
    this.#characters += text.length
    this.#scheduled ??= setImmediate(() => this.flush())
  }

  /** Hands what there is to the stream. */
  flush(): void {
    clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    const frames = this.#frames
    if (frames.length === 0) return
    this.#frames = []
    this.#characters = 0
    let size = frames.length * HEADER
    for (const { text } of frames) size += Buffer.byteLength(text)
    const buffer = Buffer.allocUnsafe(size)
    let end = 0
    for (const { kind, id, text } of frames) {
      const length = buffer.write(text, end + HEADER)
      buffer.writeUInt32LE(length, end)
      buffer.writeUInt8(kind, end + 4)
      buffer.writeUInt32LE(id, end + 5)
      end += HEADER + length
    }
    if (this.#stream.writable) this.#stream.write(buffer)
  }
}

/** Puts frames together again from the chunks of a stream. */
export class FrameReader {
  readonly #onFrame: (kind: number, id: number, text: string) => void
  #chunks: Buffer[] = []
  #length = 0
  /** How many bytes there must be before there is another frame. */
  #needed = HEADER

  constructor(onFrame: (kind: number, id: number, text: string) => void) {
    this.#onFrame = onFrame
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length < this.#needed) return
    const data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    let start = 0
    this.#needed = HEADER
    while (data.length - start >= HEADER) {
      const end = start + HEADER + data.readUInt32LE(start)
      if (end > data.length) {
        this.#needed = end - start
        break
      }
      this.#onFrame(
        data.readUInt8(start + 4),
        data.readUInt32LE(start + 5),
        data.toString('utf8', start + HEADER, end),
      )
      start = end
    }
    const rest = data.subarray(start)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
  }
}
