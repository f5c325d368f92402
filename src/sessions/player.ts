import type { CastEvent } from './cast-reader.js'
import { systemTimers, type Timers } from '../timers.js'

export interface PlayerOptions {
  /** How much faster than it was. */
  readonly speed: number
  /** The longest that nothing may happen, in seconds of the recording; 0 is no limit. */
  readonly idleTimeLimit: number
  readonly write: (text: string) => Promise<void>
}

/** Shows output at the pace at which it came. Can be paused, and stopped. */
export class Player {
  readonly stop = new AbortController()
  #paused = false
  #resume: (() => void) | undefined

  readonly #options: PlayerOptions
  readonly #timers: Timers

  constructor(options: PlayerOptions, timers: Timers = systemTimers) {
    this.#options = options
    this.#timers = timers
  }

  /** Pauses, or goes on. */
  toggle(): void {
    this.#paused = !this.#paused
    if (!this.#paused) this.#resume?.()
  }

  /** Resolves when all is shown, or it was stopped. */
  async play(events: AsyncIterable<CastEvent>): Promise<void> {
    const { speed, idleTimeLimit, write } = this.#options
    let shown = 0
    for await (const { at, code, data } of events) {
      if (code !== 'o') continue
      const idle = Math.max(0, at - shown)
      shown = at
      const wait = idleTimeLimit > 0 ? Math.min(idle, idleTimeLimit) : idle
      await this.#wait((wait / speed) * 1000)
      if (this.#paused) await this.#resumed()
      if (this.stop.signal.aborted) return
      await write(data)
    }
  }

  async #wait(ms: number): Promise<void> {
    if (ms < 1 || this.stop.signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = this.#timers.after(ms, done)
      const { signal } = this.stop
      signal.addEventListener('abort', done)
      function done(): void {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
    })
  }

  async #resumed(): Promise<void> {
    const { signal } = this.stop
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      this.#resume = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#resume = undefined
  }
}
