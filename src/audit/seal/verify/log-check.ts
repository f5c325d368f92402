import { errorMessage } from '../../../errors.js'
import { LeafReader } from '../leaves.js'
import { MerkleTree, toHex } from '../merkle.js'
import { plainBytes } from '../plain-bytes.js'
import type { Range } from '../range.js'

/** What a log file is found to be. */
export interface LogCheck {
  /** Bytes, uncompressed. */
  readonly size: number
  /** Newlines after the last range. */
  readonly tailLines: number
  /** Of each range, whether the file has its lines where it should. */
  readonly good: readonly boolean[]
  /** Why the file could not be read to its end. */
  readonly error: string | undefined
}

const NEWLINE = 0x0a

/** Compares a log with ranges that follow each other, all moved by `shift` bytes. */
export async function checkRanges(
  path: string,
  ranges: readonly Range[],
  shift = 0,
  onRead?: (bytes: number) => void,
): Promise<LogCheck> {
  const checker = new RangeChecker(ranges, shift)
  let error: string | undefined
  try {
    for await (const piece of plainBytes(path, onRead)) checker.push(piece)
  } catch (err) {
    error = errorMessage(err)
  }
  return { ...checker.end(), error }
}

class RangeChecker {
  readonly #ranges: readonly Range[]
  readonly #shift: number
  readonly #good: boolean[] = []
  #position = 0
  #tailLines = 0
  #tree = new MerkleTree()
  readonly #reader = new LeafReader((leaf) => this.#tree.add(leaf))

  constructor(ranges: readonly Range[], shift: number) {
    this.#ranges = ranges
    this.#shift = shift
    this.#skipPassed()
  }

  push(piece: Buffer): void {
    let from = 0
    while (from < piece.length) {
      const range = this.#ranges[this.#good.length]
      if (range === undefined) {
        for (let at = piece.indexOf(NEWLINE, from); at >= 0; at = piece.indexOf(NEWLINE, at + 1))
          this.#tailLines++
        this.#position += piece.length - from
        return
      }
      const start = range.offset + this.#shift
      const inside = this.#position >= start
      const until = inside ? start + range.length : start
      const take = Math.min(until - this.#position, piece.length - from)
      if (inside) this.#reader.push(piece.subarray(from, from + take))
      from += take
      this.#position += take
      if (inside && this.#position === until) this.#endRange(range)
    }
  }

  end(): Omit<LogCheck, 'error'> {
    while (this.#good.length < this.#ranges.length) this.#good.push(false)
    return { size: this.#position, tailLines: this.#tailLines, good: this.#good }
  }

  #endRange({ lines, root }: Range): void {
    this.#reader.end()
    this.#good.push(this.#tree.size === lines && toHex(this.#tree.root()) === root)
    this.#tree = new MerkleTree()
    this.#skipPassed()
  }

  /** Ranges that begin before the place that is read cannot be: they overlap, or are moved before the file. */
  #skipPassed(): void {
    for (
      let next = this.#ranges[this.#good.length];
      next !== undefined;
      next = this.#ranges[this.#good.length]
    ) {
      if (next.offset + this.#shift >= this.#position) return
      this.#good.push(false)
    }
  }
}
