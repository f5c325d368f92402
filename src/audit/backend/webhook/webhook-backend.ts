import type { Event } from '../../event.js'
import type { Backend } from '../backend.js'
import type { EventListClient } from './webhook-client.js'
import { ATTEMPTS, WEBHOOK_PLUGIN, WebhookDelivery } from './webhook-delivery.js'
import type { DeliveryMetrics } from '../delivery-metrics.js'
import type { Problems } from '../problems.js'

export interface WebhookOptions {
  /** Milliseconds before the first retry: --audit-webhook-initial-backoff. */
  readonly initialBackoff: number
}

export interface WebhookDeps<E = Event> {
  /** Closed with the backend. */
  readonly client: EventListClient
  /** An event as one line of JSON: newLineEncoder in the version that the receiver is to get. */
  readonly encode: (event: E) => Buffer
  readonly problems: Problems
  readonly metrics: DeliveryMetrics
}

/**
 * Posts events to a webhook as an EventList and waits for the answer (k8s.io/apiserver/plugin/pkg/audit/webhook). After
 * five attempts, which with the default backoff and a receiver that hangs take four minutes, the events are given up,
 * counted and logged.
 */
export function newWebhookBackend<E = Event>(options: WebhookOptions, deps: WebhookDeps<E>): Backend<E> {
  return new WebhookBackend(options, deps)
}

class WebhookBackend<E> implements Backend<E> {
  readonly name = WEBHOOK_PLUGIN
  readonly #deps: WebhookDeps<E>
  readonly #delivery: WebhookDelivery
  readonly #abandon = new AbortController()
  readonly #signals = { stopRetrying: this.#abandon.signal, abandon: this.#abandon.signal }
  readonly #inFlight = new Set<Promise<boolean>>()

  constructor({ initialBackoff }: WebhookOptions, deps: WebhookDeps<E>) {
    this.#deps = deps
    const backoff = { initial: initialBackoff, attempts: ATTEMPTS, max: Infinity }
    this.#delivery = new WebhookDelivery(deps.client, backoff, deps.problems, deps.metrics)
  }

  processEvents(events: readonly E[]): Promise<boolean> {
    const stored = this.#deliver(events)
    this.#inFlight.add(stored)
    void stored.then(() => this.#inFlight.delete(stored))
    return stored
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    const giveUp = () => this.#abandon.abort()
    if (deadline.aborted) giveUp()
    deadline.addEventListener('abort', giveUp, { once: true })
    await Promise.all(this.#inFlight)
    deadline.removeEventListener('abort', giveUp)
    await this.#deps.client.close()
  }

  async #deliver(events: readonly E[]): Promise<boolean> {
    if (events.length === 0) return true
    const { encode, problems } = this.#deps
    const lines = events.map((event) => encode(event))
    const { delivered, reason } = await this.#delivery.deliver(lines, this.#signals)
    if (delivered === events.length) return true
    problems.failed(events.length - delivered, reason)
    return false
  }
}
