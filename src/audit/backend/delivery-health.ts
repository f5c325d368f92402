/**
 * Whether a backend stores what it is handed. One failure is nothing: what counts is that nothing has been stored for
 * some time, though it was tried.
 */
export class DeliveryHealth {
  readonly #grace: number
  readonly #now: () => number
  #failures: { readonly since: number; last: number; reason: string } | undefined

  /**
   * @param grace milliseconds for which it may fail
   * @param now milliseconds that only grow
   */
  constructor(grace: number, now: () => number = () => performance.now()) {
    this.#grace = grace
    this.#now = now
  }

  succeeded(): void {
    this.#failures = undefined
  }

  /** @param reason one line without secrets */
  failed(reason: string): void {
    const now = this.#now()
    if (this.#failures === undefined) this.#failures = { since: now, last: now, reason }
    else Object.assign(this.#failures, { last: now, reason })
  }

  /** What is wrong; undefined where nothing is, or where nothing was tried for so long that nobody knows. */
  problem(): string | undefined {
    if (this.#failures === undefined) return undefined
    const { since, last, reason } = this.#failures
    if (last - since < this.#grace || this.#now() - last > Math.max(this.#grace, RETRY_WITHIN))
      return undefined
    return `nothing was stored for ${Math.round((this.#now() - since) / 1000)} seconds: ${reason}`
  }
}

/** Milliseconds: a webhook that fails is tried again within this time, as long as there are events. */
const RETRY_WITHIN = 120_000
