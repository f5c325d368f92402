import type { Logger } from 'pino'
import { ConfigError, errorMessage } from '../errors.js'
import { systemTimers, type Timers } from '../timers.js'
import { changedSince, fileState, isSameState } from './file-state.js'
import type { ReloadMetrics } from './metrics.js'
import { QuietFiles } from './quiet.js'
import type { Reloadable } from './reloadable.js'
import { WatchedFiles } from './watched-files.js'

/** Of files of which nobody knows what was in them when they were read. */
const UNKNOWN = ''

interface Subject {
  readonly reloadable: Reloadable
  /** Of the files as they were when they were last tried, good or bad. */
  content: string
  /** To be read again even if it looks as it was. */
  asked: boolean
  /** While somebody waits for its files to be quiet, or it is reloaded. */
  work: Promise<void> | undefined
}

/**
 * Keeps the configuration what its files say, while the process runs. Files are read when nobody has written to them for
 * a second, and again where they have changed meanwhile: half a file may be a good one that says something else. What
 * cannot be used is said in one line and counted, what was in force stays, and the file is tried again when it has changed
 * again. One file is reloaded at a time, and none waits for another to be quiet.
 */
export class Reloader {
  readonly #subjects: Subject[] = []
  readonly #log: Logger
  readonly #metrics: ReloadMetrics
  readonly #begun: number
  readonly #timers: Timers
  readonly #quiet: QuietFiles
  #files: WatchedFiles | undefined
  #onReloaded: (name: string) => Promise<void> = () => Promise.resolve()
  #turn: Promise<void> = Promise.resolve()
  #closed = false

  /** @param begun when the first of the files began to be read, in milliseconds since the epoch */
  constructor(log: Logger, metrics: ReloadMetrics, begun: number, timers: Timers = systemTimers) {
    this.#log = log
    this.#metrics = metrics
    this.#begun = begun
    this.#timers = timers
    this.#quiet = new QuietFiles(timers)
  }

  /**
   * Keeps these up to date, whose files have just been read. Those that were written meanwhile are read again with
   * start(): they may have been read before that.
   */
  add(reloadables: readonly Reloadable[]): void {
    for (const reloadable of reloadables) {
      this.#metrics.observeStart(reloadable.name)
      const files = reloadable.files()
      const content = changedSince(files, this.#begun) ? UNKNOWN : fileState(files).content
      this.#subjects.push({ reloadable, content, asked: false, work: undefined })
    }
  }

  /** After each reload that succeeded, and before the next one, this is called and awaited. It must not reject. */
  onReloaded(listener: (name: string) => Promise<void>): void {
    this.#onReloaded = listener
  }

  /** From now on changes are seen, and those since add() as well. */
  start(): void {
    this.#files ??= new WatchedFiles(() => this.#look(), this.#timers)
    this.#look()
  }

  /** Reads everything again, whether or not it looks changed. Resolves when that is done; never rejects. */
  async reloadAll(): Promise<void> {
    for (const subject of this.#subjects) subject.asked = true
    await Promise.all(this.#subjects.map((subject) => this.#follow(subject)))
  }

  /**
   * Reads again at once what has this name, for somebody who has seen that it is quiet and good and has said so. Never
   * rejects.
   */
  async reload(name: string): Promise<void> {
    for (const subject of this.#subjects) {
      if (subject.reloadable.name === name) await this.#inTurn(() => this.#reload(subject, 'debug'))
    }
  }

  /** What is being reloaded is finished; nothing else is begun. */
  async close(): Promise<void> {
    this.#closed = true
    this.#files?.close()
    this.#quiet.close()
    for (const { work } of this.#subjects) await work
    await this.#turn
  }

  #look(): void {
    for (const subject of this.#subjects) {
      const { reloadable, content } = subject
      if (fileState(reloadable.files()).content !== content) void this.#follow(subject)
    }
    this.#watch()
  }

  #watch(): void {
    if (!this.#closed) this.#files?.set(this.#subjects.flatMap(({ reloadable }) => reloadable.files()))
  }

  #follow(subject: Subject): Promise<void> {
    subject.work ??= this.#reloadWhenQuiet(subject).finally(() => (subject.work = undefined))
    return subject.work
  }

  /** Until the files are what was read. */
  async #reloadWhenQuiet(subject: Subject): Promise<void> {
    const { reloadable } = subject
    const files = () => reloadable.files()
    for (;;) {
      const state = await this.#quiet.wait(files)
      if (this.#closed) return
      if (state === undefined) {
        subject.asked = false
        this.#fail(reloadable.name, new ConfigError('somebody keeps writing to the file'))
        return
      }
      if (!subject.asked && state.content === subject.content) return
      subject.asked = false
      subject.content = state.content
      await this.#inTurn(() => this.#reload(subject, 'info'))
      this.#watch()
      if (!subject.asked && isSameState(state, fileState(files()))) return
    }
  }

  #inTurn(task: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(() => (this.#closed ? undefined : task()))
    return this.#turn
  }

  async #reload({ reloadable }: Subject, level: 'info' | 'debug'): Promise<void> {
    const { name } = reloadable
    try {
      const report = await reloadable.reload()
      this.#metrics.observeReload(name, true)
      this.#log[level]({ file: name, ...report?.fields }, 'configuration reloaded')
      if (report?.warning !== undefined && level === 'info') this.#log.warn({ file: name }, report.warning)
      await this.#onReloaded(name)
    } catch (err) {
      this.#fail(name, err)
    }
  }

  #fail(name: string, err: unknown): void {
    this.#metrics.observeReload(name, false)
    this.#log.error(
      { file: name, ...(err instanceof ConfigError ? {} : { err }) },
      `cannot reload, what was in force stays: ${errorMessage(err)}`,
    )
  }
}
