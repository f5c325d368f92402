import type { Awaitable } from '../../../awaitable.js'
import { errorMessage } from '../../../errors.js'
import type { Event } from '../../event.js'
import type { Backend } from '../backend.js'
import type { DeliveryHealth } from '../delivery-health.js'
import { SpoolInbox, type SpoolInboxOptions } from '../spool/spool-inbox.js'
import { spoolProblems, type SpoolProblems } from '../spool/spool-problems.js'
import { encodeRecord } from '../spool/spool-segment.js'
import { SpoolSender, type SenderOptions } from '../spool/spool-sender.js'
import { Spool, type SpoolOptions } from '../spool/spool.js'
import { WEBHOOK_PLUGIN, WebhookDelivery } from './webhook-delivery.js'
import type { WebhookDeps, WebhookOptions } from './webhook-backend.js'

export interface SpooledWebhookOptions extends WebhookOptions, SpoolInboxOptions, SenderOptions {
  readonly spool: SpoolOptions
  /** Whether whoever hands it events waits until they are in the spool: the blocking modes. */
  readonly blocks: boolean
}

export interface SpooledWebhookDeps<E> extends WebhookDeps<E> {
  /** Of the spool alone; that of the receiver is the client's. */
  readonly spoolHealth: Pick<DeliveryHealth, 'succeeded' | 'failed'>
}

/** Milliseconds between two attempts at most, during an outage of hours. */
const MAX_BACKOFF = 60_000

/**
 * The webhook with --audit-webhook-spool-directory: an event is on disk before it is sent, and stays there until the
 * receiver has answered with a status of 2xx. In mode `batch` it takes the place of buffered<webhook>, and the spool has
 * an event some milliseconds after the request; in the blocking modes the request waits for that, not for the receiver. What does not fit
 * below --audit-webhook-spool-max-size is refused, newest first, so that what is there stays whole and in order.
 *
 * Each event arrives at least once: after the end of the process, or an answer that got lost, a batch is sent again.
 * `auditID` and `stage` together tell a repeat.
 *
 * Rejects with a ConfigError when the directory cannot be used; the client is then closed.
 */
export async function newSpooledWebhookBackend<E = Event>(
  options: SpooledWebhookOptions,
  deps: SpooledWebhookDeps<E>,
): Promise<Backend<E>> {
  try {
    const problems = spoolProblems(WEBHOOK_PLUGIN, deps.problems, deps.metrics)
    const spool = await Spool.open(options.spool, problems)
    return new SpooledWebhookBackend(options, { ...deps, problems }, spool)
  } catch (err) {
    await deps.client.close()
    throw err
  }
}

class SpooledWebhookBackend<E> implements Backend<E> {
  readonly name = `spooled<${WEBHOOK_PLUGIN}>`
  readonly #deps: SpooledWebhookDeps<E>
  readonly #blocks: boolean
  readonly #spool: Spool
  readonly #directory: string
  readonly #inbox: SpoolInbox
  readonly #sender: SpoolSender
  readonly #hideSpool: () => void

  constructor(
    options: SpooledWebhookOptions,
    deps: SpooledWebhookDeps<E> & { readonly problems: SpoolProblems },
    spool: Spool,
  ) {
    const { client, problems, metrics, spoolHealth: health } = deps
    this.#deps = deps
    this.#blocks = options.blocks
    this.#spool = spool
    this.#directory = options.spool.directory
    const backoff = { initial: options.initialBackoff, attempts: Infinity, max: MAX_BACKOFF }
    const delivery = new WebhookDelivery(client, backoff, problems, metrics)
    const onTaken = () => this.#sender.wake()
    const inbox = new SpoolInbox(options, { spool, problems, health, onTaken })
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

  /** In mode `batch` always true: from the end of the tick on, the events are the spool's. */
  processEvents(events: readonly E[]): Awaitable<boolean> {
    const records: Buffer[] = []
    for (const event of events) {
      try {
        records.push(encodeRecord(this.#deps.encode(event)))
      } catch (err) {
        this.#deps.problems.failed(1, `encoding: ${errorMessage(err)}`)
      }
    }
    const complete = records.length === events.length
    if (this.#blocks && records.length > 0) {
      const stored = this.#inbox.store(records)
      return complete ? stored : stored.then(() => false)
    }
    this.#inbox.add(records)
    return complete || !this.#blocks
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
