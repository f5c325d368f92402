import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Level } from './event.js'

/** How full something is now; read when the metrics are scraped. */
export type Reading = () => number

/**
 * The metrics of the audit log: kube-apiserver's own under its names (k8s.io/apiserver/pkg/audit/metrics.go), and those
 * of this proxy with the prefix kube_audit_proxy_.
 */
export class AuditMetrics {
  readonly #events: Counter
  readonly #errors: Counter<'plugin'>
  readonly #levels: Counter<'level'>
  readonly #rejected: Counter
  readonly #turnedAway: Counter
  readonly #dropped: Counter<'plugin'>
  readonly #batches: Counter<'plugin' | 'result'>
  readonly #latency: Histogram<'plugin'>
  readonly #retries: Counter<'plugin'>
  readonly #truncated: Counter<'reason'>
  readonly #damaged: Counter<'plugin'>
  readonly #queues = new Map<string, Reading>()
  readonly #queueBytes = new Map<string, Reading>()
  readonly #spools = new Map<string, Reading>()
  readonly #seals = new Map<string, Reading>()
  readonly #sealFailures: Counter<'plugin'>

  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
    const registers = [registry]
    this.#events = new Counter({
      registers,
      name: 'apiserver_audit_event_total',
      help: 'Counter of audit events generated and sent to the audit backend.',
    })
    this.#errors = new Counter({
      registers,
      name: 'apiserver_audit_error_total',
      help: 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
      labelNames: ['plugin'],
    })
    this.#levels = new Counter({
      registers,
      name: 'apiserver_audit_level_total',
      help: 'Counter of policy levels for audit events (1 per request).',
      labelNames: ['level'],
    })
    this.#rejected = new Counter({
      registers,
      name: 'apiserver_audit_requests_rejected_total',
      help: 'Counter of apiserver requests rejected due to an error in audit logging backend.',
    })
    this.#turnedAway = new Counter({
      registers,
      name: 'kube_audit_proxy_requests_turned_away_total',
      help: 'Counter of requests that were answered with 429, unread, because their client or clients that nobody knows had too much under way.',
    })
    this.#dropped = new Counter({
      registers,
      name: 'kube_audit_proxy_audit_dropped_events_total',
      help: 'Counter of audit events that were given up because a limit was reached: a full buffer, an event too large, a shutdown deadline.',
      labelNames: ['plugin'],
    })
    this.#batches = new Counter({
      registers,
      name: 'kube_audit_proxy_audit_batches_total',
      help: 'Counter of batches handed to an audit backend in batch mode, by result (success or failure).',
      labelNames: ['plugin', 'result'],
    })
    this.#latency = new Histogram({
      registers,
      name: 'kube_audit_proxy_audit_delivery_duration_seconds',
      help: 'How long an audit backend took to store what it was handed.',
      labelNames: ['plugin'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    })
    this.#retries = new Counter({
      registers,
      name: 'kube_audit_proxy_audit_retries_total',
      help: 'Counter of deliveries that were tried again.',
      labelNames: ['plugin'],
    })
    this.#truncated = new Counter({
      registers,
      name: 'kube_audit_proxy_audit_truncated_total',
      help: 'Counter of audit events that lost a body to a limit.',
      labelNames: ['reason'],
    })
    this.#damaged = new Counter({
      registers,
      name: 'kube_audit_proxy_audit_spool_damaged_segments_total',
      help: 'Counter of files of a spool that were not as they had been written; events that are known to be lost with them are counted as errors.',
      labelNames: ['plugin'],
    })
    for (const reason of ['capture', 'truncate']) this.#truncated.inc({ reason }, 0)
    readings(
      registry,
      this.#queues,
      'kube_audit_proxy_audit_queue_events',
      'Audit events that wait to be delivered.',
    )
    readings(
      registry,
      this.#queueBytes,
      'kube_audit_proxy_audit_queue_bytes',
      'Estimated memory of the audit events that wait to be delivered.',
    )
    readings(
      registry,
      this.#spools,
      'kube_audit_proxy_audit_spool_bytes',
      'Bytes of audit events spooled on disk.',
    )
    this.#sealFailures = new Counter({
      registers,
      name: 'kube_audit_proxy_audit_seal_failures_total',
      help: 'Counter of statements of a seal that could not be stored; they are tried again.',
      labelNames: ['plugin'],
    })
    readings(
      registry,
      this.#seals,
      'kube_audit_proxy_audit_seal_checkpoint_age_seconds',
      'Seconds since the last statement of a seal was stored.',
    )
  }

  /**
   * Shows what the plugin has lost from the start, as 0. Prometheus sees no increase in a counter whose first value is
   * already the loss.
   */
  showPlugin(plugin: string): void {
    this.#errors.inc({ plugin }, 0)
    this.#dropped.inc({ plugin }, 0)
  }

  /** The plugin is gone for good: what was counted for it alone is forgotten, so that names that come and go take no memory. */
  forget(plugin: string): void {
    for (const result of ['success', 'failure']) this.#batches.remove({ plugin, result })
  }

  /** Shows how many AuditSinks are served, and how many were refused, from now on. */
  showSinks({ served, refused }: { readonly served: Reading; readonly refused: Reading }): void {
    const registers = [this.#registry]
    new Gauge({
      registers,
      name: 'kube_audit_proxy_audit_sinks',
      help: 'AuditSinks that events are sent to.',
      collect() {
        this.set(served())
      },
    })
    new Counter({
      registers,
      name: 'kube_audit_proxy_audit_sinks_refused_total',
      help: 'Counter of AuditSinks that were refused because there were too many, each as often as it came.',
      collect() {
        this.reset()
        this.inc(refused())
      },
    })
  }

  /** Events were made and sent to the backend. */
  observeEvent(): void {
    this.#events.inc()
  }

  /** The policy's level for a request, once per request. */
  observeLevel(level: Level): void {
    this.#levels.inc({ level })
  }

  /** A request was refused because its event could not be stored. */
  observeRejected(): void {
    this.#rejected.inc()
  }

  /** A request was refused because there was no room for it. */
  observeTurnedAway(): void {
    this.#turnedAway.inc()
  }

  /** An error that may have kept `events` events from being recorded: kube-apiserver's HandlePluginError. */
  observeError(plugin: string, events: number): void {
    this.#errors.inc({ plugin }, events)
  }

  /** Events given up because of a limit; to be counted as errors as well. */
  observeDropped(plugin: string, events: number): void {
    this.#dropped.inc({ plugin }, events)
  }

  /** One batch handed to the backend named `plugin`. */
  observeBatch(plugin: string, success: boolean): void {
    this.#batches.inc({ plugin, result: success ? 'success' : 'failure' })
  }

  observeDelivery(plugin: string, seconds: number): void {
    this.#latency.observe({ plugin }, seconds)
  }

  observeRetry(plugin: string): void {
    this.#retries.inc({ plugin })
  }

  /** So many files of a spool were found to be damaged; 0 shows the counter. */
  observeDamagedSegments(plugin: string, segments: number): void {
    this.#damaged.inc({ plugin }, segments)
  }

  /** @param reason the limit: `capture` (a body too large to be kept) or `truncate` (--audit-*-truncate-max-event-size) */
  observeTruncated(reason: 'capture' | 'truncate', events = 1): void {
    this.#truncated.inc({ reason }, events)
  }

  /** Shows a queue until the function it returns is called. */
  showQueue(plugin: string, events: Reading, bytes: Reading): () => void {
    this.#queues.set(plugin, events)
    this.#queueBytes.set(plugin, bytes)
    return () => {
      // Another of the same name may be shown by now.
      if (this.#queues.get(plugin) === events) this.#queues.delete(plugin)
      if (this.#queueBytes.get(plugin) === bytes) this.#queueBytes.delete(plugin)
    }
  }

  /** Shows a spool until the function it returns is called. */
  showSpool(plugin: string, bytes: Reading): () => void {
    this.#spools.set(plugin, bytes)
    return () => this.#spools.delete(plugin)
  }

  /** Shows a seal until the function it returns is called. */
  showSeal(plugin: string, age: Reading): () => void {
    this.#sealFailures.inc({ plugin }, 0)
    this.#seals.set(plugin, age)
    return () => this.#seals.delete(plugin)
  }

  /** A statement of a seal could not be stored. */
  observeSealFailure(plugin: string): void {
    this.#sealFailures.inc({ plugin })
  }
}

/** A gauge that costs nothing until it is scraped. */
function readings(
  registry: Registry,
  source: ReadonlyMap<string, Reading>,
  name: string,
  help: string,
): void {
  new Gauge({
    registers: [registry],
    name,
    help,
    labelNames: ['plugin'],
    collect() {
      this.reset()
      for (const [plugin, read] of source) this.set({ plugin }, read())
    },
  })
}
