import type { Logger } from 'pino'
import { RateLimitedLog } from '../../rate-limited-log.js'
import { TokenBucket } from '../../token-bucket.js'

/** Lines that are written one by one; beyond that, and beyond one a second, they are summed up. */
const BURST = 300

/** What is said of sinks, of which anybody who may create them creates, changes and deletes as many as they like. */
export class SinkLog {
  readonly #log: Pick<Logger, 'info' | 'error'>
  readonly #now: () => number
  readonly #bucket: TokenBucket
  readonly #summed: RateLimitedLog

  /** @param now milliseconds that only grow */
  constructor(log: Pick<Logger, 'info' | 'warn' | 'error'>, now: () => number = () => performance.now()) {
    this.#log = log
    this.#now = now
    this.#bucket = new TokenBucket(1, BURST, now())
    this.#summed = new RateLimitedLog(log)
  }

  /** @param what one of a few fixed lines */
  changed(what: string, fields: object): void {
    if (this.#isOne()) this.#log.info(fields, what)
    else this.#summed.warn(what, fields, `${what}, one of many`)
  }

  unusable(reason: string): void {
    const what = 'cannot use an audit sink of the cluster'
    if (this.#isOne()) this.#log.error(`${what}: ${reason}`)
    else this.#summed.warn(what, { reason }, `${what}, one of many`)
  }

  /** @param count how many sinks */
  refused(source: string, count: number, reason: string): void {
    this.#summed.warn('refused', { source, reason }, 'audit sinks were refused', count)
  }

  #isOne(): boolean {
    return this.#bucket.take(this.#now()) === 0
  }
}
