import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { ConfigError, errorMessage } from '../errors.js'
import { systemTimers, type Timers } from '../timers.js'
import type { ReloadMetrics } from './metrics.js'
import type { Reloadable } from './reloadable.js'
import { WatchedFiles } from './watched-files.js'

/** Milliseconds by which the time of a change can be too early: file systems take it from a clock that ticks. */
const TICK = 20
/** Of files of which nobody knows what was in them when they were read. */
const UNKNOWN = ''

interface Subject {
  readonly reloadable: Reloadable
  /** Of the files as they were when they were last tried, good or bad. */
  digest: string
}

/**
 * Keeps the configuration what its files say, while the process runs. What cannot be used is said in one line and
 * counted, what was in force stays, and the file is tried again when it has changed again. One file is reloaded at a
 * time.
 */
export class Reloader {
  readonly #subjects: Subject[] = []
  readonly #log: Logger
  readonly #metrics: ReloadMetrics
  readonly #begun: number
  readonly #files: WatchedFiles
  #onReloaded: (name: string) => Promise<void> = () => Promise.resolve()
  #work: Promise<void> = Promise.resolve()
  #looking = false
  #closed = false

  /** @param begun when the first of the files began to be read, in milliseconds since the epoch */
  constructor(log: Logger, metrics: ReloadMetrics, begun: number, timers: Timers = systemTimers) {
    this.#log = log
    this.#metrics = metrics
    this.#begun = begun
    this.#files = new WatchedFiles(() => this.#look(), timers)
  }

  /**
   * Keeps these up to date, whose files have just been read. Those that were written meanwhile are read again with
   * start(): they may have been read before that.
   */
  add(reloadables: readonly Reloadable[]): void {
    for (const reloadable of reloadables) {
      this.#metrics.observeStart(reloadable.name)
      const files = reloadable.files()
      this.#subjects.push({ reloadable, digest: changedSince(files, this.#begun) ? UNKNOWN : digest(files) })
    }
  }

  /** After each reload that succeeded, and before the next one, this is called and awaited. It must not reject. */
  onReloaded(listener: (name: string) => Promise<void>): void {
    this.#onReloaded = listener
  }

  /** From now on changes are seen, and those since add() as well. */
  start(): void {
    this.#look()
  }

  /** Reads everything again, whether or not it looks changed. Resolves when that is done; never rejects. */
  reloadAll(): Promise<void> {
    return this.#enqueue((subject) => this.#reload(subject, digest(subject.reloadable.files())))
  }

  /** Reads again what has this name, for somebody who has seen that it is good and has said so. Never rejects. */
  reload(name: string): Promise<void> {
    return this.#enqueue(async (subject) => {
      if (subject.reloadable.name === name) await this.#reload(subject, subject.digest, 'debug')
    })
  }

  /** What is being reloaded is finished; nothing else is begun. */
  async close(): Promise<void> {
    this.#closed = true
    this.#files.close()
    await this.#work
  }

  #look(): void {
    if (this.#looking) return
    this.#looking = true
    void this.#enqueue(async (subject) => {
      const now = digest(subject.reloadable.files())
      if (now !== subject.digest) await this.#reload(subject, now)
    })
  }

  #enqueue(task: (subject: Subject) => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      this.#looking = false
      for (const subject of this.#subjects) if (!this.#closed) await task(subject)
      if (!this.#closed) this.#watch()
    })
    return this.#work
  }

  async #reload(subject: Subject, seen: string, level: 'info' | 'debug' = 'info'): Promise<void> {
    const { reloadable } = subject
    const { name } = reloadable
    // What changes after this is found by the next look, even if the reload has read it already.
    subject.digest = seen
    try {
      await reloadable.reload()
      this.#metrics.observeReload(name, true)
      this.#log[level]({ file: name }, 'configuration reloaded')
      await this.#onReloaded(name)
    } catch (err) {
      this.#metrics.observeReload(name, false)
      const problem = errorMessage(err)
      this.#log.error(
        { file: name, ...(err instanceof ConfigError ? {} : { err }) },
        `cannot reload, what was in force stays: ${problem}`,
      )
    }
  }

  #watch(): void {
    this.#files.set(this.#subjects.flatMap(({ reloadable }) => reloadable.files()))
  }
}

/** Whether one of the files was written after that moment, in milliseconds since the epoch. */
function changedSince(files: readonly string[], moment: number): boolean {
  return files
    .flatMap((file) => (file.endsWith('/') ? [file, ...list(file)] : [file]))
    .some((file) => (statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? Infinity) > moment - TICK)
}

/** Tells one content of the files from another. A file that cannot be read is a content as well. */
function digest(files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) {
    for (const name of file.endsWith('/') ? list(file) : [file]) {
      const content = read(name)
      hash.update(`${name}\0${typeof content === 'string' ? content : content.length}\0`).update(content)
    }
  }
  return hash.digest('base64')
}

/** The content of a file, or the code of the error. Of a pipe nobody knows when it ends, so that it has none. */
function read(file: string): Buffer | string {
  try {
    return statSync(file).isFile() ? readFileSync(file) : 'no file'
  } catch (err) {
    return String((err as NodeJS.ErrnoException).code)
  }
}

/** The files of a directory, but for hidden ones. */
function list(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => !name.startsWith('.'))
    return names.sort().map((name) => join(directory, name))
  } catch {
    return []
  }
}
