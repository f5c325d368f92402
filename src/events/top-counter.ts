/** How often something was seen, and how often it failed. */
export interface Count {
  readonly key: string
  readonly count: number
  readonly failed: number
}

/** No key is longer, in characters: the rest would only cost memory. */
const MAX_KEY = 300

/**
 * Counts keys and knows the most frequent, in bounded memory: when it has seen too many different ones, it forgets the
 * rarest. Then counts of keys that come back are too low, and `exact` is false.
 */
export class TopCounter {
  #counts = new Map<string, { count: number; failed: number }>()
  #exact = true

  readonly #capacity: number

  /** @param capacity how many keys it keeps at least */
  constructor(capacity = 20_000) {
    this.#capacity = capacity
  }

  add(key: string, failed: boolean): void {
    const short = key.length > MAX_KEY ? `${key.slice(0, MAX_KEY)}…` : key
    const known = this.#counts.get(short)
    if (known !== undefined) {
      known.count++
      if (failed) known.failed++
      return
    }
    if (this.#counts.size >= 2 * this.#capacity) this.#forget()
    this.#counts.set(short, { count: 1, failed: failed ? 1 : 0 })
  }

  /** False where the counts may be too low. */
  get exact(): boolean {
    return this.#exact
  }

  /** How many different keys there are. */
  get size(): number {
    return this.#counts.size
  }

  /** The most frequent first; those that are as frequent by name. */
  top(limit: number): Count[] {
    return [...this.#counts]
      .map(([key, { count, failed }]) => ({ key, count, failed }))
      .sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1))
      .slice(0, limit)
  }

  #forget(): void {
    const kept = [...this.#counts].sort((a, b) => b[1].count - a[1].count).slice(0, this.#capacity)
    this.#counts = new Map(kept)
    this.#exact = false
  }
}
