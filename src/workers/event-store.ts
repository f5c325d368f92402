import type { Awaitable } from '../awaitable.js'
import type { Backend } from '../audit/backend/backend.js'
import type { EncodedLines } from '../audit/backend/new-audit-backend.js'
import { Clock } from '../audit/clock.js'
import type { Event } from '../audit/event.js'
import { LineArena } from '../audit/line-arena.js'
import type { AuditMetrics } from '../audit/metrics.js'
import { newWire, WIRE_VERSION, type Wire, type WireFormat } from './wire.js'

/** Where events go: Delivery. */
export interface StoredIn {
  readonly backend: Backend
  readonly lines: EncodedLines | undefined
}

/** Where the primary keeps the events of its workers. */
export class EventStore {
  /** How workers are to send them. */
  readonly format: WireFormat
  readonly #backend: Backend
  readonly #lines: Backend<Buffer> | undefined
  readonly #metrics: AuditMetrics
  readonly #wire: Wire
  readonly #clock = new Clock()
  readonly #arena = new LineArena()

  constructor({ backend, lines }: StoredIn, metrics: AuditMetrics) {
    this.#backend = backend
    this.#metrics = metrics
    this.#lines = lines?.version === WIRE_VERSION ? lines.backend : undefined
    this.format = this.#lines === undefined ? 'events' : 'lines'
    this.#wire = newWire(this.format)
  }

  /** Microseconds since the Unix epoch. */
  now(): number {
    return this.#clock.now()
  }

  /** As Backend.processEvents, of events that came from a worker, which has counted them. */
  process(lines: readonly Buffer[]): Awaitable<boolean> {
    return this.#lines === undefined
      ? this.#backend.processEvents(lines.map((line) => this.decode(line)))
      : this.#lines.processEvents(lines.map((line) => this.#arena.copy(line)))
  }

  /** Stores an event of the primary's own. */
  add(event: Event): void {
    this.#metrics.observeEvent()
    void this.#backend.processEvents([event])
  }

  /** The event that came as these bytes. */
  decode(line: Buffer): Event {
    return this.#wire.decode(line.toString('utf8'))
  }
}
