/** How many there were from `start` until the next one's start; both in milliseconds. */
export interface RateBin {
  readonly start: number
  readonly count: number
}

export interface Rate {
  /** Milliseconds of each bin. */
  readonly width: number
  /** In order and without gaps. */
  readonly bins: readonly RateBin[]
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const YEAR_10000 = Date.UTC(10_000, 0)
/** Each divides the next, so that bins can be put together. Behind the last they double. */
const WIDTHS = [
  SECOND,
  5 * SECOND,
  10 * SECOND,
  30 * SECOND,
  MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  6 * HOUR,
  DAY,
]

/** Counts over time, in a bounded number of bins that get wider as the time gets longer. Times may come in any order. */
export class RateCounter {
  #width = SECOND
  #counts = new Map<number, number>()
  #first = Infinity
  #last = -Infinity

  readonly #maxBins: number

  constructor(maxBins = 24) {
    this.#maxBins = maxBins
  }

  /** @param time milliseconds since the Unix epoch; what is no time before the year 10000 is left out */
  add(time: number): void {
    if (!(time >= 0 && time < YEAR_10000)) return
    if (time < this.#first || time > this.#last) {
      this.#first = Math.min(this.#first, time)
      this.#last = Math.max(this.#last, time)
      this.#widen()
    }
    const bin = Math.floor(time / this.#width)
    this.#counts.set(bin, (this.#counts.get(bin) ?? 0) + 1)
  }

  rate(): Rate {
    const bins: RateBin[] = []
    for (let bin = this.#bin(this.#first); bin <= this.#bin(this.#last); bin++) {
      bins.push({ start: bin * this.#width, count: this.#counts.get(bin) ?? 0 })
    }
    return { width: this.#width, bins }
  }

  #bin(time: number): number {
    return Math.floor(time / this.#width)
  }

  #widen(): void {
    const before = this.#width
    while (this.#bin(this.#last) - this.#bin(this.#first) >= this.#maxBins) {
      this.#width = WIDTHS.find((width) => width > this.#width) ?? this.#width * 2
    }
    if (this.#width === before) return
    const wider = new Map<number, number>()
    for (const [bin, count] of this.#counts) {
      const into = this.#bin(bin * before)
      wider.set(into, (wider.get(into) ?? 0) + count)
    }
    this.#counts = wider
  }
}
