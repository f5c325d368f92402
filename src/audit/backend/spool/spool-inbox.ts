import { errorMessage } from '../../../errors.js'
import type { DeliveryHealth } from '../delivery-health.js'
import type { Spool } from './spool.js'
import type { Problems } from '../problems.js'

export interface SpoolInboxOptions {
  /** How many events are kept in memory while the disk takes none: --audit-webhook-batch-buffer-size. */
  readonly bufferSize: number
  /** How many bytes they may have. */
  readonly bufferBytes: number
}

export interface SpoolInboxDeps {
  readonly spool: Spool
  readonly problems: Problems
  /** Whether the spool takes events. */
  readonly health: Pick<DeliveryHealth, 'succeeded' | 'failed'>
  /** Called when there are records in the spool, or held, that were not there before. */
  readonly onTaken: () => void
}

/** A group is written at the end of the tick, or when it has so many bytes. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024
/** Milliseconds after which a group is written within the tick: a busy process has long ones. */
const MAX_GROUP_AGE = 5
/** Milliseconds until a disk that took nothing is tried again. */
const RETRY_MS = 1000

/** Who waits for the records of a group, from the first on, up to one. */
interface Waiting {
  readonly end: number
  readonly resolve: (stored: boolean) => void
}

/**
 * The way into a spool. Records of one tick are written together; the write is synchronous, so that what has been taken
 * is safe from the end of the process before anything else happens. While the disk takes nothing (it is full, say)
 * records are held in memory, in order and up to a limit.
 */
export class SpoolInbox {
  readonly #options: SpoolInboxOptions
  readonly #deps: SpoolInboxDeps
  #group: Buffer[] = []
  #waiting: Waiting[] = []
  #groupBytes = 0
  #groupSince = 0
  #groupTimer: NodeJS.Immediate | undefined
  #held: Buffer[] = []
  #heldBytes = 0
  #retryTimer: NodeJS.Timeout | undefined

  constructor(options: SpoolInboxOptions, deps: SpoolInboxDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** How many records are held in memory because the disk takes none. */
  get held(): number {
    return this.#held.length
  }

  /** @param records made by encodeRecord */
  add(records: readonly Buffer[]): void {
    const now = performance.now()
    if (this.#group.length === 0) this.#groupSince = now
    for (const record of records) {
      this.#group.push(record)
      this.#groupBytes += record.length
    }
    if (this.#groupBytes >= MAX_GROUP_BYTES || now - this.#groupSince >= MAX_GROUP_AGE) this.flush()
    else this.#groupTimer ??= setImmediate(() => this.flush())
  }

  /** As add, and resolves when all of them are in the spool, or not all of them will be: those held are not yet. */
  store(records: readonly Buffer[]): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.push({ end: this.#group.length + records.length, resolve })
      this.add(records)
    })
  }

  /** Writes what was added. */
  flush(): void {
    clearImmediate(this.#groupTimer)
    this.#groupTimer = undefined
    const group = this.#group
    if (group.length === 0) return
    const waiting = this.#waiting
    this.#group = []
    this.#waiting = []
    this.#groupBytes = 0
    const stored = this.#held.length === 0 ? this.#store(group) : undefined
    if (stored === undefined) {
      this.#hold(group)
    } else if (stored < group.length) {
      const reason = `the spool is full: ${this.#deps.spool.size} bytes`
      this.#deps.health.failed(reason)
      this.#deps.problems.dropped(group.length - stored, reason)
    }
    for (const { end, resolve } of waiting) resolve(end <= (stored ?? 0))
    this.#deps.onTaken()
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
    if (stored > 0) this.#deps.onTaken()
  }

  /** What cannot be stored now is lost. */
  close(): void {
    this.flush()
    this.storeHeld()
    clearTimeout(this.#retryTimer)
    if (this.#held.length === 0) return
    this.#deps.problems.dropped(
      this.#held.length,
      'neither delivered nor stored before the end of the process',
    )
    this.#held = []
    this.#heldBytes = 0
  }

  /** How many were stored, the first ones; undefined when the disk takes nothing. */
  #store(records: readonly Buffer[]): number | undefined {
    const { spool, problems, health } = this.#deps
    try {
      const stored = spool.append(records)
      if (stored > 0) health.succeeded()
      return stored
    } catch (err) {
      const reason = errorMessage(err)
      health.failed(reason)
      problems.trouble('spool cannot be written, events are kept in memory', reason)
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
      this.#deps.problems.dropped(records.length - count, `${reason}: ${this.#held.length} events`)
    }
    this.#retryLater()
  }

  #retryLater(): void {
    this.#retryTimer ??= setTimeout(() => this.storeHeld(), RETRY_MS).unref()
  }
}
