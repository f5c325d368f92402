import { existsSync, rmSync, statSync, truncateSync } from 'node:fs'
import { Backups } from '../../src/audit/backend/log/backups.js'
import { LogFile } from '../../src/audit/backend/log/log-file.js'
import { loadHead } from '../../src/audit/seal/load-head.js'
import { Sealer } from '../../src/audit/seal/sealer.js'
import { ManualTimers } from './audit.js'
import type { TestKey } from './sealed-log.js'

export interface SealedLinesOptions {
  /** Bytes. */
  readonly maxSize?: number
  readonly maxBackup?: number
  readonly compress?: boolean
  /** Keys of before. */
  readonly before?: readonly TestKey[]
  readonly now?: () => number
}

/** A sealed log of any lines, whose checkpoints a test makes itself: by `seal`, or by moving `timers` on by 10 seconds. */
export class SealedLines {
  readonly timers: ManualTimers
  readonly sealer: Sealer
  /** Statements, as they are stored. */
  readonly statements: string[]
  readonly failures: string[]
  readonly #path: string
  readonly #file: LogFile
  readonly #backups: Backups

  private constructor(
    path: string,
    sealer: Sealer,
    file: LogFile,
    backups: Backups,
    timers: ManualTimers,
    reports: { statements: string[]; failures: string[] },
  ) {
    this.#path = path
    this.sealer = sealer
    this.#file = file
    this.#backups = backups
    this.timers = timers
    this.statements = reports.statements
    this.failures = reports.failures
  }

  static async open(path: string, key: TestKey, options: SealedLinesOptions = {}): Promise<SealedLines> {
    const { maxSize = Infinity, maxBackup = 0, compress = false, before = [], now = Date.now } = options
    const keys = { current: key.key, before: before.map((one) => one.key) }
    const loaded = await loadHead(path, keys, 'the key')
    const timers = new ManualTimers()
    const [statements, failures]: [string[], string[]] = [[], []]
    const sealer = new Sealer(
      { log: path, keys, loaded, interval: 10_000, sync: false, timers, now },
      {
        stored: (line) => statements.push(line.toString()),
        failed: (reason) => failures.push(reason),
      },
    )
    const trouble = (reason: string) => void failures.push(reason)
    const backups = new Backups(path, { maxAge: 0, maxBackup, compress }, trouble, sealer)
    const file = new LogFile(path, maxSize, backups, trouble, sealer)
    await file.open()
    return new SealedLines(path, sealer, file, backups, timers, { statements, failures })
  }

  /** Appends lines, in one write. */
  async append(...lines: string[]): Promise<void> {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
    const { stored, error } = await this.#file.append(bytes)
    if (stored < bytes.length) throw new Error(error)
  }

  /** Makes a checkpoint. */
  async seal(): Promise<void> {
    if (!(await this.sealer.sealed())) throw new Error(this.failures.join('; '))
  }

  /** As if the process died when all statements that are due are stored. */
  async die(): Promise<void> {
    await this.#backups.idle()
    await this.sealer.settled()
    const seal = `${this.#path}.seal`
    const size = existsSync(seal) ? statSync(seal).size : undefined
    await this.close()
    // What only a clean end says is not said.
    if (size === undefined) rmSync(seal, { force: true })
    else truncateSync(seal, size)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
