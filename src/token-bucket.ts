/** Allows `qps` things a second on average, and `burst` at once after a pause: k8s.io/client-go/util/flowcontrol. */
export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #last: number

  /** @param now milliseconds on a clock that only grows */
  constructor(qps: number, burst: number, now: number) {
    this.#perMs = qps / 1000
    this.#burst = burst
    this.#tokens = burst
    this.#last = now
  }

  /** Takes a token and returns 0, or returns the milliseconds until there is one. */
  take(now: number): number {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#last) * this.#perMs)
    this.#last = now
    // A little tolerance, so that rounding does not ask for a wait of next to nothing.
    if (this.#tokens < 1 - 1e-6) return (1 - this.#tokens) / this.#perMs
    this.#tokens--
    return 0
  }
}
