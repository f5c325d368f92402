import { systemTimers, type Timer, type Timers } from './timers.js'

/** The part of a pino Logger that is needed here. */
export interface WarnLog {
  warn(fields: object, message: string): void
}

/** What was held back of one kind of message. */
interface Held {
  timer: Timer
  /** How many messages were left out since the last line. */
  suppressed: number
  /** The sum of their counts. */
  count: number
  fields: object
  message: string
}

/**
 * Writes at most one line per interval and kind of message, so that a failure that hits every request does not fill the
 * disk. Nothing goes unsaid: when the interval is over, one line tells how many were left out and what they add up to.
 */
export class RateLimitedLog {
  readonly #log: WarnLog
  readonly #intervalMs: number
  readonly #timers: Timers
  readonly #held = new Map<string, Held>()

  constructor(log: WarnLog, intervalMs = 10_000, timers: Timers = systemTimers) {
    this.#log = log
    this.#intervalMs = intervalMs
    this.#timers = timers
  }

  /**
   * @param kind one of a few fixed words: each is limited on its own
   * @param count how many things (events, say) this message is about; a later line has the sum of those left out
   */
  warn(kind: string, fields: object, message: string, count = 1): void {
    const held = this.#held.get(kind)
    if (held !== undefined) {
      held.suppressed++
      held.count += count
      held.fields = fields
      held.message = message
      return
    }
    this.#log.warn({ ...fields, count }, message)
    this.#hold(kind, fields, message)
  }

  /** Writes what was held back and stops the timers. */
  close(): void {
    for (const held of this.#held.values()) {
      held.timer.cancel()
      this.#write(held)
    }
    this.#held.clear()
  }

  #hold(kind: string, fields: object, message: string): void {
    const timer = this.#timers.after(this.#intervalMs, () => this.#release(kind), true)
    this.#held.set(kind, { timer, suppressed: 0, count: 0, fields, message })
  }

  #release(kind: string): void {
    const held = this.#held.get(kind)
    this.#held.delete(kind)
    if (held === undefined || held.suppressed === 0) return
    this.#write(held)
    this.#hold(kind, held.fields, held.message)
  }

  #write({ fields, count, suppressed, message }: Held): void {
    if (suppressed > 0) this.#log.warn({ ...fields, count, suppressed }, message)
  }
}
