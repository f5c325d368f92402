import type { Timer, Timers } from '../../timers.js'
import { systemTimers } from '../../timers.js'
import type { Event } from '../event.js'
import type { AuditMetrics } from '../metrics.js'
import type { Backend } from './backend.js'
import { settles } from '../../timers.js'
import type { PluginProblems } from './plugin-problems.js'
import { TokenBucket } from '../../token-bucket.js'

/** For error metrics and messages: k8s.io/apiserver/plugin/pkg/audit/buffered PluginName. */
export const BUFFERED_PLUGIN = 'buffered'

/** How events are buffered and batched: buffered.BatchConfig. */
export interface BufferedConfig {
  /** Whose events these are, for metrics: `log` or `webhook`. */
  readonly plugin: string
  /** How many events may wait to be delivered. */
  readonly bufferSize: number
  /** How much memory they may hold, in bytes, estimated. */
  readonly bufferBytes: number
  /** How many events a batch has at most. */
  readonly maxBatchSize: number
  /** Milliseconds that the first event of a batch waits for the batch to fill. */
  readonly maxBatchWait: number
  /** Batches per second, and how many at once after a pause. */
  readonly throttle?: { readonly qps: number; readonly burst: number } | undefined
  /**
   * How many batches are with the delegate at the same time. kube-apiserver sets no limit (AsyncDelegate): there a slow
   * webhook can take all memory.
   */
  readonly maxInFlight: number
  /**
   * What the batches with the delegate may hold in memory, in bytes, estimated; one batch is always let through.
   * Default 32 MiB.
   */
  readonly maxInFlightBytes?: number
}

const MAX_IN_FLIGHT_BYTES = 32 << 20

interface Batch<E> {
  readonly events: E[]
  bytes: number
}

/**
 * Mode `batch`: takes events without delay, and delivers them in batches in the background
 * (k8s.io/apiserver/plugin/pkg/audit/buffered). Batches are handed to the delegate in order. When the buffer is full
 * events are dropped, counted and logged.
 */
export class BufferedBackend<E = Event> implements Backend<E> {
  readonly name: string
  readonly #delegate: Backend<E>
  readonly #config: BufferedConfig
  readonly #sizeOf: (event: E) => number
  readonly #batchSize: number
  readonly #errors: PluginProblems
  readonly #metrics: AuditMetrics
  readonly #timers: Timers
  readonly #throttle: TokenBucket | undefined
  readonly #hideQueue: () => void
  /** The batch that is being filled. */
  #batch: Batch<E> = { events: [], bytes: 0 }
  #batchTimer: Timer | undefined
  /** Batches that wait to be sent. */
  #ready: Batch<E>[] = []
  /** Events and bytes in #batch and #ready. */
  #queued = 0
  #queuedBytes = 0
  #inFlight = 0
  #inFlightBytes = 0
  #throttleTimer: Timer | undefined
  /** Set by shutdown: called when all is delivered. */
  #drained: (() => void) | undefined

