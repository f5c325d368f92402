import type { RateLimitedLog } from '../../rate-limited-log.js'
import type { AuditMetrics } from '../metrics.js'

/**
 * Counts and logs what one plugin could not record (k8s.io/apiserver/pkg/audit/metrics.go HandlePluginError, without the
 * events themselves: those may hold what does not belong in the proxy's own log).
 */
export class PluginErrors {
  readonly #plugin: string
  readonly #metrics: AuditMetrics
  readonly #log: RateLimitedLog
  readonly #backend: string

  /**
   * @param plugin as in the metrics
   * @param backend whose events these are: the log's or the webhook's
   */
  constructor(plugin: string, metrics: AuditMetrics, log: RateLimitedLog, backend = plugin) {
    this.#plugin = plugin
    this.#metrics = metrics
    this.#log = log
    this.#backend = backend
    metrics.showPlugin(plugin)
  }

  /** `events` events could not be recorded because something failed. */
  failed(events: number, reason: string): void {
    this.#metrics.observeError(this.#plugin, events)
    this.#warn('failed', reason, 'audit events could not be recorded', events)
  }

  /** `events` events were given up because of a limit. */
  dropped(events: number, reason: string): void {
    this.#metrics.observeError(this.#plugin, events)
    this.#metrics.observeDropped(this.#plugin, events)
    this.#warn('dropped', reason, 'audit events were dropped', events)
  }

  /** Something failed that cost no event. `what` is one of a few fixed messages. */
  trouble(what: string, reason: string): void {
    this.#warn(what, reason, `audit ${this.#backend}: ${what}`, 1)
  }

  #warn(kind: string, reason: string, message: string, count: number): void {
    const fields = { plugin: this.#plugin, backend: this.#backend, reason }
    this.#log.warn(`${this.#plugin} ${this.#backend} ${kind}`, fields, message, count)
  }
}
