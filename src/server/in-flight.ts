import { systemTimers, type Timers } from '../timers.js'
import { stopSpread } from './spread.js'

/** A request under way that can be ended from outside. */
export interface Stoppable {
  /** True where it may go on for hours: shutdown ends it rather than waits. */
  readonly endless: boolean
  /** True where it is a watch. */
  readonly watch: boolean
  /** Tells the client, unless the response has begun, that this is the last request of its connection. */
  closeConnection(): void
  stop(): void
}

/** The requests under way, for shutdown to wait for. */
export class InFlight {
  readonly #open = new Set<Stoppable>()
  /** True once shutdown has begun. */
  draining = false
  /** True while whoever comes is told to come again later. */
  turningAway = false
  #whenEmpty: (() => void) | undefined

  readonly #timers: Timers

  constructor(timers: Timers = systemTimers) {
    this.#timers = timers
  }

  get size(): number {
    return this.#open.size
  }

  add(request: Stoppable): void {
    this.#open.add(request)
    if (!this.draining) return
    // It came in while the server was draining, over a connection that was still open.
    request.closeConnection()
    if (request.endless) request.stop()
  }

  delete(request: Stoppable): void {
    this.#open.delete(request)
    if (this.#open.size === 0) this.#whenEmpty?.()
  }

  /**
   * Ends what is long-running and waits for the rest; when `deadline` is aborted, ends the rest too.
   * @param watchGracePeriod milliseconds in which watches are ended one after the other; 0: all at once
   */
  async drain(deadline: AbortSignal, watchGracePeriod = 0): Promise<void> {
    this.draining = true
    const watches: Stoppable[] = []
    for (const request of [...this.#open]) {
      // Or the client would send its next request into a connection that is about to close, and never know its fate.
      request.closeConnection()
      if (!request.endless) continue
      if (request.watch && watchGracePeriod > 0) watches.push(request)
      else request.stop()
    }
    if (watches.length > 0) stopSpread(watches, watchGracePeriod, deadline, this.#timers)
    await this.#empty(deadline)
    for (const request of [...this.#open]) request.stop()
    await this.#empty(AbortSignal.timeout(1000))
  }

  async #empty(deadline: AbortSignal): Promise<void> {
    if (this.#open.size === 0 || deadline.aborted) return
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve
      deadline.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#whenEmpty = undefined
  }
}
