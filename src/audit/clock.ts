import { performance } from 'node:perf_hooks'

/**
 * The wall clock in microseconds. JavaScript's own has milliseconds, so this adds the distance between the wall clock
 * and the monotonic clock, which has microseconds, to the latter.
 *
 * Each reading tells that distance to a millisecond, as an interval; the intersection of the readings narrows it to
 * microseconds. A reading outside what is known so far means that the wall clock was set, and what is known is
 * forgotten: a step of a millisecond or more shows in the very next reading. Time goes back only when the wall clock
 * does, and by no more. NTP's slewing moves both clocks alike.
 */
export class Clock {
  readonly #wall: () => number
  readonly #monotonic: () => number
  /** The distance, in microseconds, and the interval that it is known to lie in. */
  #offset = -Infinity
  #low = -Infinity
  #high = Infinity
  #last = -Infinity

  /** Both clocks are functions that return milliseconds, the wall clock's since the Unix epoch. */
  constructor(wall: () => number = Date.now, monotonic: () => number = () => performance.now()) {
    this.#wall = wall
    this.#monotonic = monotonic
  }

  /** Whole microseconds since the Unix epoch. */
  now(): number {
    const before = this.#monotonic() * 1000
    const wall = this.#wall() * 1000
    const after = this.#monotonic() * 1000
    const low = wall - after
    const high = wall + 1000 - before
    const stepped = low > this.#high || high < this.#low
    this.#low = stepped ? low : Math.max(low, this.#low)
    this.#high = stepped ? high : Math.min(high, this.#high)
    this.#offset = Math.min(Math.max(this.#offset, this.#low), this.#high)
    const now = Math.floor(after + this.#offset)
    // After a step back the interval narrows from above. That must not show as further steps.
    this.#last = stepped ? now : Math.max(now, this.#last)
    return this.#last
  }
}

/**
 * Makes a formatter of whole microseconds: RFC 3339 in UTC with six decimals, as metav1.MicroTime
 * (`2026-11-21T02:11:26.086898Z`). It remembers the second that it printed last, which the next time mostly has too.
 */
export function newMicroTimeFormat(): (micros: number) => string {
  let second = NaN
  let text = ''
  return (micros) => {
    const now = Math.floor(micros / 1e6)
    if (now !== second) {
      second = now
      text = new Date(now * 1000).toISOString().slice(0, 20)
    }
    // The leading one keeps the zeros behind it.
    return `${text}${String(micros - now * 1e6 + 1e6).slice(1)}Z`
  }
}

/** RFC 3339 in UTC with whole seconds, cut off and not rounded, as metav1.Time: `2026-11-21T02:11:26Z`. */
export function formatTime(micros: number): string {
  return `${new Date(Math.floor(micros / 1000)).toISOString().slice(0, 19)}Z`
}
