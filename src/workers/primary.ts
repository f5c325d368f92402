import type { Logger } from 'pino'
import { deadline, delay } from '../timers.js'
import type { ProxyParts } from '../server/proxy.js'
import { StatusListeners, type StatusPorts } from '../server/status-listeners.js'
import { EventStore } from './event-store.js'
import { SummedMetrics } from './summed-metrics.js'
import { WorkerPool } from './pool.js'
import type { Address } from './worker-process.js'

export interface PrimaryOptions {
  readonly workers: number
  /** The command line. */
  readonly args: readonly string[]
  readonly redactionKey: Buffer
  /** It cannot go on, and is to be shut down, so that a supervisor starts it again. */
  readonly onLost: () => void
}

/**
 * The proxy as several processes: this one has the audit backends, so that there is one log, and health and metrics; it
 * tells the workers, which serve the requests, what to do. It reads configuration files first, so that what is bad is
 * said once and reaches no worker.
 */
export class Primary {
  readonly #parts: ProxyParts
  readonly #log: Logger
  readonly #pool: WorkerPool
  readonly #status: StatusListeners
  #address: Address = { address: '', port: 0 }

  constructor(parts: ProxyParts, { workers, args, redactionKey, onLost }: PrimaryOptions) {
    const { backend, log, metrics, readyChecks, registry, reloader, serving } = parts
    this.#parts = parts
    this.#log = log
    const summed = new SummedMetrics(registry)
    this.#pool = new WorkerPool(
      {
        workers,
        args,
        redactionKey,
        port: serving.port,
        fd: serving.fd,
        store: new EventStore(backend, metrics),
        onLost,
        log,
      },
      (report) => summed.retire(report),
    )
    summed.show(this.#pool)
    reloader.onReloaded((name) => this.#pool.reload(name))
    const someWorker = {
      name: 'workers',
      check: () => (this.#pool.serving === 0 ? 'no worker process takes requests' : undefined),
    }
    this.#status = new StatusListeners({ ...parts, readyChecks: [...readyChecks, someWorker] }, () =>
      summed.text(this.#pool),
    )
  }

  /** Resolves when all workers serve. Rejects where an address cannot be bound or a worker not be started. */
  async start(): Promise<void> {
    await this.#status.listen()
    this.#address = await this.#pool.start()
    this.#parts.reloader.start()
    this.#parts.sinks?.start()
    this.#parts.onStart()
  }

  /** Reads all configuration files again, here and then in all workers. Never rejects. */
  reload(): Promise<void> {
    return this.#parts.reloader.reloadAll()
  }

  /** Whether requests are served, for a watchdog. */
  isHealthy(): Promise<boolean> {
    return Promise.resolve(this.#pool.serving > 0)
  }

  get address(): string {
    return this.#address.address
  }

  get port(): number {
    return this.#address.port
  }

  get statusPorts(): StatusPorts {
    return this.#status.ports
  }

  /** As Proxy.shutdown: the workers end their requests and hand over the last events, then the backends are flushed. */
  async shutdown(): Promise<void> {
    const { backend, reloader, shutdownDelay, shutdownTimeout, sinks } = this.#parts
    this.#status.shuttingDown()
    await reloader.close()
    await sinks?.close()
    if (shutdownDelay > 0) await delay(shutdownDelay)
    // A worker keeps a quarter of the time for its events; what is left then is for the backends.
    const workers = deadline(shutdownTimeout * 0.9)
    const everything = deadline(shutdownTimeout)
    try {
      await this.#pool.shutdown(workers.signal)
      await backend.shutdown(everything.signal)
    } catch (err) {
      this.#log.error({ err }, 'the shutdown failed')
    } finally {
      workers.cancel()
      everything.cancel()
    }
    this.#status.close()
    await this.#parts.closeUpstream()
  }
}
