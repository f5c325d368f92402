import { systemTimers, type Timer, type Timers } from '../timers.js'
import type { ReviewMetrics } from './review-metrics.js'

/** So many reviews wait already that this one was not asked: the client is to come again. */
export class TooManyReviews extends Error {
  override name = 'TooManyReviews'
}

export interface TurnLimits {
  /** Reviews at the apiserver at a time. */
  readonly inFlight: number
  /** Reviews that wait for those at most. */
  readonly waiting: number
  /** Milliseconds that one waits at most. */
  readonly patience: number
}

interface Waiter {
  readonly flow: string
  readonly start: () => void
  readonly refuse: () => void
  readonly timer: Timer
}

/**
 * Lets reviews go to the apiserver by turns: a few at a time, and some that wait. Flows take turns, so that one that asks
 * for much waits for itself; where all places are taken, the last of the flow that has most of them makes room for one
 * that has fewer (as the fair queues of k8s.io/apiserver/pkg/util/flowcontrol, but with a queue for each flow).
 */
export class ReviewTurns {
  readonly #limits: TurnLimits
  readonly #metrics: ReviewMetrics
  readonly #timers: Timers
  /** By flow; the one whose turn is next is first. None is empty. */
  readonly #flows = new Map<string, Waiter[]>()
  #waiting = 0
  #inFlight = 0

  constructor(limits: TurnLimits, metrics: ReviewMetrics, timers: Timers = systemTimers) {
    this.#limits = limits
    this.#metrics = metrics
    this.#timers = timers
  }

  /**
   * Asks when it is its turn.
   *
   * @param flow who asks: an address, a user
   * @throws TooManyReviews where it was not asked; else what `ask` throws
   */
  async take<T>(flow: string, ask: () => Promise<T>): Promise<T> {
    if (this.#inFlight < this.#limits.inFlight) this.#inFlight++
    else await this.#wait(flow)
    this.#metrics.inFlight(1)
    try {
      return await ask()
    } finally {
      this.#metrics.inFlight(-1)
      this.#next()
    }
  }

  /** Resolves when a place has been handed over. */
  #wait(flow: string): Promise<void> {
    if (this.#waiting >= this.#limits.waiting && !this.#makeRoom(flow)) return Promise.reject(this.#refusal())
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        flow,
        start: resolve,
        refuse: () => reject(this.#refusal()),
        timer: this.#timers.after(this.#limits.patience, () => {
          this.#remove(waiter)
          waiter.refuse()
        }),
      }
      const waiters = this.#flows.get(flow)
      if (waiters === undefined) this.#flows.set(flow, [waiter])
      else waiters.push(waiter)
      this.#count(1)
    })
  }

  /** False where no flow waits for more than this one would. */
  #makeRoom(flow: string): boolean {
    let longest: readonly Waiter[] = []
    for (const waiters of this.#flows.values()) if (waiters.length > longest.length) longest = waiters
    const last = longest.at(-1)
    if (last === undefined || longest.length <= (this.#flows.get(flow)?.length ?? 0) + 1) return false
    this.#remove(last)
    last.refuse()
    return true
  }

  /** A review has ended: its place goes to the flow whose turn it is, which then goes to the end of the row. */
  #next(): void {
    const next = this.#flows.entries().next()
    if (next.done === true) {
      this.#inFlight--
      return
    }
    const [flow, waiters] = next.value
    const waiter = waiters[0] as Waiter
    this.#remove(waiter)
    if (this.#flows.delete(flow)) this.#flows.set(flow, waiters)
    waiter.start()
  }

  #remove(waiter: Waiter): void {
    waiter.timer.cancel()
    const waiters = this.#flows.get(waiter.flow) as Waiter[]
    waiters.splice(waiters.indexOf(waiter), 1)
    if (waiters.length === 0) this.#flows.delete(waiter.flow)
    this.#count(-1)
  }

  #count(change: 1 | -1): void {
    this.#waiting += change
    this.#metrics.waiting(change)
  }

  #refusal(): TooManyReviews {
    this.#metrics.refused()
    return new TooManyReviews('too many reviews wait for the apiserver')
  }
}
