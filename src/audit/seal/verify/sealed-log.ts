import { plainBytes } from '../plain-bytes.js'
import { rangeRoot } from '../leaves.js'
import type { SignedStatement, Statement } from '../statement.js'
import type { Chain } from './chain.js'
import type { ChainFile } from './chain-file.js'
import { checkRanges, type LogCheck } from './log-check.js'

/** Lines that are proven, and the statement that proves them. */
export interface SealedPiece {
  readonly statement: SignedStatement
  /** The lines with their newlines. */
  readonly bytes: Buffer
}

/** A log, and what its chain says of it. */
export class SealedLog {
  readonly path: string
  readonly chain: Chain
  readonly file: ChainFile
  readonly check: LogCheck
  /** Of each range, by how many bytes it is moved from its place; undefined where its lines are not there. */
  readonly #shifts: readonly (number | undefined)[]

  private constructor(
    path: string,
    chain: Chain,
    file: ChainFile,
    check: LogCheck,
    shifts: readonly (number | undefined)[],
  ) {
    this.path = path
    this.chain = chain
    this.file = file
    this.check = check
    this.#shifts = shifts
  }

  /** Compares a log with what a chain says of one file. */
  static async compare(
    path: string,
    chain: Chain,
    file: ChainFile,
    onRead?: (bytes: number) => void,
  ): Promise<SealedLog> {
    const check = await checkRanges(path, file.ranges, 0, onRead)
    const shifts = check.good.map((good): number | undefined => (good ? 0 : undefined))
    const shift = check.size - file.end
    // Lines that were put in or taken out move all that follow. With a tail nobody knows by how much.
    if (shift !== 0 && (file.ended !== undefined || shift < 0) && shifts.includes(undefined)) {
      const moved = await checkRanges(path, file.ranges, shift)
      for (const [i, good] of moved.good.entries()) if (good) shifts[i] ??= shift
    }
    return new SealedLog(path, chain, file, check, shifts)
  }

  /** The ranges whose lines are there. */
  get proven(): Statement[] {
    return this.file.ranges.filter((_, i) => this.#shifts[i] !== undefined)
  }

  /** Runs of ranges whose lines are not there, each with its first and its last one. */
  get changed(): (readonly [Statement, Statement])[] {
    const runs: [Statement, Statement][] = []
    for (const [i, range] of this.file.ranges.entries()) {
      if (this.#shifts[i] !== undefined) continue
      const run = i > 0 && this.#shifts[i - 1] === undefined ? runs.at(-1) : undefined
      if (run === undefined) runs.push([range, range])
      else run[1] = range
    }
    return runs
  }

  /** The lines that are proven, range by range: read again, and compared again, so that nobody changes them meanwhile. */
  async *pieces(): AsyncGenerator<SealedPiece> {
    const wanted = this.file.ranges.flatMap((range, i) => {
      const shift = this.#shifts[i]
      return shift === undefined ? [] : [{ range, from: range.offset + shift }]
    })
    let position = 0
    let held: Buffer[] = []
    let next = 0
    for await (const piece of plainBytes(this.path)) {
      let from = 0
      while (from < piece.length) {
        const one = wanted[next]
        if (one === undefined) return
        const inside = position >= one.from
        const until = inside ? one.from + one.range.length : one.from
        const take = Math.min(until - position, piece.length - from)
        if (inside) held.push(piece.subarray(from, from + take))
        from += take
        position += take
        if (!inside || position < until) continue
        const bytes = Buffer.concat(held)
        held = []
        next++
        const statement = this.chain.statement(one.range.sequence)
        if (statement !== undefined && rangeRoot(bytes) === one.range.root) yield { statement, bytes }
      }
    }
  }
}
