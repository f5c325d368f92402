import type { Worker } from 'node:cluster'
import type { Duplex } from 'node:stream'
import { deadline } from '../timers.js'
import type { EventStore } from './event-store.js'
import { EVENTS_FD, type FromWorker, type MetricsReport, type ToWorker } from './messages.js'
import { WorkerEvents } from './worker-events.js'

/** Milliseconds that a worker may take to answer. */
const ANSWER_TIMEOUT = 5000

export interface Address {
  readonly address: string
  readonly port: number
}

/** How a worker ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
  /** What it said of why it could not start. */
  readonly reason: string | undefined
  /** Whether it ever took requests. */
  readonly served: boolean
  /** How many requests it left behind. */
  readonly openRequests: number
}

type Question = { readonly kind: 'metrics' } | { readonly kind: 'reload'; readonly name: string }

/** One worker, as the primary sees it, from its start to its last event. */
export class WorkerProcess {
  readonly pid: number
  /** When it listens where; rejects with the reason where it never does. */
  readonly listening: Promise<Address>
  /** When it is gone, its events are read and those of the requests that it left behind are ended. */
  readonly ended: Promise<Exit>
  /** Milliseconds as performance.now() has them. */
  readonly startedAt = performance.now()
  readonly #worker: Worker
  readonly #questions = new Map<number, (answer: MetricsReport | undefined) => void>()
  readonly #missedReloads = new Set<string>()
  #serving = false
  #served = false
  #lastId = 0
  #report: MetricsReport = []
  #failure: string | undefined

  constructor(worker: Worker, store: EventStore, start: ToWorker) {
    this.#worker = worker
    this.pid = worker.process.pid ?? 0
    const events = new WorkerEvents(worker.process.stdio[EVENTS_FD] as Duplex, store)
    const exit = new Promise<[number | null, string | null]>((resolve) => {
      worker.once('exit', (code: number | null, signal: string | null) => resolve([code, signal]))
      // It could not be started, or not be told anything.
      worker.on('error', (err) => {
        this.#failure ??= err.message
        if (worker.process.pid === undefined) resolve([null, null])
      })
    })
    this.listening = new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'serving') {
          this.#serving = this.#served = true
          for (const name of this.#missedReloads) void this.#ask({ kind: 'reload', name })
          resolve(message)
        } else if (message.kind === 'ready') this.#tell(start)
        else this.#hear(message)
      })
      void exit.then(([code, signal]) => reject(new Error(this.#failure ?? `exited with ${code ?? signal}`)))
    })
    this.listening.catch(() => {})
    this.ended = exit.then(async ([code, signal]) => {
      this.#serving = false
      for (const answer of this.#questions.values()) answer(undefined)
      await events.ended
      return {
        code,
        signal,
        reason: this.#failure,
        served: this.#served,
        openRequests: events.endOpenRequests(),
      }
    })
  }

  get isServing(): boolean {
    return this.#serving
  }

  /** Asks it for its metrics; resolves when it has told them, or does not answer. */
  async metrics(): Promise<void> {
    this.#report = (await this.#ask({ kind: 'metrics' })) ?? this.#report
  }

  /** The last metrics that it told. */
  get lastMetrics(): MetricsReport {
    return this.#report
  }

  /** Resolves when it has read the files of this flag again. One that is starting does so as soon as it serves. */
  async reload(name: string): Promise<void> {
    if (this.#serving) await this.#ask({ kind: 'reload', name })
    else this.#missedReloads.add(name)
  }

  /** It is to finish what is under way and end. One that does not serve yet has nothing to finish. */
  shutdown(): void {
    if (this.#serving) this.#tell({ kind: 'shutdown' })
    else this.kill()
  }

  kill(): void {
    this.#serving = false
    this.#worker.process.kill('SIGKILL')
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'failed') this.#failure = message.reason
    if (message.kind === 'done') this.#questions.get(message.id)?.(message.metrics)
  }

  /** Undefined where no answer comes. */
  async #ask(question: Question): Promise<MetricsReport | undefined> {
    if (!this.#serving) return undefined
    const id = ++this.#lastId
    const timeout = deadline(ANSWER_TIMEOUT)
    try {
      return await new Promise((resolve) => {
        this.#questions.set(id, resolve)
        timeout.signal.addEventListener('abort', () => resolve(undefined), { once: true })
        this.#tell({ ...question, id })
      })
    } finally {
      timeout.cancel()
      this.#questions.delete(id)
    }
  }

  #tell(message: ToWorker): void {
    // A worker that cannot be told is about to be seen to be gone.
    if (this.#worker.isConnected()) this.#worker.process.send(message, () => {})
  }
}
