import type { BodyQuestion, ReadBody } from '../body-reader.js'
import type { CaptureLimit } from '../limits.js'
import { ReadingThread, type ThreadLimits } from './reading-thread.js'
import type { ReadingJob, Readings, ThreadSettings } from './readings.js'

export interface ReadingLimits extends ThreadLimits {
  readonly threads: number
  /** How many bodies of one user may wait. */
  readonly waiting: number
  /** How long a body may wait, in milliseconds. */
  readonly wait: number
}

export const READING_LIMITS: ReadingLimits = {
  threads: 2,
  // The worst YAML takes 2 seconds where the machine has nothing else to do, and 200 MiB.
  time: 30_000,
  idle: 30_000,
  heap: 256,
  waiting: 256,
  wait: 30_000,
}

/**
 * Threads that read bodies. Users take turns, and none has the last thread while others of it are at work for that user: so
 * what one user sends holds up nobody else's bodies. A body that finds no place, waits or takes too long, or ends its thread
 * is left out.
 */
export class ReadingThreads implements Readings {
  readonly #limits: ReadingLimits
  readonly #idle: ReadingThread[]
  readonly #threads: readonly ReadingThread[]
  /** Those with something that waits, in the order of their turns. */
  readonly #users = new Map<string, Set<Job>>()
  /** How many threads are at work for a user. */
  readonly #busy = new Map<string, number>()
  #closed = false

  constructor(settings: ThreadSettings, limits: ReadingLimits = READING_LIMITS) {
    this.#limits = limits
    this.#threads = Array.from({ length: limits.threads }, () => new ReadingThread(settings, limits))
    this.#idle = [...this.#threads]
  }

  read(user: string, bytes: Buffer, question: BodyQuestion, maxGrowth: number | undefined): ReadingJob {
    const job = new Job(user, bytes, question, maxGrowth)
    const waiting = this.#users.get(user) ?? new Set()
    if (this.#closed) job.settle('thread')
    else if (waiting.size >= this.#limits.waiting) job.settle('waiting')
    else {
      waiting.add(job)
      this.#users.set(user, waiting)
      job.wait(this.#limits.wait, () => this.#forget(job))
      this.#next()
    }
    return job
  }

  /** Ends the threads. What was not read yet is left out. */
  async close(): Promise<void> {
    this.#closed = true
    for (const jobs of [...this.#users.values()]) for (const job of [...jobs]) job.settle('thread')
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }

  /** Gives work to the threads that have none. */
  #next(): void {
    for (let thread = this.#idle.at(-1); thread !== undefined; thread = this.#idle.at(-1)) {
      const job = this.#choose()
      if (job === undefined) return
      this.#idle.pop()
      void this.#run(thread, job)
    }
  }

  /** The first that waits of the user whose turn it is. */
  #choose(): Job | undefined {
    const allowed = Math.max(1, this.#limits.threads - 1)
    for (const [user, jobs] of this.#users) {
      if ((this.#busy.get(user) ?? 0) >= allowed) continue
      const [job] = jobs as unknown as [Job]
      this.#forget(job)
      if (jobs.size > 0) {
        this.#users.delete(user)
        this.#users.set(user, jobs)
      }
      return job
    }
    return undefined
  }

  async #run(thread: ReadingThread, job: Job): Promise<void> {
    const { user, bytes, question, maxGrowth } = job
    job.begin()
    this.#busy.set(user, (this.#busy.get(user) ?? 0) + 1)
    job.settle(await thread.read(bytes, { question, maxGrowth }))
    const busy = (this.#busy.get(user) as number) - 1
    if (busy > 0) this.#busy.set(user, busy)
    else this.#busy.delete(user)
    this.#idle.push(thread)
    if (!this.#closed) this.#next()
  }

  #forget(job: Job): void {
    const jobs = this.#users.get(job.user)
    jobs?.delete(job)
    if (jobs?.size === 0) this.#users.delete(job.user)
  }
}

/** One body from when it comes until it has been read or left out. */
class Job implements ReadingJob {
  readonly user: string
  readonly question: BodyQuestion
  readonly maxGrowth: number | undefined
  readonly done: Promise<ReadBody | CaptureLimit>
  #bytes: Buffer | undefined
  #resolve!: (read: ReadBody | CaptureLimit) => void
  #timer: NodeJS.Timeout | undefined
  #onSettled: (() => void) | undefined

  constructor(user: string, bytes: Buffer, question: BodyQuestion, maxGrowth: number | undefined) {
    this.user = user
    this.question = question
    this.maxGrowth = maxGrowth
    this.#bytes = bytes
    this.done = new Promise((resolve) => (this.#resolve = resolve))
  }

  get bytes(): Buffer {
    return this.#bytes as Buffer
  }

  /** It waits for its turn, for so many milliseconds at most; `onSettled` is called where it ends meanwhile. */
  wait(milliseconds: number, onSettled: () => void): void {
    this.#onSettled = onSettled
    this.#timer = setTimeout(() => this.settle('waiting'), milliseconds)
  }

  /** Its turn has come. */
  begin(): void {
    clearTimeout(this.#timer)
    this.#onSettled = undefined
  }

  cancel(): void {
    this.settle('total')
  }

  settle(read: ReadBody | CaptureLimit): void {
    this.#onSettled?.()
    this.begin()
    this.#bytes = undefined
    this.#resolve(read)
  }
}
