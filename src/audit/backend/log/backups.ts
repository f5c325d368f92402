import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { errorMessage } from '../../../errors.js'
import { sealPaths } from '../../seal/seal-file.js'
import { UNOBSERVED, type LogObserver } from './log-observer.js'

/** What becomes of rotated files: --audit-log-maxage, --audit-log-maxbackup, --audit-log-compress. */
export interface BackupOptions {
  /** Days of 24 hours; 0 keeps them whatever their age. */
  readonly maxAge: number
  /** Number of files; 0 keeps all of them. */
  readonly maxBackup: number
  /** Whether they are compressed with gzip. */
  readonly compress: boolean
}

interface Backup {
  readonly name: string
  /** When it was rotated, in milliseconds since the Unix epoch, from its name. */
  readonly time: number
  readonly compressed: boolean
}

const DAY_MS = 24 * 60 * 60 * 1000
const GZIP = '.gz'
const UNFINISHED = '.tmp'
const TIMESTAMP = /^(\d{4}-\d{2}-\d{2}T\d{2})-(\d{2})-(\d{2}\.\d{3})$/

/**
 * The name of a rotated file, as kube-apiserver's lumberjack makes it (backupName): audit.log becomes
 * audit-2026-01-31T10-15-00.000.log, in UTC.
 */
export function backupName(filename: string, time: Date): string {
  const ext = extname(filename)
  const timestamp = time.toISOString().slice(0, -1).replaceAll(':', '-')
  return `${basename(filename, ext)}-${timestamp}${ext}`
}

/** All rotated files of a log, the newest first. */
async function listBackups(path: string): Promise<Backup[]> {
  const ext = extname(path)
  const prefix = basename(path, ext) + '-'
  const backups: Backup[] = []
  for (const name of await readdir(dirname(path))) {
    const compressed = name.endsWith(ext + GZIP)
    const suffix = compressed ? ext + GZIP : ext
    if (!name.startsWith(prefix) || !name.endsWith(suffix)) continue
    const match = TIMESTAMP.exec(name.slice(prefix.length, name.length - suffix.length))
    if (match === null) continue
    const time = Date.parse(`${match[1]}:${match[2]}:${match[3]}Z`)
    if (!Number.isNaN(time)) backups.push({ name, time, compressed })
  }
  return backups.sort((a, b) => b.time - a.time)
}

/**
 * The paths of the rotated files of a log, the oldest first. Of a file that is just being compressed only the
 * uncompressed form is named. Rejects where the directory cannot be read.
 */
export async function backupPaths(path: string): Promise<string[]> {
  const backups = await listBackups(path)
  const plain = new Set(backups.filter(({ compressed }) => !compressed).map(({ time }) => time))
  return backups
    .filter(({ compressed, time }) => !compressed || !plain.has(time))
    .reverse()
    .map(({ name }) => join(dirname(path), name))
}

/**
 * The rotated files of one log, and their seals: compresses and prunes them beside the log that is being written, as lumberjack's
 * millRunOnce does. Only files with a name that backupName made, with or without `.gz`, are touched.
 */
export class Backups {
  readonly #path: string
  readonly #options: BackupOptions
  readonly #trouble: (reason: string) => void
  readonly #observer: LogObserver
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #again = false

  /** @param trouble told when a file cannot be compressed or removed; the next rotation tries again */
  constructor(
    path: string,
    options: BackupOptions,
    trouble: (reason: string) => void,
    observer: LogObserver = UNOBSERVED,
  ) {
    this.#observer = observer
    this.#path = path
    this.#options = options
    this.#trouble = trouble
  }

  /** To be called at the start and after each rotation. It works in the background. */
  tidy(): void {
    const { maxAge, maxBackup, compress } = this.#options
    if (maxAge === 0 && maxBackup === 0 && !compress) return
    this.#again = true
    this.#running ??= this.#run()
  }

  /** Stops a compression half-way: the next start takes it up. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Waits for what tidy started. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false
      await this.#guard(async () => {
        const backups = await listBackups(this.#path)
        // Until then one of them may not have its seal beside it.
        const isSealed = await this.#observer.settled()
        const kept = await this.#prune(backups)
        if (!this.#options.compress) return
        for (const backup of kept) {
          const file = this.#file(backup.name)
          if (!backup.compressed) await this.#guard(() => this.#compress(file))
          const [seal = '', compressedSeal = ''] = sealPaths(file)
          if (isSealed && existsSync(seal) && !existsSync(compressedSeal))
            await this.#guard(() => this.#compress(seal))
        }
      })
    }
    this.#running = undefined
  }

  async #guard(f: () => Promise<void>): Promise<void> {
    if (this.#stop.signal.aborted) return
    try {
      await f()
    } catch (err) {
      if (!this.#stop.signal.aborted && !isGone(err)) this.#trouble(errorMessage(err))
    }
  }

  /** Removes what is too old or too many, and returns the rest. */
  async #prune(backups: readonly Backup[]): Promise<Backup[]> {
    const { maxAge, maxBackup } = this.#options
    const oldest = maxAge > 0 ? Date.now() - maxAge * DAY_MS : -Infinity
    // A file and its compressed form count as one.
    const times = new Set<number>()
    const kept: Backup[] = []
    for (const backup of backups) {
      times.add(backup.time)
      if (backup.time < oldest || (maxBackup > 0 && times.size > maxBackup)) {
        const file = this.#file(backup.name)
        await this.#observer.removing(file)
        for (const path of [...sealPaths(file), file, file + GZIP + UNFINISHED])
          await rm(path, { force: true })
      } else {
        kept.push(backup)
      }
    }
    return kept
  }

  /** The compressed file appears whole and only then replaces the other, so that a crash loses nothing. */
  async #compress(source: string): Promise<void> {
    const target = source + GZIP
    const { mode, size } = await stat(source)
    // A rotation tries whether it can create the file before it moves the log there.
    if (size === 0) return
    try {
      await pipeline(
        createReadStream(source),
        createGzip({ chunkSize: 1 << 18 }),
        createWriteStream(target + UNFINISHED, { mode: mode & 0o777, flush: true }),
        { signal: this.#stop.signal },
      )
      await rename(target + UNFINISHED, target)
    } catch (err) {
      await rm(target + UNFINISHED, { force: true })
      throw err
    }
    await rm(source)
  }

  #file(name: string): string {
    return join(dirname(this.#path), name)
  }
}

/** Somebody else removed it: then there is nothing to compress. */
function isGone(err: unknown): boolean {
  return err instanceof Error && 'code' in err && err.code === 'ENOENT'
}
