import type { Logger } from 'pino'
import type { Backend } from '../audit/backend/backend.js'
import { DeliveryHealth } from '../audit/backend/delivery-health.js'
import { strictest, type Mode } from '../audit/backend/delivery-options.js'
import { newAuditBackend, type EncodedLines } from '../audit/backend/new-audit-backend.js'
import type { AuditMetrics } from '../audit/metrics.js'
import type { WholeFiles } from '../audit/seal/whole-files.js'
import type { ProxyOptions } from './options.js'
import type { HealthCheck } from '../server/health.js'
import type { Configuration } from './configuration.js'
import type { Part } from './part.js'

/** No log and no webhook: whatever the policy says, events go nowhere. */
const NOWHERE: Backend = {
  name: 'none',
  processEvents: () => true,
  shutdown: () => Promise.resolve(),
}

interface Opened {
  readonly backend: Backend | undefined
  readonly lines: EncodedLines | undefined
  readonly mode: Mode
  readonly readyChecks: readonly HealthCheck[]
  readonly fileSeal: WholeFiles | undefined
}

/** Where events go: the backends that the flags name, and AuditSinks. */
export class Delivery implements Part {
  readonly backend: Backend
  /** Where lines may be handed over that another process has encoded; undefined where a backend needs the events. */
  readonly lines: EncodedLines | undefined
  /** Of the strictest of the backends: for how long a request waits. */
  readonly mode: Mode
  readonly readyChecks: readonly HealthCheck[]
  /** Seals whole files beside the audit log; undefined where it is not sealed. */
  readonly fileSeal: WholeFiles | undefined
  /** False where nobody has the events. */
  readonly isSomewhere: boolean

  /** @throws ConfigError where a backend cannot be opened; then none is left open */
  static async open(
    { backends, status, sinks }: ProxyOptions,
    configuration: Configuration,
    metrics: AuditMetrics,
    log: Logger,
  ): Promise<Delivery> {
    const readyChecks: HealthCheck[] = []
    let fileSeal: WholeFiles | undefined
    const known = await newAuditBackend(backends, {
      log,
      metrics,
      health(plugin) {
        const health = new DeliveryHealth(status.readyAuditGracePeriod)
        readyChecks.push({ name: `audit-backend-${plugin}`, check: () => health.problem() })
        return health
      },
      onReloadable: (reloadable) => configuration.reloader.add([reloadable]),
      onFileSeal: (seal) => (fileSeal = seal),
    })
    const mode = strictest(backends.map(({ delivery }) => delivery.mode))
    if (sinks === undefined || configuration.sinks === undefined)
      return new Delivery({ backend: known, lines: known?.lines, mode, readyChecks, fileSeal })
    const backend = configuration.sinks.beside(known, { webhook: sinks.webhook, metrics, log })
    return new Delivery({ backend, lines: undefined, mode, readyChecks, fileSeal })
  }

  private constructor({ backend, lines, mode, readyChecks, fileSeal }: Opened) {
    this.backend = backend ?? NOWHERE
    this.isSomewhere = backend !== undefined
    this.lines = lines
    this.mode = mode
    this.readyChecks = readyChecks
    this.fileSeal = fileSeal
  }

  flush(deadline: AbortSignal): Promise<void> {
    return this.backend.shutdown(deadline)
  }
}
