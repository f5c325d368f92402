import { once } from 'node:events'
import { mkdir, open, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createStream, type RotatingFileStream } from 'rotating-file-stream'
import { errorMessage } from '../../../errors.js'
import { backupName, type Backups } from './backups.js'
import { UNOBSERVED, type LogObserver } from './log-observer.js'
import type { Appended, LogOutput } from './log-output.js'

const NEWLINE = 0x0a
const MODE = 0o600
/** Of a directory that is made for the log. */
export const DIRECTORY_MODE = 0o750
/** How many attempts in a row may store nothing before the events are given up. */
const MAX_ATTEMPTS = 3
/** After a rotation that failed (the directory is not writable, say) the file grows on for this long. */
const ROTATION_RETRY_MS = 1000

/** The log while it is open. The stream writes; the handle, on the same file, tells what has really been written. */
interface OpenFile {
  readonly stream: RotatingFileStream
  readonly handle: FileHandle
  readonly dev: number
  readonly ino: number
  /** Bytes, all of them whole lines. */
  size: number
}

/**
 * A log file that is rotated by size. rotating-file-stream opens, writes and renames; around it this class
 *
 * - knows exactly which lines are stored: it compares the file's size with what was written, because a full disk cuts
 *   a write short without an error; what remains of a cut line is removed
 * - rotates before a line that would make the file too large, as lumberjack does, so that no file exceeds its limit
 *   (unless a single line does, which lumberjack would lose)
 * - notices, before and after each write, when the file was moved or deleted, and goes on in a new one
 * - opens everything anew after an error, so that writing resumes as soon as the disk allows it.
 *
 * One process only may write to the file.
 */
export class LogFile implements LogOutput {
  readonly #path: string
  readonly #maxSize: number
  readonly #backups: Backups
  readonly #trouble: (kind: string, reason: string) => void
  readonly #observer: LogObserver
  #file: OpenFile | undefined
  /** A new file gets the permissions of the one before, which an operator may have changed. */
  #mode = MODE
  #rotateAfter = 0

  /**
   * @param maxSize bytes; Infinity: it is never rotated
   * @param trouble told when the file cannot be rotated, and when somebody has deleted it
   */
  constructor(
    path: string,
    maxSize: number,
    backups: Backups,
    trouble: (kind: string, reason: string) => void,
    observer: LogObserver = UNOBSERVED,
  ) {
    this.#path = path
    this.#maxSize = maxSize
    this.#backups = backups
    this.#trouble = trouble
    this.#observer = observer
  }

  /** Opens the file, so that a mistake in its path shows at the start. Rejects with the system's error. */
  async open(): Promise<void> {
    this.#file ??= await this.#open()
    this.#backups.tidy()
  }

  async append(lines: Buffer): Promise<Appended> {
    let stored = 0
    let error = ''
    // An attempt can fail because somebody moves or replaces the file at that very moment.
    for (let fruitless = 0; stored < lines.length; fruitless++) {
      if (fruitless === MAX_ATTEMPTS) return { stored, error }
      try {
        const written = await this.#appendSome(lines.subarray(stored))
        stored += written
        if (written > 0) fruitless = -1
        error = 'no whole line could be written: is the disk full?'
      } catch (err) {
        error = errorMessage(err)
      }
    }
    return { stored }
  }

