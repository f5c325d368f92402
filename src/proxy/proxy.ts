import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { AuditMetrics } from '../audit/metrics.js'
import type { ProxyOptions } from './options.js'
import type { HealthCheck } from '../server/health.js'
import { StatusListeners, type StatusPorts } from '../server/status-listeners.js'
import type { InheritedSockets } from '../systemd/listen-fds.js'
import type { RecordingArchive } from '../sessions/archive.js'
import type { Configuration } from './configuration.js'
import type { Delivery } from './delivery.js'
import { LifeCycle } from './life-cycle.js'
import type { Part } from './part.js'
import type { Front } from './request-path.js'

/** What a process of the proxy has from whoever starts it. */
export interface ProxyEnvironment {
  readonly log: Logger
  /** Take the places of addresses. */
  readonly sockets: InheritedSockets
  /** The same secret has the same mark wherever the key is the same. */
  readonly redactionKey: Buffer
}

/** What both a process that works alone and a primary have. */
export interface Opened extends ProxyEnvironment {
  readonly registry: Registry
  readonly metrics: AuditMetrics
  readonly configuration: Configuration
  readonly delivery: Delivery
  /** Undefined where no sessions are recorded. */
  readonly archive: RecordingArchive | undefined
}

/** What takes requests, and what is known of it. */
export interface Frontage {
  readonly front: Front
  /** What /readyz asks of it. */
  readonly readyChecks: readonly HealthCheck[]
  /** The metrics of the proxy in Prometheus' text format. */
  readonly metricsText: () => Promise<string>
  /** How much of --shutdown-timeout requests may take. */
  readonly drainShare: number
}

/** A proxy from its first listening socket to its last flushed event. */
export class Proxy {
  readonly #front: Front
  readonly #status: StatusListeners
  readonly #configuration: Configuration
  readonly #lifeCycle: LifeCycle

  constructor(
    options: ProxyOptions,
    opened: Opened,
    { front, readyChecks, metricsText, drainShare }: Frontage,
  ) {
    const { archive, configuration, delivery, log, sockets } = opened
    this.#front = front
    this.#configuration = configuration
    this.#status = new StatusListeners(
      {
        healthz: sockets.healthz === undefined ? options.status.healthz : { fd: sockets.healthz },
        metricsAddress: sockets.metrics === undefined ? options.status.metrics : { fd: sockets.metrics },
        readyChecks: [...configuration.readyChecks, ...delivery.readyChecks, ...readyChecks],
        log,
      },
      metricsText,
    )
    const watch: Part = { start: () => configuration.reloader.start() }
    const announcement: Part = {
      start() {
        if (!delivery.isSomewhere)
          log.warn('nothing is recorded: neither --audit-log-path nor --audit-webhook-config-file is set')
        configuration.announce()
      },
    }
    const recordings = archive === undefined ? [] : [archive]
    const parts = [...recordings, this.#status, front, delivery, watch, configuration, announcement]
    this.#lifeCycle = new LifeCycle(parts, options.shutdown, drainShare, log)
  }

  /** Starts to serve. Rejects where an address cannot be bound. */
  start(): Promise<void> {
    return this.#lifeCycle.start()
  }

  /** Reads all configuration files again, as on SIGHUP. Never rejects: what is bad is logged and changes nothing. */
  reload(): Promise<void> {
    return this.#configuration.reloader.reloadAll()
  }

  /** Whether the secure port takes connections, for a watchdog. */
  isHealthy(): Promise<boolean> {
    return this.#front.isHealthy()
  }

  /** The IP address of the secure port. */
  get address(): string {
    return this.#front.address
  }

  /** The secure port. */
  get port(): number {
    return this.#front.port
  }

  /** The ports of the health and metrics listeners, as far as they are on. */
  get statusPorts(): StatusPorts {
    return this.#status.ports
  }

  /**
   * Stops without losing an event: says that it is not ready, waits --shutdown-delay-duration, takes no more connections,
   * ends what is long-running, finishes the rest, flushes the audit backends. Never takes longer than the delay and
   * --shutdown-timeout together.
   */
  shutdown(): Promise<void> {
    return this.#lifeCycle.shutdown()
  }
}
