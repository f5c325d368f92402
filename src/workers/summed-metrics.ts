import { AggregatorRegistry, Counter, Gauge, type Registry } from 'prom-client'
import type { MetricsReport } from './messages.js'

/** The pool, as far as metrics tell of it. */
export interface MeasuredPool {
  readonly serving: number
  readonly replaced: number
  /** Asks each worker for its metrics. */
  metrics(): Promise<void>
  /** What each worker that is not retired told last. */
  readonly lastMetrics: readonly MetricsReport[]
}

/** The metrics of the primary and of all workers as one: what each counted is added up. */
export class SummedMetrics {
  readonly #registry: Registry
  /** What workers that are gone have counted, so that no sum goes back: sums, and reports that are yet to be added. */
  readonly #retired: MetricsReport[] = []
  #adding = false

  /** @param registry the primary's own */
  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Shows how many workers there are. */
  show(pool: MeasuredPool): void {
    const registers = [this.#registry]
    new Gauge({
      registers,
      name: 'kube_audit_proxy_workers',
      help: 'Worker processes that take requests.',
      collect() {
        this.set(pool.serving)
      },
    })
    new Counter({
      registers,
      name: 'kube_audit_proxy_worker_replacements_total',
      help: 'Counter of worker processes that took the place of one that had died.',
      collect() {
        this.reset()
        this.inc(pool.replaced)
      },
    })
  }

  /**
   * Goes on counting what a worker had counted when it was last asked. What it has counted since is gone. To be called
   * when the pool has it no more, at the same moment: each count is then in one place at any time.
   */
  retire(report: MetricsReport): void {
    this.#retired.push(report.filter(({ type }) => String(type) !== 'gauge'))
    if (!this.#adding) void this.#add()
  }

  /** In Prometheus' text format. */
  async text(pool: MeasuredPool): Promise<string> {
    const [own] = await Promise.all([this.#registry.getMetricsAsJSON(), pool.metrics()])
    return AggregatorRegistry.aggregate([own, ...pool.lastMetrics, ...this.#retired]).metrics()
  }

  /** Makes one of the reports of all workers that are gone. */
  async #add(): Promise<void> {
    this.#adding = true
    while (this.#retired.length > 1) {
      const reports = [...this.#retired]
      const sum = await AggregatorRegistry.aggregate(reports).getMetricsAsJSON()
      this.#retired.splice(0, reports.length, sum)
    }
    this.#adding = false
  }
}
