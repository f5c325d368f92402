import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { Mode } from '../audit/backend/delivery-options.js'
import type { Front } from '../proxy/request-path.js'
import { settles } from '../timers.js'
import { systemTimers, type Timer, type Timers } from '../timers.js'
import type { EventStore } from './event-store.js'
import type { MetricsReport } from './messages.js'
import { WorkerProcess, type Address, type Exit } from './worker-process.js'

export interface PoolOptions {
  /** How many processes. */
  readonly workers: number
  /** The command line, which each worker reads for itself. */
  readonly args: readonly string[]
  readonly redactionKey: Buffer
  /** Of the strictest of the backends. */
  readonly mode: Mode
  /** --secure-port */
  readonly port: number
  /** A descriptor that listens already, and takes the place of a port. */
  readonly fd: number | undefined
  readonly store: EventStore
  /** No worker is left, and none can be started: the inherited socket was closed with the last one. */
  readonly onLost: () => void
  readonly log: Logger
}

/** A worker that dies sooner than this after its start, in milliseconds, is not replaced at once the next time. */
const SHORT_LIFE = 10_000
/**
 * Milliseconds before a worker is replaced that died soon after its start, while another is left: the first such wait and
 * the longest one.
 */
const FIRST_BACKOFF = 500
const MAX_BACKOFF = 5000
/** Milliseconds after which workers are asked for their metrics: what one has counted since is lost when it is killed. */
const REPORT_INTERVAL = 1000

/** Keeps a number of workers running, which share the secure port. */
export class WorkerPool implements Front {
  readonly #options: PoolOptions
  readonly #timers: Timers
  readonly #workers = new Set<WorkerProcess>()
  readonly #backoffs = new Set<Timer>()
  readonly #onRetired: (report: MetricsReport, pid: number) => void
  /** Deaths that came soon after a start, in a row. */
  #shortLives = 0
  /** What a worker asks node:cluster to listen on. */
  #port: number
  #stopping = false
  #reports: NodeJS.Timeout | undefined
  #replaced = 0
  #address: Address = { address: '', port: 0 }

