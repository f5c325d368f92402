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

  constructor(plugin: string, metrics: AuditMetrics, log: RateLimitedLog) {
    this.#plugin = plugin
    this.#metrics = metrics
    this.#log = log
  }

  /** `events` events could not be recorded because something failed. */
  failed(events: number, reason: string): void {
    this.#metrics.observeError(this.#plugin, events)
    this.#log.warn(
      `${this.#plugin} failed`,
      { plugin: this.#plugin, reason },
      'audit events could not be recorded',
      events,
    )
  }

  /** `events` events were given up because of a limit. */
  dropped(events: number, reason: string): void {
    this.#metrics.observeError(this.#plugin, events)
    this.#metrics.observeDropped(this.#plugin, events)
    this.#log.warn(
      `${this.#plugin} dropped`,
      { plugin: this.#plugin, reason },
      'audit events were dropped',
      events,
    )
  }

  /** Something failed that cost no event. */
  trouble(kind: string, reason: string): void {
    this.#log.warn(
      `${this.#plugin} ${kind}`,
      { plugin: this.#plugin, reason },
      `audit ${this.#plugin}: ${kind}`,
    )
  }
}
