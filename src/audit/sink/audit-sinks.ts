import type { Logger } from 'pino'
import type { ReviewClient } from '../../cluster/reviews.js'
import type { Reloadable } from '../../live/reloadable.js'
import { RateLimitedLog } from '../../rate-limited-log.js'
import type { Backend } from '../backend/backend.js'
import type { DeliveryOptions } from '../backend/delivery-options.js'
import { EnforcedBackend } from '../backend/enforced.js'
import { union } from '../backend/union.js'
import type { AuditMetrics } from '../metrics.js'
import type { Evaluator } from '../policy/evaluate.js'
import { ClusterSinks } from './cluster-sinks.js'
import { SinkDirectory } from './directory.js'
import { DynamicBackend } from './dynamic.js'
import type { SinkOptions } from './options.js'
import { newSinkBackend, sinkPlugin } from './sink-backend.js'
import { SinkLog } from './sink-log.js'
import { SinkPolicy } from './sink-policy.js'
import { SinkSet } from './sink-set.js'

/** The AuditSinks that a directory and the cluster have, kept as they are there. */
export class AuditSinks {
  readonly reloadables: readonly Reloadable[]
  readonly #set: SinkSet
  readonly #cluster: ClusterSinks | undefined

  /**
   * @param cluster the proxy's own connection to it
   * @throws ConfigError where a manifest in the directory cannot be used
   */
  constructor({ directory, fromCluster }: SinkOptions, cluster: ReviewClient, log: Logger) {
    const sinkLog = new SinkLog(log)
    this.#set = new SinkSet(sinkLog)
    this.reloadables = directory === undefined ? [] : [new SinkDirectory(directory, this.#set)]
    this.#cluster = fromCluster ? new ClusterSinks(cluster, this.#set, { log, sinkLog }) : undefined
  }

  /** Begins to follow the cluster. */
  start(): void {
    this.#cluster?.start()
  }

  /** The sinks of now stay; no others come. */
  async retire(): Promise<void> {
    await this.#cluster?.close()
  }

  /** The policy, and on top of it what the sinks ask for. */
  over(policy: Evaluator): Evaluator {
    const raised = new SinkPolicy(policy)
    this.#set.subscribe((sinks) => raised.setDemands([...sinks.values()]))
    return raised
  }

  /**
   * The backend, which has of events what the policy alone says, and beside it the sinks.
   * @param backend undefined: there are only sinks
   * @param webhook --audit-webhook-*: the version of events, their buffer and batches, their truncation
   */
  beside(
    backend: Backend | undefined,
    { webhook, metrics, log }: { webhook: DeliveryOptions; metrics: AuditMetrics; log: Logger },
  ): Backend {
    const problems = new RateLimitedLog(log)
    const set = this.#set
    metrics.showSinks({ served: () => set.size, refused: () => set.refused })
    const dynamic = new DynamicBackend(set, {
      newBackend: (sink, count) => newSinkBackend(sink, { webhook, metrics, problems, count }),
      onGone: (name) => metrics.forget(sinkPlugin(name)),
    })
    const known = backend && new EnforcedBackend(backend, ({ byPolicy }) => byPolicy)
    const all = known === undefined ? dynamic : union([known, dynamic])
    return {
      name: all.name,
      processEvents: (events) => all.processEvents(events),
      async shutdown(deadline) {
        await all.shutdown(deadline)
        problems.close()
      },
    }
  }
}
