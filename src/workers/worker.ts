import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import { PluginProblems } from '../audit/backend/plugin-problems.js'
import { AuditMetrics } from '../audit/metrics.js'
import type { RequestPathOptions } from '../proxy/options.js'
import { Configuration } from '../proxy/configuration.js'
import { LifeCycle } from '../proxy/life-cycle.js'
import { RequestPath } from '../proxy/request-path.js'
import { DRAIN_SHARE } from '../proxy/shutdown-options.js'
import { RateLimitedLog } from '../rate-limited-log.js'
import type { MetricsReport, Start } from './messages.js'
import { REMOTE_PLUGIN, RemoteIntake, type Lost } from './remote-intake.js'
import { newWire } from './wire.js'

/** What a worker's process has. */
export interface WorkerEnvironment {
  /** For the events. */
  readonly stream: Duplex
  readonly log: Logger
  /** The primary has died. */
  readonly onLost: (lost: Lost) => void
}

/** A worker: a path of requests, whose events go to the primary, which has all the rest. */
export class Worker {
  readonly #configuration: Configuration
  readonly #registry: Registry
  readonly #path: RequestPath
  readonly #lifeCycle: LifeCycle

  /**
   * Resolves when it listens.
   * @param start what the primary said
   * @throws ConfigError
   */
  static async start(
    options: RequestPathOptions,
    start: Start,
    environment: WorkerEnvironment,
  ): Promise<Worker> {
    const registry = new Registry()
    const configuration = await Configuration.read(options, registry, environment.log)
    const worker = new Worker(options, start, environment, { registry, configuration })
    await worker.#lifeCycle.start()
    return worker
  }

  private constructor(
    options: RequestPathOptions,
    start: Start,
    { stream, log, onLost }: WorkerEnvironment,
    { registry, configuration }: { registry: Registry; configuration: Configuration },
  ) {
    const metrics = new AuditMetrics(registry)
    const problems = new RateLimitedLog(log)
    const errors = new PluginProblems(REMOTE_PLUGIN, metrics, problems)
    const intake = new RemoteIntake(stream, newWire(start.format), start.mode, { errors, metrics, onLost })
    this.#configuration = configuration
    this.#registry = registry
    this.#path = new RequestPath(options, {
      configuration,
      intake,
      metrics,
      registry,
      log,
      redactionKey: Buffer.from(start.redactionKey, 'base64'),
      processes: start.workers,
      // node:cluster asks the primary to listen, which knows the descriptor by this number.
      socket: { fd: start.fd, port: start.port },
    })
    const toPrimary = {
      flush: (deadline: AbortSignal) => intake.shutdown(deadline),
      stop: () => problems.close(),
    }
    // The primary has waited before it says that this is the end.
    const shutdown = { delayDuration: 0, timeout: options.shutdown.timeout }
    this.#lifeCycle = new LifeCycle([this.#path, configuration, toPrimary], shutdown, DRAIN_SHARE, log)
  }

  get address(): string {
    return this.#path.address
  }

  get port(): number {
    return this.#path.port
  }

  /** Reads the files of this flag again. Never rejects. */
  reload(name: string): Promise<void> {
    return this.#configuration.reloader.reload(name)
  }

  metrics(): Promise<MetricsReport> {
    return this.#registry.getMetricsAsJSON()
  }

  shutdown(): Promise<void> {
    return this.#lifeCycle.shutdown()
  }
}
