import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { PluginErrors } from '../audit/backend/plugin-errors.js'
import type { Mode } from '../audit/backend/options.js'
import type { Options } from '../cli/options.js'
import { RateLimitedLog } from '../rate-limited-log.js'
import { newProxyParts } from '../server/new-proxy.js'
import { Proxy, type ProxyParts } from '../server/proxy.js'
import type { MetricsReport, ToWorker } from './messages.js'
import { REMOTE_PLUGIN, RemoteIntake } from './remote-intake.js'
import { newWire } from './wire.js'

/** The proxy of a worker: the same request path, whose events go to the primary, which has all the rest. */
export class WorkerServer {
  readonly #parts: ProxyParts
  readonly #proxy: Proxy
  readonly #problems: RateLimitedLog

  /**
   * Resolves when it listens.
   * @param start what the primary said
   * @param stream for the events
   * @throws ConfigError
   */
  static async start(
    options: Options,
    start: Extract<ToWorker, { kind: 'start' }>,
    stream: Duplex,
    log: Logger,
  ): Promise<WorkerServer> {
    const redactionKey = Buffer.from(start.redactionKey, 'base64')
    // node:cluster asks the primary to listen, which knows the descriptor by this number.
    const sockets = start.fd === undefined ? {} : { secure: start.fd }
    const parts = await newProxyParts(workerOptions(options, start), log, sockets, redactionKey)
    const problems = new RateLimitedLog(log)
    const errors = new PluginErrors(REMOTE_PLUGIN, parts.metrics, problems)
    const mode = strictestMode(options)
    const intake = new RemoteIntake(stream, newWire(start.format), mode, errors, parts.metrics)
    const server = new WorkerServer(parts, intake, problems)
    await server.#proxy.start()
    return server
  }

  private constructor(parts: ProxyParts, intake: RemoteIntake, problems: RateLimitedLog) {
    this.#parts = parts
    this.#problems = problems
    this.#proxy = new Proxy({
      ...parts,
      intake,
      watchesFiles: false,
      // The primary has checked and said what there is.
      onStart: () => {},
    })
  }

  get address(): string {
    return this.#proxy.address
  }

  get port(): number {
    return this.#proxy.port
  }

  /** Reads the files of this flag again. Never rejects. */
  reload(name: string): Promise<void> {
    return this.#parts.reloader.reload(name)
  }

  metrics(): Promise<MetricsReport> {
    return this.#parts.registry.getMetricsAsJSON()
  }

  async shutdown(): Promise<void> {
    await this.#proxy.shutdown()
    // Of dynamic sinks a worker has only what they demand: their events are the primary's.
    await this.#parts.backend.shutdown(AbortSignal.abort())
    this.#problems.close()
  }
}

/** Without what the primary does for all: backends, health, metrics, the wait before a shutdown. */
function workerOptions(options: Options, { port, workers }: Extract<ToWorker, { kind: 'start' }>): Options {
  const { serving, audit, shutdown } = options
  return {
    ...options,
    serving: { ...serving, port },
    audit: {
      ...audit,
      log: { ...audit.log, path: '' },
      webhook: { ...audit.webhook, configFile: '', spool: { ...audit.webhook.spool, directory: '' } },
      // One body must fit, whatever the number of workers.
      maxCaptureMemory: Math.max(audit.maxBodySize, Math.floor(audit.maxCaptureMemory / workers)),
    },
    shutdown: { ...shutdown, delayDuration: 0 },
    healthz: undefined,
    metrics: undefined,
  }
}

/** Of the primary's backends. Where there are none nobody waits for them. */
function strictestMode({ audit: { log, webhook } }: Options): Mode {
  const modes: Mode[] = []
  if (log.path !== '') modes.push(log.mode)
  if (webhook.configFile !== '') modes.push(webhook.mode)
  if (modes.includes('blocking-strict')) return 'blocking-strict'
  return modes.includes('blocking') ? 'blocking' : 'batch'
}
