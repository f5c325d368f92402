import type { Logger } from 'pino'
import type { Reloadable } from '../../live/reloadable.js'
import { RateLimitedLog } from '../../rate-limited-log.js'
import type { ReviewClient } from '../../cluster/reviews.js'
import type { Backend } from '../backend/backend.js'
import { EnforcedBackend } from '../backend/enforced.js'
import type { AuditWebhookOptions } from '../backend/options.js'
import { union } from '../backend/union.js'
import type { AuditMetrics } from '../metrics.js'
import type { Evaluator } from '../policy/evaluate.js'
import { ClusterSinks } from './cluster-sinks.js'
import { SinkDirectory } from './directory.js'
import { DynamicBackend } from './dynamic.js'
import { newSinkBackend } from './sink-backend.js'
import { SinkPolicy } from './sink-policy.js'

export interface AuditSinkOptions {
  /** Empty: none. */
  readonly directory: string
  /** Whether sinks are read from the cluster. */
  readonly fromCluster: boolean
  readonly webhook: AuditWebhookOptions
}

export interface AuditSinkDeps {
  readonly policy: Evaluator
  /** undefined: there are only sinks. */
  readonly backend: Backend | undefined
  /** The proxy's own connection to the cluster. */
  readonly cluster: ReviewClient
  readonly metrics: AuditMetrics
  readonly log: Logger
}

/** Dynamic sinks on top of a policy and of the backends that the flags name. */
export class AuditSinks {
  /** In place of the policy. */
  readonly policy: Evaluator
  /** In place of the backend. */
  readonly backend: Backend
  readonly reloadables: readonly Reloadable[]
  readonly #cluster: ClusterSinks | undefined

  /** @throws ConfigError where a manifest in the directory cannot be used */
  constructor({ directory, fromCluster, webhook }: AuditSinkOptions, deps: AuditSinkDeps) {
    const { metrics, log } = deps
    const problems = new RateLimitedLog(log)
    const policy = new SinkPolicy(deps.policy)
    const dynamic = new DynamicBackend(
      (sink) => newSinkBackend(sink, { webhook, metrics, problems }),
      (sinks) => policy.setDemands(sinks),
      log,
    )
    this.policy = policy
    const known = deps.backend && new EnforcedBackend(deps.backend, ({ byPolicy }) => byPolicy)
    const all = known === undefined ? dynamic : union([known, dynamic])
    this.backend = {
      name: all.name,
      processEvents: (events) => all.processEvents(events),
      async shutdown(deadline) {
        await all.shutdown(deadline)
        problems.close()
      },
    }
    this.reloadables = directory === '' ? [] : [new SinkDirectory(directory, dynamic)]
    this.#cluster = fromCluster ? new ClusterSinks(deps.cluster, dynamic, log) : undefined
  }

  start(): void {
    this.#cluster?.start()
  }

  /** The sinks of now stay; no others come. */
  async close(): Promise<void> {
    await this.#cluster?.close()
  }
}
