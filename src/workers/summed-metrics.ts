import { AggregatorRegistry, Counter, Gauge, type Registry } from 'prom-client'
import type { MetricsReport } from './messages.js'

/** The pool, as far as metrics tell of it. */
export interface MeasuredPool {
  readonly serving: number
  readonly replaced: number
  metrics(): Promise<MetricsReport[]>
}

/** The metrics of the primary and of all workers as one: what each counted is added up. */
export class SummedMetrics {
  readonly #registry: Registry
  /** What workers that are gone have counted, so that no sum goes back. */
  #retired: MetricsReport = []
  #work: Promise<void> = Promise.resolve()

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

  /** Goes on counting what a worker had counted when it was last asked. What it was just then doing is gone. */
  retire(report: MetricsReport): void {
    const counted = report.filter(({ type }) => String(type) !== 'gauge')
    this.#work = this.#work.then(async () => {
      this.#retired = await AggregatorRegistry.aggregate([this.#retired, counted]).getMetricsAsJSON()
    })
  }

  /** In Prometheus' text format. */
  async text(pool: MeasuredPool): Promise<string> {
    const [own, workers] = await Promise.all([this.#registry.getMetricsAsJSON(), pool.metrics()])
    await this.#work
    return AggregatorRegistry.aggregate([own, ...workers, this.#retired]).metrics()
  }
}
