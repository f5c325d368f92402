import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { newCaptures, newReadingThreads } from '../audit/capture/new-captures.js'
import type { ReadingThreads } from '../audit/capture/threads/reading-threads.js'
import { Clock } from '../audit/clock.js'
import type { EventIntake } from '../audit/intake.js'
import type { AuditMetrics } from '../audit/metrics.js'
import type { RequestPathOptions } from './options.js'
import { IdentityHeaders } from '../request/identity-headers.js'
import { Admission } from '../server/admission.js'
import { RequestHandler } from '../server/handler.js'
import { InFlight } from '../server/in-flight.js'
import { SessionRecorder } from '../sessions/recorder.js'
import { Listener } from '../server/listener.js'
import type { Configuration } from './configuration.js'
import type { Part } from './part.js'
import type { ShutdownOptions } from './shutdown-options.js'

export interface RequestPathDependencies {
  readonly configuration: Configuration
  readonly intake: EventIntake
  readonly metrics: AuditMetrics
  readonly registry: Registry
  readonly log: Logger
  readonly redactionKey: Buffer
  /** How many processes like this one share the port and what the flags allow. */
  readonly processes: number
  /** What takes the place of --bind-address and --secure-port: a descriptor that listens already, or a port that was found. */
  readonly socket: { readonly fd?: number | undefined; readonly port?: number | undefined }
}

/** What takes requests: this process, or others that it has. */
export interface Front extends Part {
  /** Whether the secure port takes connections, for a watchdog. */
  isHealthy(): Promise<boolean>
  /** The IP address of the secure port. */
  readonly address: string
  /** The secure port. */
  readonly port: number
}

/** The way of requests, from the secure port to the upstream, and of their events as far as the intake. */
export class RequestPath implements Front {
  readonly #inFlight = new InFlight()
  readonly #listener: Listener
  readonly #shutdown: ShutdownOptions
  readonly #readings: ReadingThreads

  constructor(options: RequestPathOptions, dependencies: RequestPathDependencies) {
    const { configuration, intake, metrics, registry, log, socket } = dependencies
    const { policy, sessionPolicy, sinks, tls } = configuration
    const { upstream } = configuration.upstream
    const { authenticator, impersonation } = configuration.authentication
    const clock = new Clock()
    this.#readings = newReadingThreads(options.capture, dependencies.redactionKey)
    const handler = new RequestHandler({
      authenticator,
      identityHeaders: new IdentityHeaders(options.authentication.requestHeader.headers),
      policy: sinks?.over(policy) ?? policy,
      recorder: { intake, now: () => clock.now(), observeEvent: () => metrics.observeEvent() },
      captures: newCaptures(options.capture, { ...dependencies, readings: this.#readings }),
      upstream,
      impersonation,
      inFlight: this.#inFlight,
      requestTimeout: options.serving.requestTimeout,
      admission: new Admission(options.serving.http2.maxStreams, dependencies.processes),
      sessions: options.sessions && new SessionRecorder(options.sessions, sessionPolicy, registry, log),
      log,
      observeLevel: (level) => metrics.observeLevel(level),
      observeRejected: () => metrics.observeRejected(),
      observeTurnedAway: () => metrics.observeTurnedAway(),
    })
    const { serving } = options
    this.#shutdown = options.shutdown
    this.#listener = new Listener(
      { ...serving, fd: socket.fd, port: socket.port ?? serving.port },
      tls.material,
      handler.handle,
    )
    tls.onChange((material) => this.#listener.setMaterial(material))
  }

  start(): Promise<void> {
    return this.#listener.listen()
  }

  isHealthy(): Promise<boolean> {
    return this.#listener.acceptsConnections()
  }

  get address(): string {
    return this.#listener.address
  }

  get port(): number {
    return this.#listener.port
  }

  /**
   * Ends what is long-running and finishes the rest. Meanwhile nobody can connect any more, or whoever comes is told to
   * come again later (k8s.io/apiserver/pkg/server/genericapiserver.go RunWithContext).
   */
  async drain(deadline: AbortSignal): Promise<void> {
    // An event may wait for a body to be read, but not for longer than there is time.
    deadline.addEventListener('abort', () => void this.#readings.close(), { once: true })
    const { sendRetryAfter, watchTerminationGracePeriod } = this.#shutdown
    if (sendRetryAfter) this.#inFlight.turningAway = true
    else this.#listener.stopAccepting()
    await this.#inFlight.drain(deadline, watchTerminationGracePeriod)
    if (sendRetryAfter) this.#listener.stopAccepting()
    await this.#listener.closeIdle(deadline)
    await this.#inFlight.drain(deadline)
    await this.#listener.close()
  }

  stop(): Promise<void> {
    return this.#readings.close()
  }
}
