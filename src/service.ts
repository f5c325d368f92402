import type { Logger } from 'pino'
import { errorMessage } from './errors.js'
import type { StatusPorts } from './server/status-listeners.js'
import type { SystemdService } from './systemd/service.js'

/** The proxy, in one process or in several. */
export interface Server {
  /** Rejects where it cannot listen. */
  start(): Promise<void>
  reload(): Promise<void>
  shutdown(): Promise<void>
  isHealthy(): Promise<boolean>
  /** Of the secure port. */
  readonly address: string
  readonly port: number
  readonly statusPorts: StatusPorts
}

/** The proxy as a service: whoever supervises the process is told of each step of its life. */
export class Service {
  readonly #proxy: Server
  readonly #systemd: SystemdService
  readonly #log: Logger
  #status: string | undefined
  #stopping = false

  constructor(proxy: Server, systemd: SystemdService, log: Logger) {
    this.#proxy = proxy
    this.#systemd = systemd
    this.#log = log
  }

  /** False where the proxy cannot listen; then it has been shut down again. */
  async start(): Promise<boolean> {
    try {
      await this.#proxy.start()
    } catch (err) {
      this.#log.error(`cannot listen: ${errorMessage(err)}`)
      await this.#proxy.shutdown()
      return false
    }
    const { address, port, statusPorts } = this.#proxy
    this.#log.info({ address, port, ...statusPorts }, 'serving')
    this.#status = `serving on ${address}, port ${port}`
    void this.#systemd.ready(this.#status)
    return true
  }

  /** Reads the configuration again. Before the start is over and after the end has begun there is nothing to do. */
  async reload(): Promise<void> {
    if (this.#status === undefined || this.#stopping) return
    this.#log.info('reloading')
    await this.#systemd.reloading()
    await this.#proxy.reload()
    // Whatever could not be reloaded is in the log; the service goes on with what it had.
    if (!this.#stopping) await this.#systemd.ready(this.#status)
  }

  async shutdown(): Promise<void> {
    this.#stopping = true
    const told = this.#systemd.stopping()
    await this.#proxy.shutdown()
    this.#systemd.close()
    await told
    this.#log.info('stopped')
  }
}
