import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import { healthPages, StatusListener, type HealthCheck, type ListenAddress, type Page } from './health.js'
import { PING } from './health-checks.js'

export interface StatusListenersOptions {
  /** undefined: not served. */
  readonly healthz?: ListenAddress | undefined
  readonly metricsAddress?: ListenAddress | undefined
  /** What /readyz asks besides whether the proxy is shutting down. */
  readonly readyChecks: readonly HealthCheck[]
  readonly log: Logger
}

/** Of the listeners that are on. */
export interface StatusPorts {
  readonly healthz: number | undefined
  readonly metrics: number | undefined
}

/** The proxy's own pages, off the secure port: health and metrics. */
export class StatusListeners {
  readonly #healthz: StatusListener | undefined
  readonly #metrics: StatusListener | undefined
  readonly #everywhere: readonly string[]
  readonly #log: Logger
  #shuttingDown = false

  /** @param metrics the metrics in Prometheus' text format */
  constructor(options: StatusListenersOptions, metrics: () => Promise<string>) {
    const { healthz, metricsAddress, log } = options
    this.#log = log
    this.#everywhere = [
      ...(isEverywhere(healthz) ? ['healthz-bind-address'] : []),
      ...(isEverywhere(metricsAddress) ? ['metrics-bind-address'] : []),
    ]
    this.#healthz = healthz && this.#newHealthz(healthz, options)
    this.#metrics = metricsAddress && newMetrics(metricsAddress, metrics)
  }

  /** Rejects where an address cannot be bound. */
  async start(): Promise<void> {
    await this.#healthz?.listen()
    await this.#metrics?.listen()
    for (const flag of this.#everywhere)
      this.#log.info(
        { flag },
        `--${flag} is served on all interfaces, without TLS, to whoever can reach them`,
      )
  }

  get ports(): StatusPorts {
    return { healthz: this.#healthz?.port, metrics: this.#metrics?.port }
  }

  /** From now on /readyz fails. */
  retire(): void {
    this.#shuttingDown = true
  }

  stop(): void {
    this.#healthz?.close()
    this.#metrics?.close()
  }

  #newHealthz(address: ListenAddress, { readyChecks, log }: StatusListenersOptions): StatusListener {
    const serving: HealthCheck = {
      name: 'shutdown',
      check: () => (this.#shuttingDown ? 'the proxy is shutting down' : undefined),
    }
    const pages = [
      ...healthPages('healthz', [PING], log),
      ...healthPages('livez', [PING], log),
      ...healthPages('readyz', [PING, ...readyChecks, serving], log),
    ]
    return new StatusListener(address, new Map(pages))
  }
}

function isEverywhere(address: ListenAddress | undefined): boolean {
  return address !== undefined && 'host' in address && address.host === ''
}

function newMetrics(address: ListenAddress, metrics: () => Promise<string>): StatusListener {
  const page: Page = async (_req, res) => {
    const text = await metrics()
    res.writeHead(200, { 'Content-Type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text)
  }
  return new StatusListener(address, new Map([['/metrics', page]]))
}
