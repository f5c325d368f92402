import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { withSequences, type ChainHead } from './chain-head.js'
import type { SealKey } from './keys.js'
import type { OpenLog } from './open-log.js'
import { EMPTY_ROOT, toHex } from './merkle.js'
import type { Range } from './range.js'
import { SEAL_SUFFIX } from './seal-file.js'
import type { SequenceRange, Statement, StatementBody, StatementExtras, StatementType } from './statement.js'
import type { StatementQueue } from './statement-queue.js'

/** A log file that statements are about. */
export interface SealedFile {
  /** Which file of the chain it is, from 1. */
  readonly number: number
  readonly inode: number
  readonly open: OpenLog
  readonly mode: number
}

/** Those who may read and write the log may read and write its seal. */
const MODE_BITS = 0o666

/** The statements beside one log: what each says, which file it goes to, and what must be true before it is made. */
export class SealChain {
  readonly #log: string
  readonly #queue: StatementQueue

  constructor(log: string, queue: StatementQueue) {
    this.#log = log
    this.#queue = queue
  }

  /** How many statements wait to be stored. */
  get waiting(): number {
    return this.#queue.length
  }

  /** A file is open. */
  opened(file: SealedFile): void {
    this.#push(file.mode, (head) => {
      const { last, removed, keys } = head
      const goesOn = last?.number === file.number && last.type !== 'rotated'
      return {
        ...(goesOn ? this.#place(head) : this.#beginning(file.number)),
        type: 'opened',
        inode: file.inode,
        ...(removed.length > 0 && { removed }),
        ...(keys.length > 0 && { keys }),
      }
    })
  }

  /** Lines are in a file. They are on the disk before this is said. */
  range(
    file: SealedFile,
    range: Range,
    type: 'checkpoint' | 'restarted' | 'foreign',
    seal = this.#sealOf(this.#log),
  ): void {
    this.#queue.push({
      seal,
      mode: file.mode & MODE_BITS,
      before: () => (range.lines > 0 ? file.open.sync() : Promise.resolve()),
      body: () => ({ type, file: basename(this.#log), number: file.number, ...range }),
    })
  }

  /** Nothing more is said of a file. `to` is its name now, where that is known: its seal gets the same. */
  finished(file: SealedFile, type: 'rotated' | 'closed', to?: string): void {
    this.#queue.push({
      seal: this.#sealOf(to === undefined ? this.#log : this.#beside(to)),
      mode: file.mode & MODE_BITS,
      before: () => (to === undefined ? Promise.resolve() : this.moveSeal(to)),
      body: (head) => ({ ...this.#place(head), type, ...(to !== undefined && { to }) }),
    })
  }

  /** Retention takes a rotated file with these statements. */
  removed(of: string, sequences: readonly SequenceRange[], mode: number): void {
    this.#push(mode, (head) => ({
      ...this.#place(head),
      type: 'removed',
      of,
      removed: sequences.reduce(withSequences, head.removed),
    }))
  }

  /** A whole file beside the log is what this says, or is removed by retention. */
  wholeFile(
    said: Pick<StatementBody, 'type' | 'path' | 'size' | 'sha256'>,
    mode: number,
    after: (statement: Statement) => void,
  ): void {
    this.#push(mode, (head) => ({ ...this.#place(head), ...said }), after)
  }

  /** The key so far signs the one after it. */
  keyChanged(key: SealKey, mode: number): void {
    this.#push(
      mode,
      (head) => ({
        ...this.#place(head),
        type: 'key-changed',
        newKey: key.publicKey.hex,
        keys: head.keysWith(this.#queue.key.publicKey.hex),
      }),
      () => this.#queue.setKey(key),
    )
  }

  /** Moves the seal to where its log has been moved. */
  async moveSeal(to: string): Promise<void> {
    const [from, target] = [this.#sealOf(this.#log), this.#sealOf(this.#beside(to))]
    if (existsSync(from) && !existsSync(target)) await rename(from, target)
  }

  /** The seal of a file beside the log. */
  sealBeside(name: string): string {
    return this.#sealOf(this.#beside(name))
  }

  /** Resolves when all is stored: true; or when something could not be: false. */
  flushed(): Promise<boolean> {
    return this.#queue.flushed()
  }

  /** Nothing comes after this. */
  async close(): Promise<void> {
    this.#queue.close()
    await this.#queue.flushed()
  }

  #push(
    mode: number,
    body: (head: ChainHead) => StatementBody,
    after?: (statement: Statement) => void,
  ): void {
    const draft = { seal: this.#sealOf(this.#log), mode: mode & MODE_BITS, body }
    this.#queue.push(after === undefined ? draft : { ...draft, after })
  }

  /** Where the chain is: behind all that is sealed of the file that it is in. */
  #place({
    last,
  }: ChainHead): Omit<StatementBody, 'type' | keyof StatementExtras> & { type?: StatementType } {
    if (last === undefined) return this.#beginning(1)
    const { number, offset, length, line, lines } = last
    return { ...this.#beginning(number), offset: offset + length, line: line + lines }
  }

  #beginning(number: number) {
    const nothing = { offset: 0, length: 0, line: 0, lines: 0, root: toHex(EMPTY_ROOT) }
    return { file: basename(this.#log), number, ...nothing }
  }

  #beside(name: string): string {
    return join(dirname(this.#log), name)
  }

  #sealOf(log: string): string {
    return log + SEAL_SUFFIX
  }
}
