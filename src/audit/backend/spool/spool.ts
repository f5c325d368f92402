import { mkdirSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { ConfigError, errorMessage } from '../../../errors.js'
import type { SocketLock } from '../../../socket-lock.js'
import { lockDirectory } from '../../../directory-lock.js'
import { setAside } from './set-aside.js'
import { writeAcknowledged } from './spool-ack.js'
import { recoverSpool, type Segment, type SpoolState } from './spool-recovery.js'
import { SegmentReader, SegmentWriter, segmentPath } from './spool-segment.js'
import { SpoolSync } from './spool-sync.js'
import type { SpoolProblems } from './spool-problems.js'

export interface SpoolOptions {
  /** --audit-webhook-spool-directory; made, for its owner only, where it is missing. */
  readonly directory: string
  /** --audit-webhook-spool-max-size: bytes of all segments. */
  readonly maxSize: number
}

/** Records in their order, as they were read. */
export interface SpoolBatch {
  readonly lines: readonly Buffer[]
  /** The sequence number after the last one; also past records that turned out to be lost. */
  readonly end: number
}

const MAX_SEGMENT_SIZE = 16 * 1024 * 1024
/** A segment that cannot be read for one of these reasons will not be readable later. */
const LOST = new Set(['ENOENT', 'EIO', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'ELOOP'])

/**
 * A queue of lines on disk, which outlives the process: append-only segment files, each deleted when all of it is
 * acknowledged, and a file that tells how far that has come.
 *
 * What append took survives the end of the process however it ends: the kernel has it. It is forced to the disk ten
 * times a second, so that a power cut costs what was appended in the last tenth. What was delivered but not yet
 * acknowledged on disk is delivered again: each line at least once.
 */
export class Spool {
  readonly #directory: string
  readonly #maxSize: number
  readonly #segmentSize: number
  readonly #problems: SpoolProblems
  readonly #lock: SocketLock
  readonly #segments: Segment[]
  #size = 0
  /** Sequence numbers: #acknowledged <= #read <= #next. */
  #acknowledged: number
  #read: number
  #next: number
  /** The end of the last segment, unless that one is to be followed by another. */
  #writer: SegmentWriter | undefined
  #reader: SegmentReader | undefined
  #readerNext = 0
  /** Read, but did not fit into the batch. */
  #peeked: Buffer | undefined
  readonly #sync: SpoolSync
  /** What the acknowledged file says. */
  #acknowledgedOnDisk: number
  #acknowledging: Promise<void> | undefined

  private constructor(options: SpoolOptions, problems: SpoolProblems, lock: SocketLock, state: SpoolState) {
    this.#directory = options.directory
    this.#maxSize = options.maxSize
    this.#segmentSize = Math.min(MAX_SEGMENT_SIZE, Math.ceil(options.maxSize / 8))
    this.#problems = problems
    this.#lock = lock
    this.#sync = new SpoolSync(options.directory, problems)
    this.#segments = state.segments
    this.#next = state.next
    this.#acknowledged = this.#read = this.#acknowledgedOnDisk = state.acknowledged
    for (const { size } of state.segments) this.#size += size
    const last = state.segments.at(-1)
    if (last !== undefined && last.state === undefined && last.size < this.#segmentSize) {
      this.#writer = reopen(options.directory, last)
    }
  }

  /**
   * Opens the directory, goes on where the last process stopped, and keeps other processes out.
   *
   * @throws ConfigError when the directory cannot be used
   */
  static async open(options: SpoolOptions, problems: SpoolProblems): Promise<Spool> {
    const { directory } = options
    const flag = '--audit-webhook-spool-directory'
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
    } catch (err) {
      throw new ConfigError(`${flag}: ${errorMessage(err)}`)
    }
    const lock = await lockDirectory(directory, flag)
    try {
      return new Spool(options, problems, lock, await recoverSpool(directory, problems))
    } catch (err) {
      await lock.release()
      throw new ConfigError(`${flag}: ${errorMessage(err)}`)
    }
  }

  /** Bytes on disk. */
  get size(): number {
    return this.#size
  }

  /** The sequence number after the last line. */
  get end(): number {
    return this.#next
  }

  /** How many lines are not acknowledged. */
  get pending(): number {
    return this.#next - this.#acknowledged
  }

  /** How many lines have not been read. */
  get unread(): number {
    return this.#next - this.#read
  }

  /**
   * Stores records, made by encodeRecord, in one write.
   *
   * @returns how many, from the first on, fit below maxSize and are stored
   * @throws NodeJS.ErrnoException (a full disk, say); then none is stored
   */
  append(records: readonly Buffer[]): number {
    let count = 0
    let bytes = 0
    for (const record of records) {
      if (this.#size + bytes + record.length > this.#maxSize) break
      bytes += record.length
      count++
    }
    if (count === 0) return 0
    const writer = this.#currentWriter()
    writer.append(count === records.length ? records : records.slice(0, count))
    this.#size += bytes
    const last = this.#segments.at(-1)
    if (last !== undefined) last.size = writer.size
    this.#next += count
    this.#sync.wrote(writer)
    return count
  }

  /**
   * The next lines, in order. Not to be called again before it has settled.
   *
   * @param maxBytes how long they may be together; a single one may be longer
   * Rejects with a NodeJS.ErrnoException where a later call may be luckier.
   */
  async read(maxLines: number, maxBytes: number): Promise<SpoolBatch> {
    const lines: Buffer[] = []
    let bytes = 0
    while (lines.length < maxLines && this.#read < this.#next) {
      let line: Buffer | undefined
      try {
        line = this.#peeked ?? (await this.#readOne())
      } catch (err) {
        if (lines.length > 0) break
        throw err
      }
      if (line === undefined) continue
      bytes += line.length
      this.#peeked = lines.length > 0 && bytes > maxBytes ? line : undefined
      if (this.#peeked !== undefined) break
      lines.push(line)
      this.#read++
    }
    return { lines, end: this.#read }
  }

  /** The receiver has everything before `end`: it is forgotten, and its disk space freed in the background. */
  acknowledge(end: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, end)
    this.#acknowledging ??= this.#writeAcknowledged().finally(() => (this.#acknowledging = undefined))
  }

  /** Forces everything to the disk and lets another process have the directory. */
  async close(): Promise<void> {
    this.#retireWriter()
    await this.#sync.close()
    await this.#closeReader()
    await this.#acknowledging
    await this.#removeAcknowledged(this.#acknowledged)
    await this.#lock.release()
  }

  #currentWriter(): SegmentWriter {
    const writer = this.#writer
    if (writer !== undefined && (writer.size >= this.#segmentSize || !writer.isThere)) this.#retireWriter()
    if (this.#writer === undefined) {
      // One without a record has no events, and the name of its successor.
      const last = this.#segments.at(-1)
      if (last?.base === this.#next) {
        void this.#closeReader()
        this.#forget(last)
        this.#segments.pop()
      }
      this.#writer = this.#newWriter()
      this.#size += this.#writer.size
      this.#segments.push({ base: this.#next, size: this.#writer.size })
      this.#sync.made()
    }
    return this.#writer
  }

  /** What somebody has put in its place, or taken away, does not keep a segment from being made. */
  #newWriter(): SegmentWriter {
    try {
      return new SegmentWriter(this.#directory, this.#next)
    } catch (err) {
      const { code } = err as NodeJS.ErrnoException
      const path = segmentPath(this.#directory, this.#next)
      if (code === 'EEXIST') {
        const aside = setAside(this.#directory, basename(path))
        this.#problems.damaged(1, 0, `${path}: not written by this process; it is now called ${aside}`)
      } else if (code === 'ENOENT') {
        mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
      } else throw err
      return new SegmentWriter(this.#directory, this.#next)
    }
  }

  /** The next record goes into a new segment. */
  #retireWriter(): void {
    if (this.#writer !== undefined) this.#sync.finished(this.#writer)
    this.#writer = undefined
  }

  /** The record number #read, or undefined when it is lost; #read is then past what is lost. */
  async #readOne(): Promise<Buffer | undefined> {
    const i = this.#segments.findLastIndex(({ base }) => base <= this.#read)
    const segment = this.#segments[i]
    const end = this.#segments[i + 1]?.base ?? this.#next
    if (segment === undefined) return this.#lose(end, `${this.#directory}: a segment is missing`)
    if (segment.state === 'gone') {
      this.#read = end
      return undefined
    }
    const path = segmentPath(this.#directory, segment.base)
    try {
      if (this.#reader?.base !== segment.base) await this.#openReader(segment.base)
      for (;;) {
        const reading = (this.#reader as SegmentReader).next(segment.size)
        const found = reading instanceof Promise ? await reading : reading
        if (found.kind === 'end') {
          const other = basename(segmentPath(this.#directory, this.#readerNext))
          const missing = `the events from ${this.#readerNext} to ${end} are missing`
          return this.#lose(end, `${missing}: ${path} was cut, or ${other} deleted`)
        }
        if (found.kind === 'corrupt') {
          segment.state = 'damaged'
          return this.#lose(end, `${path}: damaged at byte ${found.offset}`)
        }
        if (this.#readerNext++ < this.#read) continue
        return found.payload
      }
    } catch (err) {
      const { code } = err as NodeJS.ErrnoException
      if (code === undefined || !LOST.has(code)) throw err
      segment.state = code === 'ENOENT' ? 'gone' : 'damaged'
      return this.#lose(end, `${path}: ${errorMessage(err)}`)
    }
  }

  #lose(end: number, reason: string): undefined {
    this.#problems.damaged(1, end - this.#read, `lost from the spool: ${reason}`)
    if (end === this.#next) this.#retireWriter()
    this.#read = end
    return undefined
  }

  async #openReader(base: number): Promise<void> {
    await this.#closeReader()
    this.#reader = await SegmentReader.open(this.#directory, base)
    this.#readerNext = base
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader
    this.#reader = undefined
    await reader?.close()
  }

  async #writeAcknowledged(): Promise<void> {
    while (this.#acknowledgedOnDisk !== this.#acknowledged) {
      const acknowledged = this.#acknowledged
      let problem = await this.#writeDown(acknowledged)
      await this.#removeAcknowledged(acknowledged)
      // A full disk has room now.
      if (problem !== undefined) problem = await this.#writeDown(acknowledged)
      // Without it these lines are sent again after a restart.
      if (problem !== undefined) this.#problems.trouble('spool acknowledgement not written', problem)
      this.#acknowledgedOnDisk = acknowledged
    }
  }

  /** @returns why that was not possible */
  async #writeDown(acknowledged: number): Promise<string | undefined> {
    try {
      await writeAcknowledged(this.#directory, acknowledged)
      return undefined
    } catch (err) {
      return errorMessage(err)
    }
  }

  async #removeAcknowledged(acknowledged: number): Promise<void> {
    for (let first = this.#segments[0]; first !== undefined; first = this.#segments[0]) {
      const end = this.#segments[1]?.base ?? this.#next
      if (end > acknowledged || first.base === this.#writer?.base) return
      this.#segments.shift()
      try {
        if (this.#reader?.base === first.base) await this.#closeReader()
        this.#forget(first)
      } catch (err) {
        // It still takes its space; the next start removes it.
        this.#problems.trouble('spool segment not removed', errorMessage(err))
      }
    }
  }
  /** Removes the file of a segment whose turn is over; one that was damaged is kept for whoever wants to look into it. */
  #forget({ base, size, state }: Segment): void {
    const path = segmentPath(this.#directory, base)
    if (state === 'damaged') setAside(this.#directory, basename(path))
    else if (state === undefined) rmSync(path, { force: true })
    this.#size -= size
  }
}

/** The end of the last segment; undefined where it cannot be written to, and another one is to follow it. */
function reopen(directory: string, { base, size }: Segment): SegmentWriter | undefined {
  try {
    return new SegmentWriter(directory, base, size)
  } catch {
    return undefined
  }
}
