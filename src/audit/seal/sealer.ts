import { fstatSync } from 'node:fs'
import { basename } from 'node:path'
import type { Awaitable } from '../../awaitable.js'
import { systemTimers, type Timer, type Timers } from '../../timers.js'
import { ChainHead } from './chain-head.js'
import { PublicKey, type SealKey, type SealKeys } from './keys.js'
import { LeafReader } from './leaves.js'
import { knownKeys, type LoadedHead } from './load-head.js'
import { addFound } from './log-range.js'
import type { Digest } from './merkle.js'
import { findMoved, isFileOf } from './moved-log.js'
import { OpenLog } from './open-log.js'
import { MAX_LINES, RangeBuilder } from './range.js'
import { SealChain, type SealedFile } from './seal-chain.js'
import { sealPaths } from './seal-file.js'
import { StatementQueue, type SealReport } from './statement-queue.js'
import { sequencesOf, vouchedRuns } from './vouched-runs.js'
import { loadWholeFiles, WholeFiles } from './whole-files.js'

export interface SealerOptions {
  /** The log's path. */
  readonly log: string
  readonly keys: SealKeys
  /** What an earlier process has left. */
  readonly loaded: LoadedHead | undefined
  /** Milliseconds between checkpoints at most. */
  readonly interval: number
  /** Whether statements are on the disk before they count as stored. */
  readonly sync: boolean
  readonly timers?: Timers
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number
}

/** The log file that lines go to. */
interface CurrentFile extends SealedFile {
  readonly dev: number
  /** Since the last checkpoint. */
  readonly range: RangeBuilder
}

/** What is said of lines that were found. */
type Found = 'restarted' | 'foreign'

const MODE = 0o600
const NOTHING = Buffer.alloc(0)

/**
 * Seals a log: says in signed statements which lines were written. It is told of everything that happens to the log file,
 * in its order, and hashes lines while they are being written; statements follow in the background, each after what it
 * speaks of is on the disk. So a crash can leave lines without a statement, which the next start finds, but no statement
 * without its lines.
 */
