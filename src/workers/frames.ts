import type { Writable } from 'node:stream'

/** What a frame between a worker and the primary says. */
export const FRAME = {
  /** Worker: an event at stage RequestReceived. With an id, an answer of the same id is waited for; so for the next two. */
  first: 1,
  /** Worker: a later event of a request that goes on. */
  next: 2,
  /** Worker: the last event of a request. */
  last: 3,
  /** Worker: a request has begun whose RequestReceived the policy omits: that event. */
  opened: 4,
  /** Worker: a request is over, and no event says so. No payload. */
  closed: 5,
  /** Primary: the event of that id is stored. No payload. */
  stored: 6,
  /** Primary: the event of that id is not stored. No payload. */
  notStored: 7,
} as const

/** A piece of what a worker and the primary tell each other. */
export interface Frame<P> {
  readonly kind: number
  /** 0 where no answer is wanted. */
  readonly id: number
  /** Which of the worker's requests it is about; numbers are used again after four thousand million requests. */
  readonly request: number
  /** An event, in the form that both have agreed on: the text that is written, and the bytes that are read. */
  readonly payload: P
}

/** Length of the payload (4 bytes), kind (1), id (4), request (4): little-endian. */
const HEADER = 13
const BLOCK_BYTES = 64 * 1024
/** So many bytes are written without a wait for more. */
const FLUSH_BYTES = 32 * 1024

/** Writes frames, those of a short while in one write: many connections at work then cost few system calls. */
export class FrameWriter {
  readonly #stream: Writable
  readonly #wait: number
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  /** Where the frames that are not written yet begin and end in #block. */
  #start = 0
  #end = 0
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param wait milliseconds that a frame may wait for others; 0: those of one turn of the event loop go together */
  constructor(stream: Writable, wait: number) {
    this.#stream = stream
    this.#wait = wait
  }

  /** Bytes that wait to be written. */
  get pending(): number {
    return this.#end - this.#start + this.#stream.writableLength
  }

  write({ kind, id, request, payload }: Frame<string>): void {
    // No character has more than three bytes for each of its UTF-16 units.
    this.#makeRoom(HEADER + payload.length * 3)
    const at = this.#end
    const length = this.#block.write(payload, at + HEADER)
    this.#block.writeUInt32LE(length, at)
    this.#block.writeUInt8(kind, at + 4)
    this.#block.writeUInt32LE(id, at + 5)
    this.#block.writeUInt32LE(request, at + 9)
    this.#end = at + HEADER + length
    if (this.#end - this.#start >= FLUSH_BYTES) this.flush()
    else this.#schedule()
  }

  /** Hands what there is to the stream. */
  flush(): void {
    clearImmediate(this.#immediate)
    clearTimeout(this.#timer)
    this.#immediate = this.#timer = undefined
    if (this.#start === this.#end) return
    if (this.#stream.writable) this.#stream.write(this.#block.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  #schedule(): void {
    if (this.#wait === 0) this.#immediate ??= setImmediate(() => this.flush())
    else this.#timer ??= setTimeout(() => this.flush(), this.#wait)
  }

  /** What was written may still be on its way to the other process: a block is never used again. */
  #makeRoom(bytes: number): void {
    if (this.#block.length - this.#end >= bytes) return
    this.flush()
    this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytes))
    this.#start = this.#end = 0
  }
}

/** Puts frames together again from the chunks of a stream. Payloads share the memory of the chunks. */
export class FrameReader {
  readonly #onFrame: (frame: Frame<Buffer>) => void
  /** The beginning of a frame whose end has yet to come, in pieces. */
  #pieces: Buffer[] = []
  #length = 0

  constructor(onFrame: (frame: Frame<Buffer>) => void) {
    this.#onFrame = onFrame
  }

  push(chunk: Buffer): void {
    let start = 0
    if (this.#length > 0) {
      start = this.#complete(chunk)
      if (this.#length > 0) return
    }
    while (chunk.length - start >= HEADER) {
      const end = start + HEADER + chunk.readUInt32LE(start)
      if (end > chunk.length) break
      this.#read(chunk, start, end)
      start = end
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
  }

  /** Completes the frame that has begun, as far as the chunk goes: where in it the next one begins. */
  #complete(chunk: Buffer): number {
    let start = 0
    if (this.#length < HEADER) {
      start = Math.min(HEADER - this.#length, chunk.length)
      this.#keep(chunk.subarray(0, start))
      if (this.#length < HEADER) return start
    }
    if (this.#pieces.length > 1 && (this.#pieces[0] as Buffer).length < HEADER) {
      this.#pieces = [Buffer.concat(this.#pieces)]
    }
    const size = HEADER + (this.#pieces[0] as Buffer).readUInt32LE(0)
    const end = Math.min(start + size - this.#length, chunk.length)
    this.#keep(chunk.subarray(start, end))
    if (this.#length < size) return end
    const frame = Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#length = 0
    this.#read(frame, 0, size)
    return end
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#length += piece.length
  }

  #read(data: Buffer, start: number, end: number): void {
    this.#onFrame({
      kind: data.readUInt8(start + 4),
      id: data.readUInt32LE(start + 5),
      request: data.readUInt32LE(start + 9),
      payload: data.subarray(start + HEADER, end),
    })
  }
}
