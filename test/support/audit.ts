import { Registry } from 'prom-client'
import type { Backend } from '../../src/audit/backend/backend.js'
import type { Event } from '../../src/audit/event.js'
import { AuditMetrics } from '../../src/audit/metrics.js'
import { RateLimitedLog } from '../../src/rate-limited-log.js'
import type { Timers } from '../../src/timers.js'

/** An event that differs from others by its auditID. */
export function makeEvent(auditID: string | number, fields: Partial<Event> = {}): Event {
  return {
    level: 'Metadata',
    auditID: String(auditID),
    stage: 'ResponseComplete',
    requestURI: '/api/v1/pods',
    verb: 'list',
    user: { username: 'alice', groups: ['system:authenticated'] },
    sourceIPs: ['192.0.2.1'],
    responseStatus: { code: 200 },
    requestReceivedTimestamp: 1_700_000_000_000_000,
    stageTimestamp: 1_700_000_000_000_500,
    ...fields,
  }
}

/** Time that a test moves by hand. */
export class ManualTimers implements Timers {
  #now = 0
  #timers = new Set<{ at: number; f: () => void }>()

  now(): number {
    return this.#now
  }

  after(ms: number, f: () => void) {
    const timer = { at: this.#now + ms, f }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  /** How many timers run. */
  get size(): number {
    return this.#timers.size
  }

  /** Moves the time on, and calls what is due in its order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#now = Math.max(this.#now, due.at)
      due.f()
    }
    this.#now = end
  }
}

/** Metrics and a log of problems, with what a test wants to read of them. */
export class Report {
  readonly registry = new Registry()
  readonly metrics = new AuditMetrics(this.registry)
  readonly lines: Record<string, unknown>[] = []
  readonly problems: RateLimitedLog

  constructor(timers?: Timers) {
    const log = { warn: (fields: object, msg: string) => void this.lines.push({ ...fields, msg }) }
    this.problems = new RateLimitedLog(log, 10_000, timers)
  }

  /** The value of a metric with these labels, 0 if it has none. */
  async value(name: string, labels: Record<string, string> = {}): Promise<number> {
    const metric = await this.registry.getSingleMetric(name)!.get()
    const match = metric.values.find((v) => Object.entries(labels).every(([k, x]) => v.labels[k] === x))
    return match?.value ?? 0
  }
}

/** A backend that keeps what it is handed and answers when the test says so. */
export class HeldBackend implements Backend {
  readonly name = 'held'
  readonly batches: string[][] = []
  shutdowns = 0
  #answers: ((stored: boolean) => void)[] = []

  processEvents(events: readonly Event[]): Promise<boolean> {
    this.batches.push(events.map((e) => e.auditID))
    return new Promise((resolve) => this.#answers.push(resolve))
  }

  /** How many calls wait for their answer. */
  get waiting(): number {
    return this.#answers.length
  }

  /** Answers the oldest call and lets those who waited for it go on. */
  async answer(stored = true): Promise<void> {
    this.#answers.shift()?.(stored)
    await new Promise((resolve) => setImmediate(resolve))
  }

  shutdown(): Promise<void> {
    this.shutdowns++
    return Promise.resolve()
  }
}

/** A backend that has stored everything at once, or nothing. */
export class InstantBackend implements Backend {
  readonly events: Event[] = []
  readonly batches: string[][] = []

  readonly #stored: boolean

  constructor(
    readonly name = 'instant',
    stored = true,
  ) {
    this.#stored = stored
  }

  processEvents(events: readonly Event[]): boolean {
    this.events.push(...events)
    this.batches.push(events.map((e) => e.auditID))
    return this.#stored
  }

  shutdown(): Promise<void> {
    return Promise.resolve()
  }
}

/** A deadline that does not come. */
export const never = new AbortController().signal
