import type { Awaitable } from '../../../awaitable.js'
import { setImmediate } from 'node:timers/promises'
import { errorMessage } from '../../../errors.js'
import type { Event } from '../../event.js'
import type { AuditMetrics } from '../../metrics.js'
import type { Backend } from '../backend.js'
import { settles } from '../../../timers.js'
import type { LogOutput } from './log-output.js'
import type { PluginProblems } from '../plugin-problems.js'

/** For error metrics and messages: k8s.io/apiserver/plugin/pkg/audit/log PluginName. */
export const LOG_PLUGIN = 'log'

/** What goes out in one write, in bytes, unless a single call is larger. */
const MAX_CHUNK = 1 << 20
const NEWLINE = 0x0a

/** What one call of processEvents waits for. */
interface Pending {
  /** Without their newlines. */
  readonly lines: readonly Buffer[]
  /** With their newlines. */
  readonly bytes: number
  readonly resolve: (stored: boolean) => void
}

/**
 * Writes a line per event (k8s.io/apiserver/plugin/pkg/audit/log). The events of one turn of the event loop, and those
 * that arrive while a write is under way, go out together in one write. Lines are in the order of the calls, whatever
 * the number of calls that wait.
 */
export class LogBackend<E = Event> implements Backend<E> {
  readonly name = LOG_PLUGIN
  readonly #output: LogOutput
  readonly #encode: (event: E) => Buffer
  readonly #errors: PluginProblems
  readonly #metrics: AuditMetrics
  readonly #maxPending: number
  #pending: Pending[] = []
  /** In #pending and in the chunk under way. */
  #pendingBytes = 0
  #writing: Promise<void> | undefined
  /** What the chunk under way is written from, one after the other. */
  #block = Buffer.alloc(0)
  /** The chunk under way. */
  #current: Pending[] = []

  /**
   * @param encode an event as one line, without its newline
   * @param maxPending how many bytes may wait for a slow output before events are refused
   */
  constructor(
    output: LogOutput,
    encode: (event: E) => Buffer,
    errors: PluginProblems,
    metrics: AuditMetrics,
    maxPending = 64 << 20,
  ) {
    this.#output = output
    this.#encode = encode
    this.#errors = errors
    this.#metrics = metrics
    this.#maxPending = maxPending
  }

  /** Resolves when the events are in the file: true for all of them, false if even one is not. */
  processEvents(events: readonly E[]): Awaitable<boolean> {
    const lines: Buffer[] = []
    let bytes = 0
    for (const event of events) {
      try {
        const line = this.#encode(event)
        lines.push(line)
        bytes += line.length + 1
      } catch (err) {
        this.#errors.failed(1, `encoding: ${errorMessage(err)}`)
      }
    }
    const complete = lines.length === events.length
    if (lines.length === 0) return complete
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#maxPending) {
      this.#errors.dropped(
        lines.length,
        `the output is too slow: ${this.#pendingBytes} bytes wait to be written`,
      )
      return false
    }
    this.#pendingBytes += bytes
    const stored = new Promise<boolean>((resolve) => this.#pending.push({ lines, bytes, resolve }))
    this.#writing ??= this.#writeAll()
    return complete ? stored : stored.then(() => false)
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    if (this.#writing !== undefined && !(await settles(this.#writing, deadline))) {
      // What is under way may yet reach the file, but nobody will wait to know.
      const lost = [...this.#current, ...this.#pending]
      this.#current = []
      this.#pending = []
      this.#fail(lost, 0, 'not written before the shutdown deadline')
    }
    await settles(this.#output.close(), deadline)
  }

  async #writeAll(): Promise<void> {
    await setImmediate()
    while (this.#pending.length > 0) {
      this.#current = this.#take()
      await this.#writeCurrent()
    }
    this.#writing = undefined
  }

  /** The next calls that make up one chunk. */
  #take(): Pending[] {
    if (this.#pendingBytes <= MAX_CHUNK) {
      const all = this.#pending
      this.#pending = []
      return all
    }
    let length = 0
    const end = this.#pending.findIndex((p, i) => (length += p.bytes) > MAX_CHUNK && i > 0)
    return this.#pending.splice(0, end < 0 ? this.#pending.length : end)
  }

  async #writeCurrent(): Promise<void> {
    const block = this.#joinLines(this.#current)
    const start = performance.now()
    const { stored, error } = await this.#output.append(block)
    // Empty if the shutdown gave it up meanwhile.
    const chunk = this.#current
    this.#current = []
    this.#pendingBytes -= block.length
    if (stored < block.length) {
      this.#fail(chunk, countLines(block.subarray(0, stored)), error ?? 'short write')
      return
    }
    this.#metrics.observeDelivery(this.name, (performance.now() - start) / 1000)
    for (const p of chunk) p.resolve(true)
  }

  /** All lines, each with its newline; good until the next call. */
  #joinLines(pending: readonly Pending[]): Buffer {
    const bytes = pending.reduce((sum, one) => sum + one.bytes, 0)
    if (bytes > this.#block.length && bytes <= MAX_CHUNK) {
      this.#block = Buffer.allocUnsafeSlow(Math.min(MAX_CHUNK, bytes * 2))
    }
    const block = bytes > MAX_CHUNK ? Buffer.allocUnsafeSlow(bytes) : this.#block
    let end = 0
    for (const { lines } of pending) {
      for (const line of lines) {
        block.set(line, end)
        end += line.length
        block[end++] = NEWLINE
      }
    }
    return block.subarray(0, end)
  }

  /** Settles the calls of which the first `lines` lines are stored, and counts the rest as lost. */
  #fail(chunk: Pending[], lines: number, reason: string): void {
    let lost = 0
    let left = lines
    for (const { lines: mine, resolve } of chunk) {
      lost += Math.max(0, mine.length - left)
      resolve(mine.length <= left)
      left = Math.max(0, left - mine.length)
    }
    if (lost > 0) this.#errors.failed(lost, reason)
  }
}

function countLines(lines: Buffer): number {
  let count = 0
  for (let i = lines.indexOf(NEWLINE); i >= 0; i = lines.indexOf(NEWLINE, i + 1)) count++
  return count
}
