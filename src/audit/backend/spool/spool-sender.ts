import { errorMessage } from '../../../errors.js'
import { recordPayload } from './spool-segment.js'
import type { SpoolInbox } from './spool-inbox.js'
import type { Spool } from './spool.js'
import type { Delivery } from '../delivery.js'
import type { DeliveryMetrics } from '../delivery-metrics.js'
import type { Problems } from '../problems.js'

export interface SenderOptions {
  /** How many events a batch has at most: --audit-webhook-batch-max-size. */
  readonly maxBatchSize: number
  /** How many bytes a batch has at most, unless a single event has more. */
  readonly maxBatchBytes: number
  /** Milliseconds that events wait for their batch to fill: --audit-webhook-batch-max-wait. */
  readonly maxBatchWait: number
  /** --audit-webhook-batch-throttle-*: returns 0, or how many milliseconds to wait before asking again. */
  readonly throttle?: { take(now: number): number } | undefined
}

export interface SenderDeps {
  readonly spool: Spool
  readonly inbox: SpoolInbox
  readonly delivery: Delivery
  /** Whose events these are, for metrics. */
  readonly plugin: string
  readonly problems: Problems
  readonly metrics: DeliveryMetrics
}

/** With maxBatchBytes this bounds the memory that a backlog of any size takes. */
const MAX_IN_FLIGHT = 4
/**
 * Milliseconds that a batch must have been under way before the next one is sent beside it. So a receiver that keeps up
 * gets everything in order, and one that is slow to answer still gets more than one batch at a time.
 */
const OVERLAP_AFTER = 100
const READ_RETRY_MS = 1000

/** A batch that was sent, or is to be confirmed without. */
interface InFlight {
  readonly lines: readonly Buffer[]
  /** Where it ends in the spool; undefined for records that were held in memory. */
  readonly end: number | undefined
  readonly held: readonly Buffer[]
  delivered: boolean
}

