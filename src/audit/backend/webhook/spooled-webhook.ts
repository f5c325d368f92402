import type { Event } from '../../event.js'
import type { Backend } from '../backend.js'
import { SpoolInbox, type SpoolInboxOptions } from '../spool/spool-inbox.js'
import { encodeRecord } from '../spool/spool-segment.js'
import { SpoolSender, type SenderOptions } from '../spool/spool-sender.js'
import { Spool, type SpoolOptions } from '../spool/spool.js'
import { WEBHOOK_PLUGIN, WebhookDelivery } from './webhook-delivery.js'
import type { WebhookDeps, WebhookOptions } from './webhook-backend.js'

export interface SpooledWebhookOptions extends WebhookOptions, SpoolInboxOptions, SenderOptions {
  readonly spool: SpoolOptions
}

/** Milliseconds between two attempts at most, during an outage of hours. */
const MAX_BACKOFF = 60_000

/**
 * The webhook in mode `batch` with --audit-webhook-spool-directory: an event is on disk before it is sent, and stays
 * there until the receiver has answered with a status of 2xx. It takes the place of buffered<webhook>. What does not fit
 * below --audit-webhook-spool-max-size is refused, newest first, so that what is there stays whole and in order.
 *
 * Each event arrives at least once: after the end of the process, or an answer that got lost, a batch is sent again.
 * `auditID` and `stage` together tell a repeat.
 *
 * Rejects with a ConfigError when the directory cannot be used; the client is then closed.
 */
export async function newSpooledWebhookBackend<E = Event>(
  options: SpooledWebhookOptions,
  deps: WebhookDeps<E>,
): Promise<Backend<E>> {
  try {
    return new SpooledWebhookBackend(options, deps, await Spool.open(options.spool, deps.problems))
  } catch (err) {
    await deps.client.close()
    throw err
  }
}

class SpooledWebhookBackend<E> implements Backend<E> {
  readonly name = `spooled<${WEBHOOK_PLUGIN}>`
  readonly #deps: WebhookDeps<E>
  readonly #spool: Spool
  readonly #directory: string
  readonly #inbox: SpoolInbox
  readonly #sender: SpoolSender
  readonly #hideSpool: () => void

  constructor(options: SpooledWebhookOptions, deps: WebhookDeps<E>, spool: Spool) {
    const { client, problems, metrics } = deps
    this.#deps = deps
    this.#spool = spool
    this.#directory = options.spool.directory
    const backoff = { initial: options.initialBackoff, attempts: Infinity, max: MAX_BACKOFF }
    const delivery = new WebhookDelivery(client, backoff, problems, metrics)
    const inbox = new SpoolInbox(spool, options, problems, () => this.#sender.wake())
    this.#inbox = inbox
    this.#sender = new SpoolSender(options, {
      spool,
      inbox,
      delivery,
      plugin: WEBHOOK_PLUGIN,
      problems,
      metrics,
    })
    this.#hideSpool = metrics.showSpool(WEBHOOK_PLUGIN, () => spool.size)
  }

  /** Always true: from the end of the tick on, the events are the spool's. */
  processEvents(events: readonly E[]): boolean {
    for (const event of events) this.#inbox.add(encodeRecord(this.#deps.encode(event)))
    return true
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    const { client, problems } = this.#deps
    this.#inbox.flush()
    this.#inbox.storeHeld()
    await this.#sender.drain(deadline)
    this.#inbox.close()
    const { pending } = this.#spool
    if (pending > 0) {
      const where = `in ${this.#directory}, to be delivered after the next start`
      problems.trouble('events stay in the spool', `${pending} events are ${where}`)
    }
    await this.#spool.close()
    this.#hideSpool()
    await client.close()
  }
}