export class Sealer {
  /** Those beside the log. */
  readonly wholeFiles: WholeFiles
  readonly #log: string
  readonly #head: ChainHead
  readonly #keys: Map<string, PublicKey>
  readonly #chain: SealChain
  readonly #interval: number
  readonly #timers: Timers
  #timer: Timer | undefined
  /** A chain that an earlier process has left is yet to be followed. */
  #resumes: boolean
  /** The key that signs when all that waits is stored, and the one that should. */
  #key: SealKey
  #wanted: SealKey
  #current: CurrentFile | undefined
  /** Of the last file. */
  #number = 0
  /** Resolves when no rotation is under way. */
  #rotation: Promise<void> | undefined
  #rotationEnds: () => void = () => undefined
  /** What is being written, and its leaves with the bytes that each stands for. */
  #chunk: Buffer = NOTHING
  readonly #leaves: Digest[] = []
  readonly #lengths: number[] = []
  readonly #reader = new LeafReader((leaf, bytes) => {
    this.#leaves.push(leaf)
    this.#lengths.push(bytes)
  })

  constructor(options: SealerOptions, report: SealReport) {
    const { log, keys, loaded, interval, timers = systemTimers, now = Date.now } = options
    this.#log = log
    this.#interval = interval
    this.#timers = timers
    this.#head = loaded?.head ?? new ChainHead()
    this.#resumes = loaded !== undefined
    this.#keys = knownKeys(keys)
    for (const hex of this.#head.keys) {
      const key = PublicKey.fromHex(hex)
      this.#keys.set(key.id, key)
    }
    const before = keys.before.find(({ publicKey }) => publicKey.id === loaded?.key)
    this.#key = before ?? keys.current
    this.#wanted = keys.current
    const queue = new StatementQueue(this.#head, this.#key, report, { timers, now, sync: options.sync })
    this.#chain = new SealChain(log, queue)
    const load = () => loadWholeFiles(log, this.#head.instance, this.#keys)
    this.wholeFiles = new WholeFiles(this.#chain, () => this.#mode, load)
  }

  /**
   * The log is open, and is this file. What it has that no statement speaks of is sealed now, and marked so. Rejects with
   * the system's error, and where the path leads to another file by now.
   */
  async opened({ dev, ino }: { readonly dev: number; readonly ino: number }): Promise<void> {
    const open = new OpenLog(this.#log)
    const found = fstatSync(open.fd)
    const current = this.#current
    if (found.dev !== dev || found.ino !== ino) {
      open.close()
      throw new Error(`${this.#log} was replaced while it was opened`)
    }
    if (current?.dev === dev && current.inode === ino) {
      open.close()
      if (found.size !== current.range.end) await this.disturbed(found.size)
      return
    }
    if (current !== undefined) {
      // Somebody has moved it.
      this.#finish(current, 'rotated')
      this.#current = undefined
      await this.#chain.flushed()
    }
    const file = { open, dev, inode: ino, mode: found.mode }
    if (this.#resumes) await this.#resume(file, found.size)
    else await this.#begin(file, found.size, this.#number === 0 ? 'restarted' : 'foreign')
    this.#changeKey()
    this.#timer ??= this.#timers.after(this.#interval, () => this.#tick(), true)
  }

  /** These whole lines are being written: they are hashed while the system writes. */
  writing(lines: Buffer): void {
    this.#chunk = lines
    this.#reader.push(lines)
  }

  /** So many bytes of what was being written are at the end of the file: whole lines. */
  written(bytes: number): void {
    const file = this.#current
    for (let i = 0, left = bytes; file !== undefined && left > 0 && i < this.#leaves.length; i++) {
      const length = this.#lengths[i] as number
      if (file.range.isFull(length)) this.#checkpoint(file)
      file.range.add(this.#leaves[i] as Digest, length)
      left -= length
    }
    this.#chunk = NOTHING
    this.#leaves.length = 0
    this.#lengths.length = 0
    if (file !== undefined && file.range.lines >= MAX_LINES) this.#checkpoint(file)
  }

  /**
   * The file has another size than what was written makes: somebody has added to it or emptied it. What was added is sealed
   * as foreign. An emptied file is a new one; it may hold the end of what was being written.
   */
  async disturbed(size: number): Promise<void> {
    const file = this.#current
    if (file === undefined) return
    if (size >= file.range.end) {
      this.written(0)
      return this.#found(file, size, 'foreign')
    }
    const chunk = this.#chunk
    const kept = size <= chunk.length && file.open.hasAtStart(chunk.subarray(chunk.length - size)) ? size : 0
    const again = Buffer.from(chunk.subarray(chunk.length - kept))
    this.written(chunk.length - kept)
    this.#finish(file, 'rotated', undefined, false)
    await this.#begin(file, size - kept, 'foreign')
    if (kept === 0) return
    this.writing(again)
    this.written(kept)
  }

  /** A rotation begins. A file of which nothing is said would not be found after a crash, nor the one before it. */
  rotating(): Awaitable<unknown> {
    this.#rotation = new Promise((resolve) => (this.#rotationEnds = resolve))
    return this.#chain.waiting > 0 ? this.#chain.flushed() : undefined
  }

  /** That is over: the file is called `to` now, and a new one will be opened; or it stays where it was. */
  rotated(to: string | undefined): void {
    if (to !== undefined && this.#current !== undefined) {
      this.#finish(this.#current, 'rotated', to)
      this.#current = undefined
    }
    this.#rotationEnds()
  }

  /** Retention takes this rotated file with its seal. Resolves when that is said, or cannot be said now. */
  async removing(file: string): Promise<void> {
    // Whoever forges a seal does not have us sign that something else was removed.
    const runs = await vouchedRuns(sealPaths(file), this.#head.instance, this.#keys)
    if (runs.length === 0) return
    if (runs.some(({ wholeFiles }) => wholeFiles.length > 0)) await this.wholeFiles.repeat(sequencesOf(runs))
    this.#chain.removed(basename(file), sequencesOf(runs), this.#mode)
    await this.#chain.flushed()
  }

  /** Seals what is written. Resolves with whether it is sealed. */
  sealed(): Promise<boolean> {
    if (this.#current !== undefined && this.#current.range.lines > 0) this.#checkpoint(this.#current)
    return this.#chain.flushed()
  }

  /** Resolves when a rotation that has begun is over and all statements are stored: true; or when one could not be: false. */
  async settled(): Promise<boolean> {
    await this.#rotation
    return this.#chain.flushed()
  }

  /** Signs with another key from now on; the one so far says so. */
  setKey(key: SealKey): void {
    this.#wanted = key
    if (this.#number > 0) this.#changeKey()
  }

  /** The log is closed for good. */
  async closed(): Promise<void> {
    this.wholeFiles.close()
    this.#timer?.cancel()
    if (this.#current !== undefined) this.#finish(this.#current, 'closed')
    this.#current = undefined
    await this.#chain.close()
  }

  get #mode(): number {
    return this.#current?.mode ?? MODE
  }

  /** A checkpoint, also of nothing: that nothing was written is worth knowing. */
  #tick(): void {
    // What could not be stored is tried again anyway; more of it would only wait.
    if (this.#current !== undefined && this.#chain.waiting === 0) this.#checkpoint(this.#current)
    this.#timer = this.#timers.after(this.#interval, () => this.#tick(), true)
  }

  #checkpoint(file: CurrentFile): void {
    this.#chain.range(file, file.range.take(), 'checkpoint')
  }

  #changeKey(): void {
    const key = this.#wanted
    if (key.publicKey.id === this.#key.publicKey.id) return
    this.#key = key
    this.#keys.set(key.publicKey.id, key.publicKey)
    this.#chain.keyChanged(key, this.#mode)
    // Whoever has the new key alone must be able to go on from the last statement.
    if (this.#current !== undefined) this.#checkpoint(this.#current)
  }

  #finish(file: CurrentFile, type: 'rotated' | 'closed', to?: string, closes = true): void {
    if (file.range.lines > 0) this.#checkpoint(file)
    this.#chain.finished(file, type, to)
    if (closes) file.open.finish()
  }

  /** Goes on where an earlier process has ended: in the same file, or in the one after it. */
  async #resume(found: Omit<CurrentFile, 'number' | 'range'>, size: number): Promise<void> {
    this.#resumes = false
    const { last } = this.#head
    this.#number = last?.number ?? 0
    if (last === undefined || last.type === 'rotated') return this.#begin(found, size, 'restarted')
    const end = last.offset + last.length
    const range = new RangeBuilder(end, last.line + last.lines)
    if (await isFileOf(this.#head, found.open.fd)) {
      const file = { ...found, number: this.#number, range }
      this.#current = file
      if (last.type !== 'closed' || size > end) await this.#found(file, size, 'restarted', true)
      this.#chain.opened(file)
      return
    }
    // It was rotated when the process died.
    const moved = await findMoved(this.#log, this.#head)
    if (moved !== undefined) {
      await this.#chain.moveSeal(moved.name)
      const file = { ...moved, number: this.#number, range }
      await this.#found(file, moved.size, 'restarted', true, this.#chain.sealBeside(moved.name))
      this.#chain.finished(file, 'rotated', moved.name)
      file.open.finish()
    }
    await this.#begin(found, size, 'restarted')
  }

  /** A file that no statement speaks of, with `size` bytes that nobody here has written. */
  async #begin(found: Omit<CurrentFile, 'number' | 'range'>, size: number, type: Found): Promise<void> {
    const { open, dev, inode, mode } = found
    const file = { open, dev, inode, mode, number: ++this.#number, range: new RangeBuilder() }
    this.#current = file
    this.#chain.opened(file)
    if (size > 0) await this.#found(file, size, type)
  }

  /**
   * Seals what the file has up to `size`.
   * @param always also where that is nothing
   * @param seal where that is said, if not beside the log
   */
  async #found(file: CurrentFile, size: number, type: Found, always = false, seal?: string): Promise<void> {
    // What was written before it is no part of it.
    if (type === 'foreign' && file.range.lines > 0) this.#checkpoint(file)
    await addFound(file.open.fd, file.range, size, (range) => this.#chain.range(file, range, type, seal))
    if (always || file.range.lines > 0) this.#chain.range(file, file.range.take(), type, seal)
  }
}
