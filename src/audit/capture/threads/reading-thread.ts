import { Worker } from 'node:worker_threads'
import type { ReadBody } from '../body-reader.js'
import type { CaptureLimit } from '../limits.js'
import type { ThreadQuestion, ThreadSettings } from './readings.js'

export interface ThreadLimits {
  /** How long one body may take, in milliseconds. */
  readonly time: number
  /** After so many milliseconds without work the thread ends, and with it what its heap has grown to. */
  readonly idle: number
  /** Of its heap, in MiB. */
  readonly heap: number
}

const SCRIPT = new URL('./thread-main.js', import.meta.url)

/** One thread at most, started when there is something to read. It reads one body at a time. */
export class ReadingThread {
  readonly #settings: ThreadSettings
  readonly #limits: ThreadLimits
  #worker: Worker | undefined
  #timer: NodeJS.Timeout | undefined
  #settle: ((read: ReadBody | CaptureLimit) => void) | undefined

  constructor(settings: ThreadSettings, limits: ThreadLimits) {
    this.#settings = settings
    this.#limits = limits
  }

  /** What was read; `time` where that took too long, and `thread` where the thread did not survive it. It never rejects. */
  read(bytes: Buffer, question: Omit<ThreadQuestion, 'bytes'>): Promise<ReadBody | CaptureLimit> {
    clearTimeout(this.#timer)
    return new Promise((resolve) => {
      this.#settle = resolve
      try {
        const worker = (this.#worker ??= this.#start())
        worker.ref()
        // A copy that can change hands: what came may be a part of something larger.
        const copy = new Uint8Array(bytes)
        worker.postMessage({ ...question, bytes: copy } satisfies ThreadQuestion, [copy.buffer])
        this.#timer = setTimeout(() => void this.#giveUp('time'), this.#limits.time)
      } catch {
        void this.#giveUp('thread')
      }
    })
  }

  /** Ends the thread, and gives up what it reads. */
  async close(): Promise<void> {
    await this.#giveUp('thread')
  }

  #start(): Worker {
    const worker = new Worker(SCRIPT, {
      workerData: this.#settings,
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: this.#limits.heap },
    })
    const died = () => {
      if (this.#worker === worker) void this.#giveUp('thread')
    }
    worker.on('message', (read: ReadBody) => {
      if (this.#worker === worker) this.#done(read)
    })
    worker.on('error', died)
    worker.on('messageerror', died)
    worker.on('exit', died)
    return worker
  }

  #done(read: ReadBody): void {
    clearTimeout(this.#timer)
    this.#worker?.unref()
    this.#timer = setTimeout(() => void this.#giveUp('thread'), this.#limits.idle).unref()
    this.#answer(read)
  }

  /** The thread is of no more use; another takes its place when there is something to read. */
  async #giveUp(why: CaptureLimit): Promise<void> {
    clearTimeout(this.#timer)
    const worker = this.#worker
    this.#worker = undefined
    this.#answer(why)
    // Somebody may wait for the end.
    worker?.ref()
    await worker?.terminate()
  }

  #answer(read: ReadBody | CaptureLimit): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.(read)
  }
}
