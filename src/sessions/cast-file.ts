import { createHash } from 'node:crypto'
import { mkdir, open, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { systemTimers, type Timer, type Timers } from '../timers.js'

/** What a finished recording is called, and one in progress. */
export const CAST = '.cast'
export const PART = '.part'
export const GZ = '.gz'

/** How long what was seen may wait to be written, in milliseconds. */
const MAX_WAIT = 100
/** What is written without waiting, and what may wait before the session does. Bytes, about. */
const BATCH_BYTES = 256 * 1024
const MAX_PENDING = 4 * 1024 * 1024
/** Names are as long as this at most, before what tells them apart. */
const MAX_NAME = 100

export interface FinishedFile {
  /** Of the recording, not compressed. */
  readonly bytes: number
  readonly sha256: string
}

/** Is told what becomes of what was appended. */
export interface CastFileObserver {
  /** What waits is less than it may be; told after each write. */
  drained(): void
  /** Nothing more can be written. */
  failed(err: Error): void
}

/**
 * A recording that is being written: lines, batched, to `PATH.part`, which is `PATH` when it is finished. Its owner finishes or
 * discards it.
 */
export class CastFile {
  /** Relative to the directory of recordings. */
  readonly path: string
  readonly #handle: FileHandle
  readonly #absolute: string
  readonly #hash = createHash('sha256')
  readonly #timers: Timers
  #observer: CastFileObserver | undefined
  #header: string
  #headerWritten: string
  #headerHashed = false
  #pending: string[] = []
  #pendingBytes = 0
  #writingBytes = 0
  #bytes: number
  #timer: Timer | undefined
  #writing: Promise<void> | undefined
  #failed = false

  /**
   * Begins a file with its header, which is written when this resolves. No recording that exists is written over, whatever its
   * name: clients choose audit IDs.
   * @param folder relative to `directory`, made where it is not there
   */
  static async create(directory: string, folder: string, auditID: string, header: string): Promise<CastFile> {
    await mkdir(join(directory, folder), { recursive: true, mode: 0o700 })
    const name = fileName(auditID)
    const own = `${name}~${randomBytes(4).toString('hex')}`
    for (const path of [join(folder, name + CAST), join(folder, own + CAST)]) {
      const absolute = join(directory, path)
      const handle = await openNew(absolute + PART)
      if (handle === undefined) continue
      // Whoever finishes this name holds the part: from here on nobody else does.
      if ((await exists(absolute)) || (await exists(absolute + GZ))) {
        await handle.close()
        await unlink(absolute + PART)
        continue
      }
      const file = new CastFile(handle, path, absolute, header)
      try {
        await file.#writeAll(Buffer.from(header), 0)
        return file
      } catch (err) {
        await file.discard()
        throw err
      }
    }
    throw new Error(`${folder}: there is no free name for a recording`)
  }

  private constructor(
    handle: FileHandle,
    path: string,
    absolute: string,
    header: string,
    timers: Timers = systemTimers,
  ) {
    this.#handle = handle
    this.path = path
    this.#absolute = absolute
    this.#timers = timers
    this.#header = this.#headerWritten = header
    this.#bytes = Buffer.byteLength(header)
  }

  observe(observer: CastFileObserver): void {
    this.#observer = observer
  }

  /** Bytes of the file with what waits, about. */
  get size(): number {
    return this.#bytes + this.#writingBytes + this.#pendingBytes
  }

  /** Whether as much waits as may: the caller goes on when it is drained. */
  get full(): boolean {
    return this.#pendingBytes + this.#writingBytes > MAX_PENDING
  }

  /** Another first line of the same length, as long as nothing was written behind it. */
  replaceHeader(header: string): void {
    if (!this.#headerHashed && header.length === this.#header.length) this.#header = header
  }

  append(line: string): void {
    if (this.#failed) return
    this.#pending.push(line)
    this.#pendingBytes += line.length
    if (this.#writing !== undefined) return
    if (this.#pendingBytes >= BATCH_BYTES) this.#write()
    else this.#timer ??= this.#timers.after(MAX_WAIT, () => this.#write())
  }

  /** Writes what waits, syncs, and gives the file its name. Rejects where that fails; the file is closed all the same. */
  async finish(): Promise<FinishedFile> {
    this.#timer?.cancel()
    try {
      while (this.#writing !== undefined || this.#pending.length > 0) {
        if (this.#writing === undefined) this.#write()
        await this.#writing
      }
      this.#hashHeader()
      await this.#handle.sync()
    } finally {
      await this.#handle.close()
    }
    await rename(this.#absolute + PART, this.#absolute)
    await syncFolder(dirname(this.#absolute))
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  /** There is nothing to keep. */
  async discard(): Promise<void> {
    this.#timer?.cancel()
    this.#failed = true
    await this.#writing
    await this.#handle.close()
    await unlink(this.#absolute + PART)
  }

  #write(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const batch = Buffer.from(this.#pending.join(''))
    this.#pending = []
    this.#pendingBytes = 0
    this.#writingBytes = batch.length
    this.#writing = this.#writeBatch(batch).then(() => {
      this.#writingBytes = 0
      this.#writing = undefined
      if (this.#failed) return
      if (this.#pendingBytes >= BATCH_BYTES) this.#write()
      else if (this.#pendingBytes > 0) this.#timer ??= this.#timers.after(MAX_WAIT, () => this.#write())
      if (!this.full) this.#observer?.drained()
    })
  }

  async #writeBatch(batch: Buffer): Promise<void> {
    try {
      if (this.#header !== this.#headerWritten) await this.#writeAll(Buffer.from(this.#header), 0)
      this.#headerWritten = this.#header
      this.#hashHeader()
      await this.#writeAll(batch, this.#bytes)
      this.#hash.update(batch)
      this.#bytes += batch.length
    } catch (err) {
      this.#failed = true
      this.#pending = []
      this.#pendingBytes = 0
      // A line that is not whole could not be played.
      await this.#handle.truncate(this.#bytes).catch(() => undefined)
      this.#observer?.failed(err as Error)
    }
  }

  /** The header is final with what is written behind it. */
  #hashHeader(): void {
    if (!this.#headerHashed) this.#hash.update(this.#headerWritten)
    this.#headerHashed = true
  }

  async #writeAll(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  }
}

/** A client chooses its audit ID: what a file may not be called is escaped, and what is too long cut off. */
function fileName(auditID: string): string {
  const safe = auditID.replace(/[^A-Za-z0-9-]/g, (c) => `_${c.charCodeAt(0).toString(16)}_`)
  return safe.slice(0, MAX_NAME) || '_'
}

/** Undefined where there is such a file. */
async function openNew(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'wx', 0o600)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw err
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** So that the name outlives the machine's power. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
