import { errorMessage } from '../../../errors.js'
import type { Spool } from './spool.js'
import type { Problems } from '../problems.js'

export interface SpoolInboxOptions {
  /** How many events are kept in memory while the disk takes none: --audit-webhook-batch-buffer-size. */
  readonly bufferSize: number
  /** How many bytes they may have. */
  readonly bufferBytes: number
}

/** A group is written at the end of the tick, or when it has so many bytes. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024
/** Milliseconds until a disk that took nothing is tried again. */
const RETRY_MS = 1000

/**
 * The way into a spool. Records of one tick are written together; the write is synchronous, so that what has been taken
 * is safe from the end of the process before anything else happens. While the disk takes nothing (it is full, say)
 * records are held in memory, in order and up to a limit.
 */
export class SpoolInbox {
  readonly #spool: Spool
  readonly #options: SpoolInboxOptions
  readonly #problems: Problems
  readonly #onTaken: () => void
  #group: Buffer[] = []
  #groupBytes = 0
  #groupTimer: NodeJS.Immediate | undefined
  #held: Buffer[] = []
  #heldBytes = 0
  #retryTimer: NodeJS.Timeout | undefined

  /** @param onTaken called when there are records in the spool, or held, that were not there before */
  constructor(spool: Spool, options: SpoolInboxOptions, problems: Problems, onTaken: () => void) {
    this.#spool = spool
    this.#options = options
    this.#problems = problems
    this.#onTaken = onTaken
  }

  /** How many records are held in memory because the disk takes none. */
  get held(): number {
    return this.#held.length
  }

  /** @param record made by encodeRecord */
  add(record: Buffer): void {
    this.#group.push(record)
    this.#groupBytes += record.length
    if (this.#groupBytes >= MAX_GROUP_BYTES) this.flush()
    else this.#groupTimer ??= setImmediate(() => this.flush())
  }

  /** Writes what was added. */
  flush(): void {
    clearImmediate(this.#groupTimer)
    this.#groupTimer = undefined
    const group = this.#group
    if (group.length === 0) return
    this.#group = []
    this.#groupBytes = 0
    const stored = this.#held.length === 0 ? this.#store(group) : undefined
    if (stored === undefined) {
      this.#hold(group)
    } else if (stored < group.length) {
      this.#problems.dropped(group.length - stored, `the spool is full: ${this.#spool.size} bytes`)
    }
    this.#onTaken()
  }

  /** Takes the first of the records that are held: for when everything before them has been read from the spool. */
  takeHeld(maxRecords: number, maxBytes: number): Buffer[] {
    let count = 0
    let bytes = 0
    for (const record of this.#held) {
      if (count === maxRecords || (count > 0 && bytes + record.length > maxBytes)) break
      bytes += record.length
      count++
    }
    this.#heldBytes -= bytes
    return this.#held.splice(0, count)
  }

  /** What takeHeld gave, and could not be delivered. */
  giveBack(records: readonly Buffer[]): void {
    for (const record of records) this.#heldBytes += record.length
    this.#held = [...records, ...this.#held]
    this.#retryLater()
  }

  /** Tries to store what is held. */
  storeHeld(): void {
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    if (this.#held.length === 0) return
    const stored = this.#store(this.#held) ?? 0
    this.takeHeld(stored, Infinity)
    if (this.#held.length > 0) this.#retryLater()
    if (stored > 0) this.#onTaken()
  }

  /** What cannot be stored now is lost. */
  close(): void {
    this.flush()
    this.storeHeld()
    clearTimeout(this.#retryTimer)
    if (this.#held.length === 0) return
    this.#problems.dropped(this.#held.length, 'neither delivered nor stored before the end of the process')
    this.#held = []
    this.#heldBytes = 0
  }

  /** How many were stored, the first ones; undefined when the disk takes nothing. */
  #store(records: readonly Buffer[]): number | undefined {
    try {
      return this.#spool.append(records)
    } catch (err) {
      this.#problems.trouble('spool cannot be written, events are kept in memory', errorMessage(err))
      return undefined
    }
  }

  #hold(records: readonly Buffer[]): void {
    const { bufferSize, bufferBytes } = this.#options
    let count = 0
    for (const record of records) {
      if (this.#held.length >= bufferSize || this.#heldBytes + record.length > bufferBytes) break
      this.#held.push(record)
      this.#heldBytes += record.length
      count++
    }
    if (count < records.length) {
      const reason = 'the spool cannot be written and the buffer in memory is full'
      this.#problems.dropped(records.length - count, `${reason}: ${this.#held.length} events`)
    }
    this.#retryLater()
  }

  #retryLater(): void {
    this.#retryTimer ??= setTimeout(() => this.storeHeld(), RETRY_MS).unref()
  }
}