  async close(): Promise<void> {
    await Promise.all([this.#close(), this.#backups.close()])
    await this.#observer.closed()
  }

  /** Appends what fits into the file, and returns how many bytes of whole lines are stored. */
  async #appendSome(lines: Buffer): Promise<number> {
    const file = await this.#current(lines)
    return this.#write(file, this.#mayRotate() ? wholeLines(lines, this.#maxSize - file.size) : lines)
  }

  /** The open file, with room for the first line. */
  async #current(lines: Buffer): Promise<OpenFile> {
    if (this.#file !== undefined && !(await this.#isInPlace(this.#file))) {
      await this.#tellIfDeleted(this.#file)
      await this.#close()
    }
    const file = (this.#file ??= await this.#open())
    const full = file.size > 0 && file.size + lines.indexOf(NEWLINE) + 1 > this.#maxSize
    if (!full || !this.#mayRotate()) return file
    await this.#rotate()
    return (this.#file = await this.#open())
  }

  /**
   * Writes whole lines and returns how many bytes of whole lines are in the file. After anything but success the file
   * is closed. Rejects if nothing was stored and the error is known.
   */
  async #write(file: OpenFile, lines: Buffer): Promise<number> {
    let error: Error | undefined
    await new Promise<void>((resolve) => {
      file.stream.write(lines, (err) => {
        error = err ?? undefined
        resolve()
      })
      this.#observer.writing(lines)
    })
    let stored = 0
    try {
      stored = await this.#stored(file, lines, error !== undefined)
    } finally {
      this.#observer.written(stored)
      if (stored < lines.length) await this.#close()
    }
    if (error !== undefined && stored === 0) throw error
    return stored
  }

  /** How much of what was just written is in the file; the rest of a cut line is removed from it. */
  async #stored(file: OpenFile, lines: Buffer, failed: boolean): Promise<number> {
    const { size, nlink } = await file.handle.stat()
    if (nlink === 0) {
      await this.#tellIfDeleted(file)
      return 0
    }
    const grown = size - file.size
    if (grown === lines.length) {
      file.size = size
      return lines.length
    }
    // Somebody else emptied the file, as logrotate's copytruncate does, or appended to it.
    const emptied =
      grown < 0 || (file.size > 0 && size === lines.length && (await hasAt(file.handle, 0, lines)))
    if (emptied || grown > lines.length) {
      file.size = size
      await this.#observer.disturbed(size)
      return failed ? 0 : lines.length
    }
    const stored = grown > 0 ? lines.lastIndexOf(NEWLINE, grown - 1) + 1 : 0
    // Should this fail, the next #open finds the file without its last newline.
    if (stored < grown) await file.handle.truncate(file.size + stored).catch(() => undefined)
    return stored
  }

  async #open(): Promise<OpenFile> {
    const directory = dirname(this.#path)
    await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
    const handle = await open(this.#path, 'a+', this.#mode)
    try {
      const found = await handle.stat()
      if (!found.isFile()) throw new Error(`${this.#path} is not a regular file`)
      this.#mode = found.mode & 0o777
      let size = found.size
      if (size > 0 && !(await hasAt(handle, size - 1, Buffer.of(NEWLINE)))) {
        // A crash left half a line.
        await handle.appendFile('\n')
        size++
      }
      const stream = await openStream(
        createStream(basename(this.#path), { path: directory, mode: this.#mode }),
      )
      const file = { stream, handle, dev: found.dev, ino: found.ino, size }
      try {
        if (!(await this.#isInPlace(file))) throw new Error(`${this.#path} was replaced while it was opened`)
        await this.#observer.opened(file)
        return file
      } catch (err) {
        await closeStream(stream)
        throw err
      }
    } catch (err) {
      await handle.close()
      throw err
    }
  }

  /** Whether the path still leads to this file. */
  async #isInPlace(file: Pick<OpenFile, 'dev' | 'ino'>): Promise<boolean> {
    try {
      const { dev, ino } = await stat(this.#path)
      return dev === file.dev && ino === file.ino
    } catch {
      return false
    }
  }

  /** Where the file was deleted, what was stored in it is gone. Who moves it, as logrotate does, has it still. */
  async #tellIfDeleted(file: OpenFile): Promise<void> {
    const stat = await file.handle.stat().catch(() => undefined)
    if (stat?.nlink !== 0) return
    const lost = `${this.#path}, with ${file.size} bytes of events`
    this.#trouble('the log was deleted', `${lost}: it goes on in a new file`)
  }

  #mayRotate(): boolean {
    return performance.now() >= this.#rotateAfter
  }

  /** Moves the file aside. If that fails the events go on into the same file: one too large is better than one too few. */
  async #rotate(): Promise<void> {
    await this.#observer.rotating()
    const inode = this.#file?.ino
    let moved = ''
    await this.#close()
    try {
      // A file that is over its limit is rotated when rotating-file-stream opens it.
      const name = (time: number | Date | null, index = 1) =>
        time === null
          ? basename(this.#path)
          : (moved = backupName(this.#path, new Date(Number(time) + index - 1)))
      const options = { path: dirname(this.#path), mode: this.#mode, size: '1B' } as const
      await closeStream(await openStream(createStream(name, options)))
    } catch (err) {
      this.#rotateAfter = performance.now() + ROTATION_RETRY_MS
      this.#trouble('cannot rotate', errorMessage(err))
    }
    // It may have been moved though no new one could be made.
    const found = await stat(join(dirname(this.#path), moved)).catch(() => undefined)
    const isMoved = moved !== '' && found?.ino === inode
    this.#observer.rotated(isMoved ? moved : undefined)
    if (isMoved) this.#backups.tidy()
  }

  async #close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    if (file !== undefined)
      await Promise.all([closeStream(file.stream), file.handle.close().catch(() => undefined)])
  }
}

/** As many whole lines as fit, but one at least. */
function wholeLines(lines: Buffer, room: number): Buffer {
  if (lines.length <= room) return lines
  const end = room > 0 ? lines.lastIndexOf(NEWLINE, room - 1) + 1 : 0
  return lines.subarray(0, end > 0 ? end : lines.indexOf(NEWLINE) + 1)
}

async function hasAt(handle: FileHandle, position: number, bytes: Buffer): Promise<boolean> {
  const found = Buffer.alloc(bytes.length)
  await handle.read(found, 0, found.length, position)
  return found.equals(bytes)
}

async function openStream(stream: RotatingFileStream): Promise<RotatingFileStream> {
  // What a write fails with comes to its callback too; unheard, the event would end the process.
  stream.on('error', () => undefined)
  await once(stream, 'open')
  return stream
}

async function closeStream(stream: RotatingFileStream): Promise<void> {
  if (stream.closed) return
  const closed = new Promise<void>((resolve) => stream.once('close', resolve))
  if (!stream.destroyed) stream.end()
  await closed
}
