import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** The text of a line without its end; undefined for one that was too long to be kept. */
export type Line = string | undefined

/** Bytes of a line at most. An event has two bodies of --audit-max-body-size, so this is far more than most have. */
export const MAX_LINE_BYTES = 64 << 20
const CHUNK_BYTES = 256 << 10
const NEWLINE = 0x0a

/** Cuts a stream of bytes into lines. What it holds is bounded by the longest line that it accepts. */
export class LineSplitter {
  #parts: Buffer[] = []
  #length = 0
  #skipping = false
  #reportSkipped = true

  readonly #maxLineBytes: number

  constructor(maxLineBytes = MAX_LINE_BYTES) {
    this.#maxLineBytes = maxLineBytes
  }

  /** The lines that end in the chunk. */
  write(chunk: Buffer): Line[] {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end))
      this.#finish(lines)
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
    return lines
  }

  /** What stands behind the last line end, where anything does. */
  end(): Line[] {
    const lines: Line[] = []
    if (this.#length > 0 || this.#skipping) this.#finish(lines)
    return lines
  }

  /** Leaves out the rest of the line that the next chunk begins in, and does not tell of it. */
  skipLine(): void {
    this.#skipping = true
    this.#reportSkipped = false
  }

  #keep(part: Buffer): void {
    if (this.#skipping || part.length === 0) return
    this.#length += part.length
    if (this.#length > this.#maxLineBytes) {
      this.#skipping = true
      this.#parts = []
    } else {
      this.#parts.push(part)
    }
  }

  #finish(lines: Line[]): void {
    if (!this.#skipping) lines.push(this.#text())
    else if (this.#reportSkipped) lines.push(undefined)
    this.#skipping = false
    this.#reportSkipped = true
    this.#parts = []
    this.#length = 0
  }

  #text(): string {
    const [only] = this.#parts
    if (this.#parts.length === 1 && only !== undefined) return only.toString('utf8')
    return Buffer.concat(this.#parts, this.#length).toString('utf8')
  }
}

/**
 * The lines of a file, gzipped or not, in one array for each piece that is read. `-` is standard input.
 *
 * Rejects with the system's error where the file cannot be read, and zlib's where it is damaged.
 */
export async function* readLines(file: string): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter()
  const source: Readable =
    file === '-' ? process.stdin : createReadStream(file, { highWaterMark: CHUNK_BYTES })
  for await (const chunk of uncompressed(source)) yield splitter.write(chunk)
  yield splitter.end()
}

/** Looks at the first bytes (RFC 1952), for a name may lie. */
async function* uncompressed(source: Readable): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
  let head: Buffer = Buffer.alloc(0)
  while (head.length < 2) {
    const next = await chunks.next()
    if (next.done === true) break
    head = Buffer.concat([head, next.value])
  }
  const whole = withHead(head, chunks)
  if (head[0] !== 0x1f || head[1] !== 0x8b) {
    yield* whole
    return
  }
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES })
  // Its errors come out of gunzip; this only has to be told to somebody.
  pipeline(Readable.from(whole, { objectMode: false }), gunzip, () => undefined)
  yield* gunzip as AsyncIterable<Buffer>
}

async function* withHead(head: Buffer, rest: AsyncIterator<Buffer, undefined>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
  }
}
