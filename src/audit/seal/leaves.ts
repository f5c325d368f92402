import { createHash, type Hash } from 'node:crypto'
import { MerkleTree, sha256, toHex, type Digest } from './merkle.js'

const NEWLINE = 0x0a
const LEAF = Buffer.of(0)
/** Longer lines are hashed piece by piece. */
const CAPACITY = 2 << 20

/**
 * The leaves of bytes that come in pieces: one for each line, and one for what stands behind the last newline. Bounded
 * memory, whatever the length of a line.
 */
export class LeafReader {
  readonly #onLeaf: (leaf: Digest, bytes: number) => void
  /** One byte to put the leaf's zero into, the beginning of a line, and the piece. */
  #buffer = Buffer.allocUnsafeSlow(1 << 16)
  /** How much of the unfinished line is in the buffer. */
  #held = 0
  /** The unfinished line, where it is longer than the buffer may be. */
  #long: { readonly hash: Hash; length: number } | undefined

  /** @param onLeaf told of each leaf, and the bytes that it stands for with its newline */
  constructor(onLeaf: (leaf: Digest, bytes: number) => void) {
    this.#onLeaf = onLeaf
  }

  push(piece: Buffer): void {
    let from = 0
    if (this.#long !== undefined) {
      const end = piece.indexOf(NEWLINE)
      from = end < 0 ? piece.length : end + 1
      this.#long.hash.update(piece.subarray(0, end < 0 ? piece.length : end))
      this.#long.length += from
      if (end >= 0) this.#endLong()
    }
    // Pieces are a chunk of the log, or a megabyte of a file: the buffer has room for one behind the line's beginning.
    this.#reserve(1 + this.#held + piece.length - from)
    const buffer = this.#buffer
    const end = 1 + this.#held + piece.copy(buffer, 1 + this.#held, from)
    let start = 1
    for (let at = buffer.indexOf(NEWLINE, start + this.#held); at >= 0 && at < end;) {
      buffer[start - 1] = 0
      this.#onLeaf(sha256(buffer.subarray(start - 1, at)), at + 1 - start)
      start = at + 1
      at = buffer.indexOf(NEWLINE, start)
    }
    this.#held = end - start
    if (this.#held > CAPACITY) {
      const hash = createHash('sha256').update(LEAF).update(buffer.subarray(start, end))
      this.#long = { hash, length: this.#held }
      this.#held = 0
    } else if (start > 1) {
      buffer.copyWithin(1, start, end)
    }
  }

  /** No more will come: what stands behind the last newline is a line too. */
  end(): void {
    if (this.#long !== undefined) this.#endLong()
    if (this.#held === 0) return
    this.#buffer[0] = 0
    this.#onLeaf(sha256(this.#buffer.subarray(0, 1 + this.#held)), this.#held)
    this.#held = 0
  }

  #endLong(): void {
    const long = this.#long as { hash: Hash; length: number }
    this.#long = undefined
    this.#onLeaf(long.hash.digest('binary'), long.length)
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.#buffer.length))
    this.#buffer.copy(larger, 0, 0, 1 + this.#held)
    this.#buffer = larger
  }
}

/** The root over the lines of these bytes, in hex. */
export function rangeRoot(bytes: Buffer): string {
  const tree = new MerkleTree()
  for (const leaf of leavesOf(bytes)) tree.add(leaf)
  return toHex(tree.root())
}

/** The leaves of these bytes. */
export function leavesOf(bytes: Buffer): Digest[] {
  const leaves: Digest[] = []
  const reader = new LeafReader((leaf) => leaves.push(leaf))
  reader.push(bytes)
  reader.end()
  return leaves
}
