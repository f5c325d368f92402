import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Backend } from '../audit/backend/backend.js'
import type { Captures } from '../audit/capture/body-capture.js'
import { Clock } from '../audit/clock.js'
import type { EventIntake } from '../audit/intake.js'
import { LocalIntake } from '../audit/backend/local-intake.js'
import type { AuditSinks } from '../audit/sink/audit-sinks.js'
import type { AuditMetrics } from '../audit/metrics.js'
import type { Evaluator } from '../audit/policy/evaluate.js'
import type { Authenticator } from '../authentication/authenticator.js'
import type { Reloader } from '../live/reloader.js'
import type { IdentityHeaders } from '../request/identity-headers.js'
import type { ReviewClient } from '../cluster/reviews.js'
import type { Upstream } from '../upstream/upstream.js'
import { RequestHandler } from './handler.js'
import { deadline, delay } from '../timers.js'
import type { HealthCheck, ListenAddress } from './health.js'
import { InFlight } from './in-flight.js'
import { Listener, type ListenerOptions } from './listener.js'
import type { ServingMaterial, ServingTLS } from './serving-tls.js'
import { StatusListeners, type StatusPorts } from './status-listeners.js'

/** The parts of a running proxy, each made by whoever reads its flags. */
export interface ProxyParts {
  readonly serving: Omit<ListenerOptions, keyof ServingMaterial>
  readonly tls: ServingTLS
  readonly authenticator: Authenticator
  readonly identityHeaders: IdentityHeaders
  readonly policy: Evaluator
  readonly backend: Backend
  readonly captures: Captures
  readonly upstream: Upstream
  readonly reviews: ReviewClient
  readonly metrics: AuditMetrics
  readonly registry: Registry
  readonly log: Logger
  readonly healthz?: ListenAddress | undefined
  readonly metricsAddress?: ListenAddress | undefined
  /** What /readyz asks besides whether the proxy is shutting down. */
  readonly readyChecks: readonly HealthCheck[]
  /** Milliseconds to go on serving, but not ready, after shutdown has begun. */
  readonly shutdownDelay: number
  /** Milliseconds, after that, for requests under way and for buffered events. */
  readonly shutdownTimeout: number
  readonly reloader: Reloader
  readonly sinks: AuditSinks | undefined
  /** Is told that it serves. */
  onStart(): void
  /** False where somebody else says when to reload. */
  readonly watchesFiles?: boolean
  /** In place of the backend, where that belongs to another process. */
  readonly intake?: EventIntake
  /** Closes the connections upstream, last of all. */
  closeUpstream(): Promise<void>
}

/** A proxy from its first listening socket to its last flushed event. */
export class Proxy {
  private readonly inFlight = new InFlight()
  private readonly listener: Listener
  private readonly status: StatusListeners
  private readonly intake: EventIntake

  constructor(private readonly parts: ProxyParts) {
    const { metrics } = parts
    this.intake = parts.intake ?? new LocalIntake(parts.backend)
    const clock = new Clock()
    const handler = new RequestHandler({
      authenticator: parts.authenticator,
      identityHeaders: parts.identityHeaders,
      policy: parts.policy,
      sink: {
        intake: this.intake,
        now: () => clock.now(),
        observeEvent: () => metrics.observeEvent(),
      },
      captures: parts.captures,
      upstream: parts.upstream,
      reviews: parts.reviews,
      inFlight: this.inFlight,
      log: parts.log,
      observeLevel: (level) => metrics.observeLevel(level),
      observeRejected: () => metrics.observeRejected(),
    })
    this.listener = new Listener({ ...parts.serving, ...parts.tls.material }, handler.handle)
    parts.tls.onChange((material) => this.listener.setMaterial(material))
    this.status = new StatusListeners(parts, () => parts.registry.metrics())
  }

  /** Starts to serve. Rejects where an address cannot be bound. */
  async start(): Promise<void> {
    await this.status.listen()
    await this.listener.listen()
    if (this.parts.watchesFiles !== false) this.parts.reloader.start()
    this.parts.sinks?.start()
    this.parts.onStart()
  }

  /** Reads all configuration files again, as on SIGHUP. Never rejects: what is bad is logged and changes nothing. */
  reload(): Promise<void> {
    return this.parts.reloader.reloadAll()
  }

  /** Whether the secure port takes connections, for a watchdog. */
  isHealthy(): Promise<boolean> {
    return this.listener.acceptsConnections()
  }

  /** The IP address of the secure port. */
  get address(): string {
    return this.listener.address
  }

  /** The secure port. */
  get port(): number {
    return this.listener.port
  }

  /** The ports of the health and metrics listeners, as far as they are on. */
  get statusPorts(): StatusPorts {
    return this.status.ports
  }

  /**
   * Stops without losing an event: says that it is not ready, waits --shutdown-delay-duration, takes no more connections,
   * ends what is long-running, finishes the rest, flushes the audit backends. Never takes longer than the delay and
   * --shutdown-timeout together.
   */
  async shutdown(): Promise<void> {
    const { parts } = this
    this.status.shuttingDown()
    await parts.reloader.close()
    await parts.sinks?.close()
    if (parts.shutdownDelay > 0) await delay(parts.shutdownDelay)
    // Part of the time is kept for the backends, however long requests take.
    const requests = deadline(parts.shutdownTimeout * 0.75)
    const everything = deadline(parts.shutdownTimeout)
    try {
      this.listener.stopAccepting()
      await this.inFlight.drain(requests.signal)
      await this.listener.closeIdle(requests.signal)
      await this.inFlight.drain(requests.signal)
      await this.listener.close()
      await this.intake.shutdown(everything.signal)
    } finally {
      requests.cancel()
      everything.cancel()
    }
    this.status.close()
    await parts.closeUpstream()
  }
}
