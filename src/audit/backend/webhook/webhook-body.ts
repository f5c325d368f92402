/** What every line of newLineEncoder starts with; then come the version and a quotation mark. */
const PREFIX = Buffer.from('{"kind":"Event","apiVersion":"', 'latin1')
const CHUNK_BYTES = 256 * 1024
const OPEN = Buffer.from('{', 'latin1')
const NEXT = Buffer.from(',{', 'latin1')
const END = Buffer.from(']}', 'latin1')

/** An EventList, to be written chunk by chunk. */
export interface EventListBody {
  readonly chunks: readonly Buffer[]
  /** Bytes of all chunks. */
  readonly length: number
  /** How many of the lines are in it. */
  readonly events: number
}

/**
 * The EventList of lines that newLineEncoder made, as far as they have the first one's version: those that an earlier
 * process spooled may have another. As from kube-apiserver, the items carry neither kind nor apiVersion.
 */
export function encodeEventListBody(lines: readonly Buffer[]): EventListBody {
  const first = lines[0]
  if (first === undefined) throw new Error('an EventList needs an event')
  const version = first.toString('latin1', PREFIX.length, first.indexOf('"', PREFIX.length))
  const linePrefix = Buffer.from(`${PREFIX.toString('latin1')}${version}",`, 'latin1')
  const head = Buffer.from(`{"kind":"EventList","apiVersion":"${version}","metadata":{},"items":[`, 'latin1')
  let events = 0
  let length = head.length + END.length
  for (const line of lines) {
    if (linePrefix.compare(line, 0, linePrefix.length) !== 0) break
    length += (events === 0 ? OPEN.length : NEXT.length) + line.length - linePrefix.length
    events++
  }
  const writer = new ChunkWriter(length)
  writer.write(head, 0)
  for (let i = 0; i < events; i++) {
    writer.write(i === 0 ? OPEN : NEXT, 0)
    writer.write(lines[i] as Buffer, linePrefix.length)
  }
  writer.write(END, 0)
  return { chunks: writer.chunks, length, events }
}

/** Copies into chunks: many small writes would be many TLS records, and one large string is a large allocation. */
class ChunkWriter {
  readonly chunks: Buffer[] = []
  #chunk: Buffer = Buffer.alloc(0)
  #used = 0
  /** Bytes for which there is no chunk yet. */
  #left: number

  constructor(length: number) {
    this.#left = length
  }

  write(source: Buffer, start: number): void {
    while (start < source.length) {
      if (this.#used === this.#chunk.length) this.#grow()
      const copied = source.copy(this.#chunk, this.#used, start)
      this.#used += copied
      start += copied
    }
  }

  #grow(): void {
    this.#chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, this.#left))
    this.#left -= this.#chunk.length
    this.#used = 0
    this.chunks.push(this.#chunk)
  }
}
