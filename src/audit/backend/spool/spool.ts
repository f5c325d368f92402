import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { ConfigError, errorMessage } from '../../../errors.js'
import { writeAcknowledged } from './spool-ack.js'
import { DirectoryLock } from '../../../directory-lock.js'
import { recoverSpool, type Segment, type SpoolState } from './spool-recovery.js'
import { SegmentReader, SegmentWriter, segmentPath } from './spool-segment.js'
import { SpoolSync } from './spool-sync.js'
import type { Problems } from '../problems.js'

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
  readonly #problems: Problems
  readonly #lock: DirectoryLock
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

  private constructor(options: SpoolOptions, problems: Problems, lock: DirectoryLock, state: SpoolState) {
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
    if (last !== undefined && last.size < this.#segmentSize) {
      this.#writer = new SegmentWriter(options.directory, last.base, last.size)
    }
  }

  /**
   * Opens the directory, goes on where the last process stopped, and keeps other processes out.
   *
   * @throws ConfigError when the directory cannot be used
   */
  static async open(options: SpoolOptions, problems: Problems): Promise<Spool> {
    const { directory } = options
    const flag = '--audit-webhook-spool-directory'
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
    } catch (err) {
      throw new ConfigError(`${flag}: ${errorMessage(err)}`)
    }
    const lock = await DirectoryLock.acquire(directory, flag)
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
    if (this.#writer !== undefined && this.#writer.size >= this.#segmentSize) this.#retireWriter()
    if (this.#writer === undefined) {
      this.#writer = new SegmentWriter(this.#directory, this.#next)
      this.#size += this.#writer.size
      this.#segments.push({ base: this.#next, size: this.#writer.size })
      this.#sync.made()
    }
    return this.#writer
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
    const path = segmentPath(this.#directory, segment.base)
    try {
      if (this.#reader?.base !== segment.base) await this.#openReader(segment.base)
      for (;;) {
        const reading = (this.#reader as SegmentReader).next(segment.size)
        const found = reading instanceof Promise ? await reading : reading
        if (found.kind === 'end') return this.#lose(end, `${path}: ends too early`)
        if (found.kind === 'corrupt') return this.#lose(end, `${path}: damaged at byte ${found.offset}`)
        if (this.#readerNext++ < this.#read) continue
        return found.payload
      }
    } catch (err) {
      const code = (err as NodeJS.ErrnoException).code
      if (code === 'ENOENT' || code === 'EIO') return this.#lose(end, errorMessage(err))
      throw err
    }
  }

  #lose(end: number, reason: string): undefined {
    this.#problems.failed(end - this.#read, `lost from the spool: ${reason}`)
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
      try {
        await writeAcknowledged(this.#directory, acknowledged)
      } catch (err) {
        // Without it these lines are sent again after a restart. A full disk comes here too: go on and free space.
        this.#problems.trouble('spool acknowledgement not written', errorMessage(err))
      }
      this.#acknowledgedOnDisk = acknowledged
      await this.#removeAcknowledged(acknowledged)
    }
  }

  async #removeAcknowledged(acknowledged: number): Promise<void> {
    for (let first = this.#segments[0]; first !== undefined; first = this.#segments[0]) {
      const end = this.#segments[1]?.base ?? this.#next
      if (end > acknowledged || first.base === this.#writer?.base) return
      this.#segments.shift()
      try {
        if (this.#reader?.base === first.base) await this.#closeReader()
        await rm(segmentPath(this.#directory, first.base), { force: true })
        this.#size -= first.size
      } catch (err) {
        // It still takes its space; the next start removes it.
        this.#problems.trouble('spool segment not removed', errorMessage(err))
      }
    }
  }
}