  /** @param onRetired takes the last metrics of a worker that is gone, and its process id */
  constructor(
    options: PoolOptions,
    onRetired: (report: MetricsReport, pid: number) => void,
    timers: Timers = systemTimers,
  ) {
    this.#options = options
    this.#onRetired = onRetired
    this.#timers = timers
    this.#port = options.port
    // Connections go to the workers in turn. Left to the kernel, one worker could get most of them, and clients of
    // Kubernetes have few, which they keep.
    // Of an inherited socket they take connections themselves: what none has taken at the end is for the next process.
    cluster.schedulingPolicy = options.fd === undefined ? cluster.SCHED_RR : cluster.SCHED_NONE
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('../worker-main.js', import.meta.url)),
      args: [...options.args],
      stdio: [
        'ignore',
        'inherit',
        'inherit',
        'ipc',
        'pipe',
        ...(options.fd === undefined ? [] : [options.fd]),
      ],
    })
  }

  /** Resolves when all workers listen. Rejects with the reason where one cannot, and kills the others. */
  async start(): Promise<void> {
    const starting = Array.from({ length: this.#options.workers }, () => this.#fork())
    try {
      const [first] = await Promise.all(starting.map((worker) => worker.listening))
      for (const worker of starting) void this.#replace(worker)
      this.#address = first as Address
      this.#reports = setInterval(() => void this.metrics(), REPORT_INTERVAL).unref()
    } catch (err) {
      this.#stopping = true
      for (const worker of starting) worker.kill()
      await Promise.all(starting.map((worker) => worker.ended))
      throw err
    }
  }

  isHealthy(): Promise<boolean> {
    return Promise.resolve(this.serving > 0)
  }

  get address(): string {
    return this.#address.address
  }

  get port(): number {
    return this.#address.port
  }

  /** How many take requests. */
  get serving(): number {
    return [...this.#workers].filter((worker) => worker.isServing).length
  }

  /** How many workers have taken the place of another. */
  get replaced(): number {
    return this.#replaced
  }

  /** Tells all workers to read the files of this flag again; resolves when they have. */
  async reload(name: string): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.reload(name)))
  }

  /** Asks each worker for its metrics. */
  async metrics(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.metrics()))
  }

  /** What each worker told last. */
  get lastMetrics(): MetricsReport[] {
    return [...this.#workers].map((worker) => worker.lastMetrics)
  }

  /** Ends all workers; those that are left when `deadline` is aborted are killed. Resolves with their last event. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.#stopping = true
    clearInterval(this.#reports)
    for (const backoff of this.#backoffs) backoff.cancel()
    for (const worker of this.#workers) worker.shutdown()
    await Promise.all([...this.#workers].map((worker) => this.#end(worker, deadline)))
  }

  async #end(worker: WorkerProcess, deadline: AbortSignal): Promise<void> {
    if (!(await settles(worker.ended, deadline))) {
      this.#options.log.error({ worker: worker.pid }, 'the worker did not end before the shutdown deadline')
      worker.kill()
    }
    await worker.ended
  }

  #fork(): WorkerProcess {
    const { workers, redactionKey, mode, fd, store } = this.#options
    const worker = new WorkerProcess(cluster.fork(), store, {
      kind: 'start',
      format: store.format,
      mode,
      redactionKey: redactionKey.toString('base64'),
      port: this.#port,
      fd,
      workers,
    })
    this.#workers.add(worker)
    void worker.listening.then(
      ({ port }) => {
        if (this.#isElsewhere(port)) return worker.kill()
        this.#options.log.info({ worker: worker.pid }, 'worker started')
        this.#found(worker, port)
      },
      () => {},
    )
    void worker.ended.then(() => {
      this.#workers.delete(worker)
      this.#onRetired(worker.lastMetrics, worker.pid)
    })
    return worker
  }

  /**
   * While one worker listens, all that ask for port 0 get the same one from node:cluster. When the last one is gone, the
   * next must ask for that port by its number.
   */
  #found(worker: WorkerProcess, port: number): void {
    void worker.ended.then(() => {
      if (this.#workers.size === 0) this.#port = port
    })
  }

  /**
   * A worker that was started while another listened, and listens now that all others are gone, has got another port from
   * node:cluster for its 0. From now on they ask for the first one by its number.
   */
  #isElsewhere(port: number): boolean {
    const known = this.#address.port
    if (known === 0 || port === known) return false
    this.#port = known
    return true
  }

  /** When the worker has died another one takes its place. */
  async #replace(worker: WorkerProcess): Promise<void> {
    const exit = await worker.ended
    if (this.#stopping) return
    const { fd, log, onLost } = this.#options
    if (fd !== undefined && this.#workers.size === 0) {
      this.#stopping = true
      log.error(
        { worker: worker.pid },
        'the last worker has died, and with it the inherited socket: shutting down',
      )
      onLost()
      return
    }
    const wait = this.#backoff(worker, exit)
    this.#say(worker, exit, wait)
    if (wait > 0) await new Promise<void>((resolve) => this.#after(wait, resolve))
    this.#replaced++
    void this.#replace(this.#fork())
  }

  #say(worker: WorkerProcess, { code, signal, reason, openRequests }: Exit, wait: number): void {
    const fields = { worker: worker.pid, code, signal, reason, openRequests }
    const when = wait === 0 ? '' : ` in ${wait / 1000} seconds`
    this.#options.log.error(fields, `a worker has died and is replaced${when}`)
  }

  /**
   * Milliseconds before this worker is replaced. Where no other is left it is at once, whatever killed it; only one that
   * has ended by itself before it served would do so again at once.
   */
  #backoff(worker: WorkerProcess, { signal, served }: Exit): number {
    if (performance.now() - worker.startedAt >= SHORT_LIFE) this.#shortLives = 0
    const wait = this.#shortLives === 0 ? 0 : FIRST_BACKOFF * 2 ** (this.#shortLives - 1)
    this.#shortLives++
    if (this.#workers.size === 0) return served || signal !== null ? 0 : FIRST_BACKOFF
    return Math.min(wait, MAX_BACKOFF)
  }

  #after(ms: number, f: () => void): void {
    const timer = this.#timers.after(ms, () => {
      this.#backoffs.delete(timer)
      f()
    })
    this.#backoffs.add(timer)
  }
}
