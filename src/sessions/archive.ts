import { mkdir, rmdir, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { lockDirectory } from '../directory-lock.js'
import { ConfigError, errorMessage } from '../errors.js'
import type { SocketLock } from '../socket-lock.js'
import { deadline, settles, systemTimers, type Timer, type Timers } from '../timers.js'
import { readHeader } from './cast-reader.js'
import { compress } from './compress.js'
import { ArchiveMetrics } from './metrics.js'
import type { SessionRecordingOptions } from './options.js'
import { finishOrphan } from './recover.js'
import { UNSEALED, type RecordingSeal } from './recording-seal.js'
import { storedRecordings, type StoredRecording } from './stored-recordings.js'

/** Milliseconds between two looks at the recordings. */
const INTERVAL = 10_000
/** For how long, in milliseconds, events wait at the end until recordings are sealed; what is left is sealed at the next start. */
const SEALING_AT_END = 5000
/** A day's folder that is younger than this, in milliseconds, is not removed when it is empty: a session may be about to begin. */
const FOLDER_IN_USE = 2 * 86_400_000

/**
 * The recordings of a directory, but for those being written: finishes what a crash left behind, has sealed and compresses
 * what is finished, removes what is too old or too much. One process has it, and the directory, to itself.
 */
export class RecordingArchive {
  readonly #metrics: ArchiveMetrics
  #timer: Timer | undefined
  #sweeping: Promise<void> = Promise.resolve()
  #recovering: Promise<void> = Promise.resolve()
  #seal: RecordingSeal = UNSEALED
  #stopped = false

  readonly #options: SessionRecordingOptions
  readonly #lock: SocketLock
  readonly #log: Logger
  readonly #timers: Timers

  /**
   * Makes the directory, and finishes what a process left in it that is gone.
   * @throws ConfigError where the directory cannot be used
   */
  static async open(
    options: SessionRecordingOptions,
    registry: Registry,
    log: Logger,
    timers: Timers = systemTimers,
  ): Promise<RecordingArchive> {
    const { path, where } = options
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
    } catch (err) {
      throw new ConfigError(`${where}: ${path}: ${errorMessage(err)}`)
    }
    const lock = await lockDirectory(path, where)
    const archive = new RecordingArchive(options, lock, registry, log, timers)
    await archive.#recover(() => Promise.resolve(true), 'the proxy was gone before the session had ended')
    return archive
  }

  private constructor(
    options: SessionRecordingOptions,
    lock: SocketLock,
    registry: Registry,
    log: Logger,
    timers: Timers,
  ) {
    this.#options = options
    this.#lock = lock
    this.#log = log
    this.#timers = timers
    this.#metrics = new ArchiveMetrics(registry)
  }

  /** From now on finished recordings are sealed. */
  sealedBy(seal: RecordingSeal): void {
    this.#seal = seal
  }

  start(): void {
    this.#sweepSoon(0)
  }

  /** No session goes on: has sealed what is finished and is not sealed yet, as long as there is time. */
  async flush(end: AbortSignal): Promise<void> {
    if (this.#seal === UNSEALED) return
    const enough = deadline(SEALING_AT_END)
    const signal = AbortSignal.any([end, enough.signal])
    await settles(this.#sealAll(signal), signal)
    enough.cancel()
  }

  async #sealAll(signal: AbortSignal): Promise<void> {
    await this.#halt()
    await this.#recovering
    for await (const recording of storedRecordings(this.#options.path)) {
      if (signal.aborted) return
      if (recording.state !== 'in progress' && !(await this.#haveSealed(recording))) return
    }
  }

  async stop(): Promise<void> {
    await this.#halt()
    await this.#lock.release()
  }

  async #halt(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#sweeping
  }

  /** Finishes what a worker process has left behind. Never rejects. */
  workerGone(pid: number): Promise<void> {
    const recovered = this.#recover(
      async (file) => (await writer(file)) === pid,
      'the worker process was gone before the session had ended',
    )
    this.#recovering = Promise.all([this.#recovering, recovered]).then(() => undefined)
    return recovered
  }

  async #recover(left: (file: string) => Promise<boolean>, reason: string): Promise<void> {
    try {
      for await (const { file, path, state } of storedRecordings(this.#options.path)) {
        if (state !== 'in progress') continue
        try {
          if (!(await left(file))) continue
          await finishOrphan(file, reason)
          this.#metrics.observeRecovered()
          this.#log.warn({ recording: path }, 'a recording was finished whose process is gone')
        } catch (err) {
          this.#log.error({ recording: path, reason: errorMessage(err) }, 'a recording cannot be finished')
        }
      }
    } catch (err) {
      this.#log.error({ reason: errorMessage(err) }, 'the recordings cannot be read')
    }
  }

  #sweepSoon(ms: number): void {
    this.#timer = this.#timers.after(
      ms,
      () => {
        this.#sweeping = this.#sweep()
          .catch((err: unknown) =>
            this.#log.error({ reason: errorMessage(err) }, 'the recordings cannot be kept in order'),
          )
          .then(() => {
            if (!this.#stopped) this.#sweepSoon(INTERVAL)
          })
      },
      true,
    )
  }

  async #sweep(): Promise<void> {
    const { path, maxAge, maxTotal } = this.#options
    const finished: StoredRecording[] = []
    let [total, stored] = [0, 0]
    let canSeal = true
    for await (const recording of storedRecordings(path)) {
      total += recording.size
      if (recording.state !== 'in progress') finished.push(recording)
    }
    finished.sort((a, b) => a.mtime - b.mtime)
    const oldest = maxAge === 0 ? -Infinity : Date.now() - maxAge
    for (const recording of finished) {
      if (this.#stopped) return
      const reason = recording.mtime < oldest ? 'age' : maxTotal > 0 && total > maxTotal ? 'total' : undefined
      if (reason !== undefined) {
        await this.#remove(recording, reason)
        total -= recording.size
        continue
      }
      stored += recording.size
      if (canSeal) canSeal = await this.#haveSealed(recording)
      if (this.#options.compress && recording.state === 'finished') await this.#compress(recording)
    }
    this.#metrics.observeStored(stored)
  }

  /** Has it sealed where it is not. Resolves with whether it makes sense to go on with others. */
  async #haveSealed({ path, file }: StoredRecording): Promise<boolean> {
    try {
      return (await this.#seal.isSealed(path)) || (await this.#seal.seal(path, file))
    } catch (err) {
      this.#log.error({ recording: path, reason: errorMessage(err) }, 'a recording cannot be sealed')
      return true
    }
  }

  async #compress(recording: StoredRecording): Promise<void> {
    try {
      await compress(recording)
    } catch (err) {
      this.#log.error(
        { recording: recording.path, reason: errorMessage(err) },
        'a recording cannot be compressed',
      )
    }
  }

  async #remove(recording: StoredRecording, reason: 'age' | 'total'): Promise<void> {
    const { file, path, size, mtime } = recording
    await this.#seal.removing(path)
    await unlink(file)
    this.#metrics.observeRemoved(reason)
    const ended = new Date(mtime).toISOString()
    this.#log.info({ recording: path, reason, size, ended }, 'a recording was removed')
    if (Date.now() - mtime >= FOLDER_IN_USE) await removeFolders(file)
  }
}

/** Day, month, year: each only where nothing is left in it. */
async function removeFolders(file: string): Promise<void> {
  for (let folder = dirname(file), i = 0; i < 3; folder = dirname(folder), i++) {
    try {
      await rmdir(folder)
    } catch {
      return
    }
  }
}

/** The process that its header names. */
async function writer(file: string): Promise<number | undefined> {
  return (await readHeader(file))?.metadata.pid
}