  /** @param sizeOf what an event holds in memory, about, in bytes */
  constructor(
    delegate: Backend<E>,
    config: BufferedConfig,
    sizeOf: (event: E) => number,
    errors: PluginProblems,
    metrics: AuditMetrics,
    timers: Timers = systemTimers,
  ) {
    this.name = `${BUFFERED_PLUGIN}<${delegate.name}>`
    this.#delegate = delegate
    this.#config = config
    this.#sizeOf = sizeOf
    // A batch that the buffer cannot hold would never fill.
    this.#batchSize = Math.min(config.maxBatchSize, config.bufferSize)
    this.#errors = errors
    this.#metrics = metrics
    this.#timers = timers
    this.#throttle =
      config.throttle && new TokenBucket(config.throttle.qps, config.throttle.burst, timers.now())
    this.#hideQueue = metrics.showQueue(
      config.plugin,
      () => this.#queued,
      () => this.#queuedBytes,
    )
  }

  /** Always true: whoever asked has no more to do with it. */
  processEvents(events: readonly E[]): boolean {
    let dropped = 0
    for (const event of events) if (!this.#add(event)) dropped++
    if (dropped > 0) {
      this.#errors.dropped(
        dropped,
        `the buffer is full: ${this.#queued} events, about ${this.#queuedBytes} bytes`,
      )
    }
    return true
  }

  /** Delivers what is buffered, without the throttle: a receiver that is busy for a moment is better than a lost event. */
  async shutdown(deadline: AbortSignal): Promise<void> {
    const drained = new Promise<void>((resolve) => (this.#drained = resolve))
    this.#throttleTimer?.cancel()
    this.#seal()
    this.#send()
    await settles(drained, deadline)
    if (this.#queued > 0) this.#errors.dropped(this.#queued, 'not delivered before the shutdown deadline')
    this.#ready = []
    this.#queued = 0
    this.#queuedBytes = 0
    await this.#delegate.shutdown(deadline)
    this.#hideQueue()
  }

  #add(event: E): boolean {
    const bytes = this.#sizeOf(event)
    const { bufferSize, bufferBytes } = this.#config
    if (this.#queued >= bufferSize || (this.#queued > 0 && this.#queuedBytes + bytes > bufferBytes))
      return false
    this.#queued++
    this.#queuedBytes += bytes
    this.#batch.bytes += bytes
    const length = this.#batch.events.push(event)
    if (length >= this.#batchSize) {
      this.#seal()
      this.#send()
    } else if (length === 1) {
      this.#batchTimer = this.#timers.after(this.#config.maxBatchWait, () => {
        this.#seal()
        this.#send()
      })
    }
    return true
  }

  /** The batch that was being filled is ready to be sent. */
  #seal(): void {
    this.#batchTimer?.cancel()
    this.#batchTimer = undefined
    if (this.#batch.events.length === 0) return
    this.#ready.push(this.#batch)
    this.#batch = { events: [], bytes: 0 }
  }

  /** Sends what is ready, as far as the limits allow. */
  #send(): void {
    for (let next = this.#ready[0]; next !== undefined && this.#hasRoom(next); next = this.#ready[0]) {
      if (this.#isThrottled()) return
      this.#ready.shift()
      this.#queued -= next.events.length
      this.#queuedBytes -= next.bytes
      this.#deliver(next)
    }
    if (this.#ready.length === 0 && this.#inFlight === 0) this.#drained?.()
  }

  #hasRoom(batch: Batch<E>): boolean {
    if (this.#inFlight === 0) return true
    const { maxInFlight, maxInFlightBytes = MAX_IN_FLIGHT_BYTES } = this.#config
    return this.#inFlight < maxInFlight && this.#inFlightBytes + batch.bytes <= maxInFlightBytes
  }

  #isThrottled(): boolean {
    if (this.#throttle === undefined || this.#drained !== undefined) return false
    if (this.#throttleTimer !== undefined) return true
    const wait = this.#throttle.take(this.#timers.now())
    if (wait === 0) return false
    this.#throttleTimer = this.#timers.after(wait, () => {
      this.#throttleTimer = undefined
      this.#send()
    })
    return true
  }

  #deliver(batch: Batch<E>): void {
    const stored = this.#delegate.processEvents(batch.events)
    if (!(stored instanceof Promise)) {
      this.#metrics.observeBatch(this.#config.plugin, stored)
      return
    }
    this.#inFlight++
    this.#inFlightBytes += batch.bytes
    void stored.then((success) => {
      this.#metrics.observeBatch(this.#config.plugin, success)
      this.#inFlight--
      this.#inFlightBytes -= batch.bytes
      this.#send()
    })
  }
}

/** What an event holds in memory, about: all that can be large, and 1 KiB for the rest. */
export function estimateBytes(event: Event): number {
  const { requestObject, responseObject, requestURI, userAgent } = event
  return (
    1024 +
    (requestObject?.length ?? 0) +
    (responseObject?.length ?? 0) +
    requestURI.length +
    (userAgent?.length ?? 0)
  )
}