/** Reads a spool in order, delivers what it reads in batches, and acknowledges what has been delivered. */
export class SpoolSender {
  readonly #options: SenderOptions
  readonly #deps: SenderDeps
  readonly #bell = new Bell()
  readonly #stopRetrying = new AbortController()
  readonly #abandon = new AbortController()
  readonly #signals = {
    stopRetrying: this.#stopRetrying.signal,
    abandon: this.#abandon.signal,
    onFailure: () => this.#stopIfAllIsStored(),
  }
  /** In the order of the spool. */
  readonly #inFlight: InFlight[] = []
  readonly #deliveries = new Set<Promise<void>>()
  #heldInFlight = 0
  #lastSent = -Infinity
  #readAgainAt = -Infinity
  /** Since when the first event that is not sent waits for its batch to fill. */
  #waitingSince: number | undefined
  #isDraining = false
  /** Where the spool ended at the start: what the last process left does not wait for a batch to fill, it has waited. */
  readonly #inherited: number
  readonly #running: Promise<void>

  constructor(options: SenderOptions, deps: SenderDeps) {
    this.#options = options
    this.#deps = deps
    this.#inherited = deps.spool.end
    if (deps.spool.unread > 0) this.#waitingSince = -Infinity
    this.#running = this.#run()
  }

  /** There are more events. */
  wake(): void {
    this.#waitingSince ??= performance.now()
    this.#bell.ring()
  }

  /**
   * Sends what there is, until all is delivered, the deadline is aborted, or the receiver fails while everything is on
   * disk: then the next start is as good. Events that were in memory only, and were not delivered, go back to the inbox.
   */
  async drain(deadline: AbortSignal): Promise<void> {
    const giveUp = () => {
      this.#stopRetrying.abort()
      this.#abandon.abort()
      this.#bell.ring()
    }
    if (deadline.aborted) giveUp()
    deadline.addEventListener('abort', giveUp, { once: true })
    this.#isDraining = true
    if (this.#deps.delivery.isFailing) this.#stopIfAllIsStored()
    this.#bell.ring()
    await this.#running
    await Promise.all(this.#deliveries)
    deadline.removeEventListener('abort', giveUp)
    const undelivered = this.#inFlight.flatMap(({ held }) => held)
    if (undelivered.length > 0) this.#deps.inbox.giveBack(undelivered)
  }

  async #run(): Promise<void> {
    for (;;) {
      const wait = this.#untilNext(performance.now())
      if (wait === undefined) return
      if (wait === 0) await this.#sendNext()
      else await this.#bell.wait(wait)
    }
  }

  /** Milliseconds until the next batch is to be sent, Infinity for not before something happens, undefined for never. */
  #untilNext(now: number): number | undefined {
    const { maxBatchSize, maxBatchWait, throttle } = this.#options
    const { spool, inbox, delivery } = this.#deps
    const waiting = spool.unread + inbox.held
    if (this.#stopRetrying.signal.aborted || (this.#isDraining && waiting === 0)) return undefined
    if (waiting === 0) return Infinity
    if (this.#inFlight.length > 0) {
      if (this.#inFlight.length >= MAX_IN_FLIGHT || delivery.isFailing) return Infinity
      if (now < this.#lastSent + OVERLAP_AFTER) return this.#lastSent + OVERLAP_AFTER - now
    }
    if (now < this.#readAgainAt) return this.#readAgainAt - now
    if (this.#isDraining) return 0
    const due = (this.#waitingSince ?? now) + maxBatchWait
    if (waiting < maxBatchSize && now < due) return due - now
    return throttle?.take(now) ?? 0
  }

  async #sendNext(): Promise<void> {
    const { spool, inbox, problems } = this.#deps
    const { maxBatchSize, maxBatchBytes } = this.#options
    let batch: InFlight
    if (spool.unread > 0) {
      try {
        const { lines, end } = await spool.read(maxBatchSize, maxBatchBytes)
        batch = { lines, end, held: [], delivered: false }
      } catch (err) {
        problems.trouble('spool cannot be read, will try again', errorMessage(err))
        this.#readAgainAt = performance.now() + READ_RETRY_MS
        return
      }
    } else {
      const held = inbox.takeHeld(maxBatchSize, maxBatchBytes)
      batch = { lines: held.map(recordPayload), end: undefined, held, delivered: false }
    }
    const now = performance.now()
    const since = batch.end !== undefined && batch.end < this.#inherited ? -Infinity : now
    this.#waitingSince = spool.unread + inbox.held > 0 ? since : undefined
    this.#lastSent = now
    this.#inFlight.push(batch)
    this.#heldInFlight += batch.held.length
    const delivery = this.#deliver(batch)
    this.#deliveries.add(delivery)
    void delivery.then(() => this.#deliveries.delete(delivery))
  }

  async #deliver(batch: InFlight): Promise<void> {
    const { delivery, plugin, spool, metrics } = this.#deps
    const { delivered } = await delivery.deliver(batch.lines, this.#signals)
    batch.delivered = delivered === batch.lines.length
    metrics.observeBatch(plugin, batch.delivered)
    for (let first = this.#inFlight[0]; first?.delivered; first = this.#inFlight[0]) {
      this.#inFlight.shift()
      this.#heldInFlight -= first.held.length
      if (first.end !== undefined) spool.acknowledge(first.end)
    }
    this.#bell.ring()
  }

  #stopIfAllIsStored(): void {
    if (!this.#isDraining || this.#heldInFlight > 0 || this.#deps.inbox.held > 0) return
    this.#stopRetrying.abort()
    this.#bell.ring()
  }
}

/** Wakes the one that waits. */
class Bell {
  #wake: (() => void) | undefined

  ring(): void {
    this.#wake?.()
  }

  /** @param ms milliseconds at most; Infinity for until it rings */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === Infinity ? undefined : setTimeout(() => this.#wake?.(), Math.ceil(ms))
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }
}
