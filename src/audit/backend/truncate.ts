import type { Awaitable } from '../../awaitable.js'
import { errorMessage } from '../../errors.js'
import type { Event } from '../event.js'
import type { AuditMetrics } from '../metrics.js'
import type { Backend } from './backend.js'
import type { PluginProblems } from './plugin-problems.js'

/** For error metrics and messages: k8s.io/apiserver/plugin/pkg/audit/truncate PluginName. */
export const TRUNCATE_PLUGIN = 'truncate'
const TRUNCATED = 'audit.k8s.io/truncated'

/** Sizes in bytes of the encoded events: truncate.Config. */
export interface TruncateConfig {
  /** An event larger than this loses its bodies; if it is still too large it is dropped. */
  readonly maxEventSize: number
  /** A batch larger than this is split. */
  readonly maxBatchSize: number
}

/** Keeps events and batches below a size (k8s.io/apiserver/plugin/pkg/audit/truncate). */
export class TruncateBackend implements Backend {
  readonly name: string
  readonly #delegate: Backend
  readonly #config: TruncateConfig
  readonly #encode: (event: Event) => Buffer
  readonly #errors: PluginProblems
  readonly #metrics: AuditMetrics

  /** @param encode as the delegate does it */
  constructor(
    delegate: Backend,
    config: TruncateConfig,
    encode: (event: Event) => Buffer,
    errors: PluginProblems,
    metrics: AuditMetrics,
  ) {
    this.name = `${TRUNCATE_PLUGIN}<${delegate.name}>`
    this.#delegate = delegate
    this.#config = config
    this.#encode = encode
    this.#errors = errors
    this.#metrics = metrics
  }

  /** As in kube-apiserver, an event that is dropped here does not make it false. */
  processEvents(events: readonly Event[]): Awaitable<boolean> {
    const batches = this.#split(events)
    if (batches.length === 0) return true
    if (batches.length === 1) return this.#delegate.processEvents(batches[0]!)
    return this.#deliver(batches)
  }

  /** All at once, so that a delegate which keeps the order of its calls keeps that of the events. */
  async #deliver(batches: readonly Event[][]): Promise<boolean> {
    const stored = batches.map(async (batch) => this.#delegate.processEvents(batch))
    return (await Promise.all(stored)).every(Boolean)
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    return this.#delegate.shutdown(deadline)
  }

  #split(events: readonly Event[]): Event[][] {
    const { maxEventSize, maxBatchSize } = this.#config
    const batches: Event[][] = []
    let batchSize = Infinity
    for (let event of events) {
      let size = this.#size(event)
      if (size > maxEventSize && (event.level === 'Request' || event.level === 'RequestResponse')) {
        const hasBody = event.requestObject !== undefined || event.responseObject !== undefined
        event = truncate(event)
        size = this.#size(event)
        if (hasBody) this.#metrics.observeTruncated('truncate')
      }
      if (size > maxEventSize) {
        if (size < Infinity)
          this.#errors.dropped(1, `event is too large even after truncating: ${size} bytes`)
        continue
      }
      if (batchSize + size > maxBatchSize) {
        batches.push([])
        batchSize = 0
      }
      batchSize += size
      batches.at(-1)!.push(event)
    }
    return batches
  }

  /** Bytes of the encoded event; infinite if it cannot be encoded, which is counted here. */
  #size(event: Event): number {
    try {
      return this.#encode(event).length
    } catch (err) {
      this.#errors.failed(1, `encoding: ${errorMessage(err)}`)
      return Infinity
    }
  }
}

/** The event without its bodies, marked. */
function truncate(event: Event): Event {
  const annotations = { ...event.annotations, [TRUNCATED]: 'true' }
  return { ...event, requestObject: undefined, responseObject: undefined, annotations }
}
