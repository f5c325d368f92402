import type { Statement } from '../statement.js'
import type { Point } from './report.js'
import type { Located } from './statements.js'

export function pointOf({ sequence, time }: Statement): Point {
  return { sequence, time }
}

/** What a chain says of one log file. */
export class ChainFile {
  readonly instance: string
  /** Which file of the chain it is, from 1. */
  readonly number: number
  /** Its lines, in their order; of no lines are left out. */
  readonly ranges: Statement[] = []
  /** The seals that speak of it. */
  readonly seals = new Set<string>()
  /** Lines that were added after the log was closed. */
  readonly addedAfterEnd: Statement[] = []
  /** What it was called when it was last spoken of. */
  name = ''
  #ended: Statement | undefined
  #sequences = { first: -1, last: -1 }

  constructor(instance: string, number: number) {
    this.instance = instance
    this.number = number
  }

  /** The statement after which nothing was written to it; undefined where lines may have followed. */
  get ended(): Statement | undefined {
    return this.#ended
  }

  /** Bytes up to which it is sealed. */
  get end(): number {
    const last = this.ranges.at(-1)
    return last === undefined ? 0 : last.offset + last.length
  }

  get lines(): number {
    const last = this.ranges.at(-1)
    return last === undefined ? 0 : last.line + last.lines
  }

  get sequences(): { readonly first: number; readonly last: number } {
    return this.#sequences
  }

  add({ one: { statement }, seal }: Located): void {
    this.seals.add(seal)
    if (statement.to !== undefined || this.name === '') this.name = statement.to ?? statement.file
    const { sequence } = statement
    if (this.#sequences.first < 0) this.#sequences.first = sequence
    this.#sequences.last = sequence
    switch (statement.type) {
      case 'rotated':
      case 'closed':
        this.#ended = statement
        break
      case 'restarted':
      case 'foreign':
      case 'checkpoint':
        if (this.#ended?.type === 'closed' && statement.lines > 0 && statement.type !== 'checkpoint')
          this.addedAfterEnd.push(statement)
        this.#ended = undefined
        break
      case 'opened':
        this.#ended = undefined
        break
      case 'removed':
      case 'key-changed':
      case 'file':
        break
    }
    if (statement.length > 0) this.ranges.push(statement)
  }
}
