import type { RateLimitedLog } from '../../rate-limited-log.js'
import type { AuditMetrics } from '../metrics.js'
import type { Problems } from './problems.js'

/**
 * Counts and logs what one plugin could not record (k8s.io/apiserver/pkg/audit/metrics.go HandlePluginError, without the
 * events themselves: those may hold what does not belong in the proxy's own log).
 */
export class PluginProblems implements Problems {
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

  failed(events: number, reason: string): void {
    this.#metrics.observeError(this.#plugin, events)
    this.#warn('failed', reason, 'audit events could not be recorded', events)
  }

  dropped(events: number, reason: string): void {
    this.#metrics.observeError(this.#plugin, events)
    this.#metrics.observeDropped(this.#plugin, events)
    this.#warn('dropped', reason, 'audit events were dropped', events)
  }

  trouble(kind: string, reason: string): void {
    this.#warn(kind, reason, `audit ${this.#backend}: ${kind}`, 1)
  }

  #warn(kind: string, reason: string, message: string, count: number): void {
    const fields = { plugin: this.#plugin, backend: this.#backend, reason }
    this.#log.warn(`${this.#plugin} ${this.#backend} ${kind}`, fields, message, count)
  }
}
