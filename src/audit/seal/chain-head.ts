import { randomBytes } from 'node:crypto'
import type { SealKey } from './keys.js'
import {
  FIRST_PREVIOUS,
  signStatement,
  type SequenceRange,
  type SignedStatement,
  type Statement,
  type StatementBody,
} from './statement.js'

/** How many keys of before a chain remembers. */
const MAX_KEYS = 16

/** The end of a chain of statements: what the next one follows, and what is true up to there. */
export class ChainHead {
  #instance: string
  #last: Statement | undefined
  #previous = FIRST_PREVIOUS
  #inode: number | undefined
  /** The last range that has lines, of the file that the chain is in. */
  #range: Statement | undefined
  #removed: readonly SequenceRange[] = []
  #keys: readonly string[] = []

  constructor() {
    this.#instance = randomBytes(16).toString('hex')
  }

  get instance(): string {
    return this.#instance
  }

  /** The last statement; undefined where the chain begins. */
  get last(): Statement | undefined {
    return this.#last
  }

  /** The inode that the file had when it was opened. */
  get inode(): number | undefined {
    return this.#inode
  }

  /** The last range of the file that has lines. */
  get range(): Statement | undefined {
    return this.#range
  }

  /** Which statements retention has taken. */
  get removed(): readonly SequenceRange[] {
    return this.#removed
  }

  /** Public keys of before, in hex. */
  get keys(): readonly string[] {
    return this.#keys
  }

  /** Signs what comes next. The head moves on only when it is told that the statement is stored. */
  sign(body: StatementBody, time: Date, key: SealKey): SignedStatement {
    const sequence = this.#last === undefined ? 0 : this.#last.sequence + 1
    const total = (this.#last?.total ?? 0) + body.lines
    const link = {
      instance: this.#instance,
      sequence,
      time: time.toISOString(),
      total,
      previous: this.#previous,
    }
    return signStatement(body, link, key)
  }

  /** The statement is the last one now. */
  advance({ statement, hash }: SignedStatement): void {
    if (statement.instance !== this.#instance || statement.number !== this.#last?.number) {
      this.#range = undefined
      this.#inode = undefined
    }
    this.#instance = statement.instance
    this.#last = statement
    this.#previous = hash
    if (statement.lines > 0) this.#range = statement
    if (statement.inode !== undefined) this.#inode = statement.inode
    if (statement.removed !== undefined) this.#removed = statement.removed
    if (statement.keys !== undefined) this.#keys = statement.keys
  }

  /** What is known of keys of before, with one more. */
  keysWith(key: string): string[] {
    return [...this.#keys.filter((one) => one !== key), key].slice(-MAX_KEYS)
  }
}

/** The ranges with one more, joined where they touch. */
export function withSequences(ranges: readonly SequenceRange[], added: SequenceRange): SequenceRange[] {
  const joined: [number, number][] = []
  for (const [from, to] of [...ranges, added].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else joined.push([from, to])
  }
  return joined
}
