import { errorMessage } from '../../errors.js'
import type { Timer, Timers } from '../../timers.js'
import type { ChainHead } from './chain-head.js'
import type { SealKey } from './keys.js'
import { appendStatement } from './seal-file.js'
import type { Statement, StatementBody } from './statement.js'

/** A statement that is to be made. */
export interface Draft {
  /** What it says, asked when it is its turn. */
  body(head: ChainHead): StatementBody
  /** The file that it goes to. */
  readonly seal: string
  /** The permissions of that file, where it is new. */
  readonly mode: number
  /** What must have happened before: lines are on the disk, files are renamed. It is done again where it failed. */
  before?(): Promise<void>
  /** What may happen when it is stored. */
  after?(statement: Statement): void
}

/** What becomes of statements. */
export interface SealReport {
  /** A statement is stored. */
  stored(line: Buffer): void
  /** One could not be stored; it is tried again. */
  failed(reason: string): void
}

const RETRY_MS = 1000

/**
 * Stores statements one after the other, in the background. One that cannot be stored (the disk is full) keeps its place,
 * and is tried again together with the next one, and every second.
 */
export class StatementQueue {
  readonly #head: ChainHead
  readonly #report: SealReport
  readonly #timers: Timers
  readonly #now: () => number
  readonly #sync: boolean
  readonly #drafts: { readonly draft: Draft; readonly time: Date }[] = []
  #key: SealKey
  #running: Promise<boolean> | undefined
  #retry: Timer | undefined
  #closed = false

  /** @param sync whether a statement is on the disk before it counts as stored */
  constructor(
    head: ChainHead,
    key: SealKey,
    report: SealReport,
    { timers, now, sync }: { readonly timers: Timers; readonly now: () => number; readonly sync: boolean },
  ) {
    this.#head = head
    this.#key = key
    this.#report = report
    this.#timers = timers
    this.#now = now
    this.#sync = sync
  }

  get length(): number {
    return this.#drafts.length
  }

  get key(): SealKey {
    return this.#key
  }

  /** Statements after this moment are signed with this key. To be called from `after` of the one that says so. */
  setKey(key: SealKey): void {
    this.#key = key
  }

  push(draft: Draft): void {
    this.#drafts.push({ draft, time: new Date(this.#now()) })
    void this.flushed()
  }

  /** Resolves when all is stored: true; or when something could not be: false. It never rejects. */
  flushed(): Promise<boolean> {
    if (this.#drafts.length === 0) return Promise.resolve(true)
    return (this.#running ??= this.#run())
  }

  /** Nothing is tried again after this. */
  close(): void {
    this.#closed = true
    this.#retry?.cancel()
  }

  async #run(): Promise<boolean> {
    this.#retry?.cancel()
    try {
      for (let next = this.#drafts[0]; next !== undefined; next = this.#drafts[0]) {
        await this.#store(next.draft, next.time)
        this.#drafts.shift()
      }
      return true
    } catch (err) {
      this.#report.failed(errorMessage(err))
      if (!this.#closed) this.#retry = this.#timers.after(RETRY_MS, () => void this.flushed(), true)
      return false
    } finally {
      this.#running = undefined
    }
  }

  async #store(draft: Draft, time: Date): Promise<void> {
    await draft.before?.()
    const signed = this.#head.sign(draft.body(this.#head), time, this.#key)
    await appendStatement(draft.seal, signed.line, draft.mode, this.#sync)
    this.#head.advance(signed)
    draft.after?.(signed.statement)
    this.#report.stored(signed.line)
  }
}
