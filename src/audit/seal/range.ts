import { MerkleTree, toHex, type Digest } from './merkle.js'

/** Consecutive lines of a log file, and the root of the tree over them. */
export interface Range {
  /** Bytes of the file before it. */
  readonly offset: number
  /** Its bytes, newlines included. */
  readonly length: number
  /** Lines of the file before it. */
  readonly line: number
  readonly lines: number
  /** Hex. */
  readonly root: string
}

/** A checkpoint is made before it would have more than this. */
export const MAX_LINES = 10_000
/** Likewise, unless a single line has more: so that whoever verifies can hold what is between two checkpoints. */
export const MAX_BYTES = 16 << 20

/** The lines since the last checkpoint. */
export class RangeBuilder {
  #offset: number
  #line: number
  #length = 0
  #tree = new MerkleTree()

  constructor(offset = 0, line = 0) {
    this.#offset = offset
    this.#line = line
  }

  /** Bytes of the file up to the range's end. */
  get end(): number {
    return this.#offset + this.#length
  }

  get lines(): number {
    return this.#tree.size
  }

  /** Whether a line of so many bytes belongs into the next range. */
  isFull(bytes: number): boolean {
    return this.lines >= MAX_LINES || (this.lines > 0 && this.#length + bytes > MAX_BYTES)
  }

  add(leaf: Digest, bytes: number): void {
    this.#tree.add(leaf)
    this.#length += bytes
  }

  /** The range as it is now; the next one begins at its end. */
  take(): Range {
    const range = {
      offset: this.#offset,
      length: this.#length,
      line: this.#line,
      lines: this.#tree.size,
      root: toHex(this.#tree.root()),
    }
    this.#offset += range.length
    this.#line += range.lines
    this.#length = 0
    this.#tree = new MerkleTree()
    return range
  }
}
