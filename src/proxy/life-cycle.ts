import type { Awaitable } from '../awaitable.js'
import type { Logger } from 'pino'
import { deadline, delay } from '../timers.js'
import type { ShutdownOptions } from './shutdown-options.js'
import type { Part } from './part.js'

/** How long the end may take, in milliseconds. */
type ShutdownTimes = Pick<ShutdownOptions, 'delayDuration' | 'timeout'>

/** Takes the parts of a proxy from their start to their end. */
export class LifeCycle {
  readonly #parts: readonly Part[]
  readonly #shutdown: ShutdownTimes
  readonly #drainShare: number
  readonly #log: Logger

  /** @param drainShare how much of the timeout requests may take: the rest is for events, however long requests take */
  constructor(parts: readonly Part[], shutdown: ShutdownTimes, drainShare: number, log: Logger) {
    this.#parts = parts
    this.#shutdown = shutdown
    this.#drainShare = drainShare
    this.#log = log
  }

  /** Rejects with the reason of the first part that cannot start. */
  async start(): Promise<void> {
    for (const part of this.#parts) await part.start?.()
  }

  /**
   * Stops without losing an event, and never takes longer than the delay and the timeout together. A part that fails
   * keeps no other from its end.
   */
  async shutdown(): Promise<void> {
    await this.#each('retire', (part) => part.retire?.())
    if (this.#shutdown.delayDuration > 0) await delay(this.#shutdown.delayDuration)
    const requests = deadline(this.#shutdown.timeout * this.#drainShare)
    const everything = deadline(this.#shutdown.timeout)
    try {
      await this.#each('drain', (part) => part.drain?.(requests.signal))
      await this.#each('flush', (part) => part.flush?.(everything.signal))
    } finally {
      requests.cancel()
      everything.cancel()
    }
    await this.#each('stop', (part) => part.stop?.())
  }

  async #each(step: keyof Part, act: (part: Part) => Awaitable<void>): Promise<void> {
    for (const part of this.#parts) {
      try {
        await act(part)
      } catch (err) {
        this.#log.error({ err, step }, 'the shutdown of a part failed')
      }
    }
  }
}
