import { setTimeout as sleep } from 'node:timers/promises'
import { encodeEventListBody } from './webhook-body.js'
import type { EventListClient } from './webhook-client.js'
import type { Delivery, DeliverySignals } from '../delivery.js'
import type { DeliveryMetrics } from '../delivery-metrics.js'
import type { Problems } from '../problems.js'

/** For metrics and messages: k8s.io/apiserver/plugin/pkg/audit/webhook PluginName. */
export const WEBHOOK_PLUGIN = 'webhook'

/** When to try again. */
export interface Backoff {
  /** Milliseconds before the first retry: --audit-webhook-initial-backoff. */
  readonly initial: number
  /** How many attempts at most, the first one included. */
  readonly attempts: number
  /** Milliseconds between two attempts at most, before the jitter. */
  readonly max: number
}

/** k8s.io/apiserver/pkg/util/webhook/webhook.go DefaultRetryBackoffWithInitialDelay. */
const FACTOR = 1.5
const JITTER = 0.2
export const ATTEMPTS = 5

/** Longer than this and a timer fires at once. */
const MAX_SLEEP = 2 ** 31 - 1

/** Whether the last attempt of one delivery failed. */
interface Progress {
  isFailing: boolean
}

/**
 * Posts lines, and posts them again for as long as the backoff allows, whatever the failure was
 * (k8s.io/apiserver/plugin/pkg/audit/webhook/webhook.go retryOnError).
 */
export class WebhookDelivery implements Delivery {
  readonly #client: EventListClient
  readonly #backoff: Backoff
  readonly #problems: Pick<Problems, 'trouble'>
  readonly #metrics: DeliveryMetrics
  #failing = 0

  constructor(
    client: EventListClient,
    backoff: Backoff,
    problems: Pick<Problems, 'trouble'>,
    metrics: DeliveryMetrics,
  ) {
    this.#client = client
    this.#backoff = backoff
    this.#problems = problems
    this.#metrics = metrics
  }

  /** Whether the last attempt of a delivery failed; there may be another one to come. */
  get isFailing(): boolean {
    return this.#failing > 0
  }

  /**
   * Never rejects.
   *
   * @param lines events as newLineEncoder makes them
   * @returns how many of them, from the first on, the receiver has; and why it has no more, the receiver's URL first
   */
  async deliver(
    lines: readonly Buffer[],
    signals: DeliverySignals,
  ): Promise<{ readonly delivered: number; readonly reason: string }> {
    const progress = { isFailing: false }
    try {
      return await this.#deliverAll(lines, signals, progress)
    } finally {
      this.#setFailing(progress, false)
    }
  }

  async #deliverAll(
    lines: readonly Buffer[],
    signals: DeliverySignals,
    progress: Progress,
  ): Promise<{ delivered: number; reason: string }> {
    let delivered = 0
    // Less than lines.length once the receiver finds a list too large.
    let size = lines.length
    while (delivered < lines.length) {
      const part = lines.slice(delivered, delivered + size)
      const result = await this.#deliverList(part, signals, progress)
      delivered += result.delivered
      if (result.delivered > 0) continue
      if (!result.tooLarge) return { delivered, reason: result.reason }
      size = Math.ceil(part.length / 2)
    }
    return { delivered, reason: '' }
  }

  /** As many of the lines as one list can have. A list that is too large for the receiver is not tried again as it is. */
  async #deliverList(
    lines: readonly Buffer[],
    { stopRetrying, abandon, onFailure }: DeliverySignals,
    progress: Progress,
  ): Promise<{ delivered: number; reason: string; tooLarge: boolean }> {
    const { initial, attempts, max } = this.#backoff
    let base = Math.min(initial, max)
    for (let attempt = 1; ; attempt++) {
      // Made anew for each attempt: while one waits for hours, its events are in memory only once.
      const body = encodeEventListBody(lines)
      const start = performance.now()
      const { url } = this.#client
      const result = await this.#client.send(body, abandon)
      this.#metrics.observeDelivery(WEBHOOK_PLUGIN, (performance.now() - start) / 1000)
      if (result.delivered) {
        this.#setFailing(progress, false)
        return { delivered: body.events, reason: '', tooLarge: false }
      }
      const { status, retryAfter = 0 } = result
      const reason = `${url}: ${result.reason}`
      if (status === 413 && body.events > 1) return { delivered: 0, reason, tooLarge: true }
      this.#setFailing(progress, true)
      onFailure?.()
      if (attempt >= attempts || stopRetrying.aborted) return { delivered: 0, reason, tooLarge: false }
      this.#problems.trouble('cannot deliver, will try again', reason)
      const wait = Math.max(base * (1 + Math.random() * JITTER), retryAfter)
      await sleep(Math.min(wait, MAX_SLEEP), undefined, { signal: stopRetrying }).catch(() => {})
      if (stopRetrying.aborted) return { delivered: 0, reason, tooLarge: false }
      this.#metrics.observeRetry(WEBHOOK_PLUGIN)
      base = Math.min(base * FACTOR, max)
    }
  }

  #setFailing(progress: Progress, isFailing: boolean): void {
    if (progress.isFailing === isFailing) return
    progress.isFailing = isFailing
    this.#failing += isFailing ? 1 : -1
  }
}
