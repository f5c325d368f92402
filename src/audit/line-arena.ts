/** Lines are put into blocks of so many bytes. */
const BLOCK_BYTES = 256 * 1024
/** A line with more bytes has memory of its own. */
const LARGE_BYTES = 16 * 1024

/**
 * Memory for lines that wait to be written. Thousands of them share a block, which goes when the last one has: as
 * memory of their own they would keep the garbage collector busy.
 */
export class LineArena {
  #block = Buffer.alloc(0)
  #used = 0

  /** The text in UTF-8. */
  encode(text: string): Buffer {
    // No character has more than three bytes for each of its UTF-16 units.
    if (text.length * 3 > LARGE_BYTES) return Buffer.from(text)
    this.#makeRoom(text.length * 3)
    return this.#take(this.#block.write(text, this.#used))
  }

  /** A copy, for bytes whose memory belongs to something that should not be held as long. */
  copy(line: Buffer): Buffer {
    if (line.length > LARGE_BYTES) return Buffer.from(line)
    this.#makeRoom(line.length)
    this.#block.set(line, this.#used)
    return this.#take(line.length)
  }

  #makeRoom(bytes: number): void {
    if (this.#block.length - this.#used >= bytes) return
    this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    this.#used = 0
  }

  #take(bytes: number): Buffer {
    const start = this.#used
    this.#used += bytes
    return this.#block.subarray(start, this.#used)
  }
}
