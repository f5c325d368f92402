import type { Duplex } from 'node:stream'
import type { Backend } from '../audit/backend/backend.js'
import { settles } from '../audit/backend/deadline.js'
import type { Mode } from '../audit/backend/options.js'
import type { PluginErrors } from '../audit/backend/plugin-errors.js'
import type { Event } from '../audit/event.js'
import type { AuditMetrics } from '../audit/metrics.js'
import type { OpenRequests, RequestKey } from '../audit/open-requests.js'
import { encodeEvents } from './event-json.js'
import { FRAME, FrameReader, FrameWriter } from './frames.js'

/** For error metrics and messages: the way from a worker to the primary. */
export const REMOTE_PLUGIN = 'worker'

/** What may wait for a slow primary, in bytes, unless a single call is larger. */
const MAX_PENDING = 64 << 20

/**
 * The backend of a worker: hands its events to the primary, whose backends store them. In mode `batch` nobody waits for
 * that; in the blocking modes the request waits for the primary's answer.
 */
export class RemoteBackend implements Backend, OpenRequests {
  readonly name = REMOTE_PLUGIN
  readonly #stream: Duplex
  readonly #mode: Mode
  readonly #errors: PluginErrors
  readonly #writer: FrameWriter
  readonly #maxPending: number
  readonly #hideQueue: () => void
  readonly #waiting = new Map<number, { readonly events: number; resolve(stored: boolean): void }>()
  #lastId = 0
  /** Set by shutdown: called when nobody waits any more. */
  #answered: (() => void) | undefined

  /**
   * @param stream to the primary's WorkerEvents
   * @param mode of the strictest of the primary's backends
   */
  constructor(
    stream: Duplex,
    mode: Mode,
    errors: PluginErrors,
    metrics: AuditMetrics,
    maxPending = MAX_PENDING,
  ) {
    this.#stream = stream
    this.#mode = mode
    this.#errors = errors
    this.#maxPending = maxPending
    this.#writer = new FrameWriter(stream)
    this.#hideQueue = metrics.showQueue(
      REMOTE_PLUGIN,
      () => this.#waiting.size,
      () => this.#writer.pending,
    )
    const reader = new FrameReader((kind, id) => this.#settle(id, kind === FRAME.stored))
    stream.on('data', (chunk: Buffer) => reader.push(chunk))
    stream.on('error', () => {})
    stream.on('close', () => this.#giveUp('the primary is gone'))
  }

  processEvents(events: readonly Event[]): boolean | Promise<boolean> {
    const text = encodeEvents(events)
    const { pending } = this.#writer
    if ((pending > 0 && pending + text.length > this.#maxPending) || !this.#stream.writable) {
      this.#errors.dropped(events.length, `the primary is too slow: ${pending} bytes wait to be written`)
      for (const event of events) if (isLast(event)) this.closed(event)
      return this.#mode !== 'blocking-strict'
    }
    if (this.#mode === 'batch') {
      this.#writer.write(FRAME.events, 0, text)
      return true
    }
    const id = this.#nextId()
    this.#writer.write(FRAME.events, id, text)
    return new Promise((resolve) => this.#waiting.set(id, { events: events.length, resolve }))
  }

  opened(event: Event): void {
    this.#writer.write(FRAME.opened, 0, encodeEvents([event]))
  }

  closed({ auditID, requestReceivedTimestamp }: RequestKey): void {
    this.#writer.write(FRAME.closed, 0, JSON.stringify({ auditID, requestReceivedTimestamp }))
  }

  /** Returns when the primary has everything, and in the blocking modes has stored it. */
  async shutdown(deadline: AbortSignal): Promise<void> {
    const answered = new Promise<void>((resolve) => (this.#answered = resolve))
    if (this.#waiting.size === 0) this.#answered?.()
    await settles(answered, deadline)
    this.#writer.flush()
    const written = new Promise<void>((resolve) => this.#stream.once('close', resolve).end(resolve))
    if (!(await settles(written, deadline))) this.#giveUp('not handed over before the shutdown deadline')
    this.#hideQueue()
  }

  #nextId(): number {
    // Ids are reused after four thousand million calls. 0 asks for no answer.
    this.#lastId = this.#lastId === 0xffffffff ? 1 : this.#lastId + 1
    return this.#lastId
  }

  #settle(id: number, stored: boolean): void {
    this.#waiting.get(id)?.resolve(stored || this.#mode === 'blocking')
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#answered?.()
  }

  #giveUp(reason: string): void {
    let lost = 0
    for (const [id, { events }] of this.#waiting) {
      lost += events
      this.#settle(id, false)
    }
    if (lost > 0) this.#errors.failed(lost, reason)
  }
}

/** Whether the request is over with this event. */
export function isLast({ stage }: Event): boolean {
  return stage === 'ResponseComplete' || stage === 'Panic'
}
