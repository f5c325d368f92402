import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { backupPaths } from '../audit/backend/log/backups.js'
import { isSealName } from '../audit/seal/seal-file.js'
import { ConfigError, errorMessage } from '../errors.js'
import { matchesQuery, type EventQuery } from '../events/filter.js'
import { wholeLines } from '../events/container-lines.js'
import { followLines } from '../events/follow.js'
import { formatEvent, wantsColor } from '../events/format.js'
import { readLines, type Line } from '../events/lines.js'
import { parseLoggedEvents, type LoggedEvent } from '../events/logged-event.js'
import { Summary } from '../events/summary.js'
import { formatSummary } from '../events/summary-text.js'
import { fileProblem } from '../config-files.js'
import { printable, printableJSON } from '../printable.js'
import type { Command } from '../cli/commands.js'
import { readCommandFlags } from '../cli/command-flags.js'
import { EVENTS_USAGE, eventQuery, type EventsFlags } from './events-flags.js'
import { untilStopped } from './until-stopped.js'
import { VerifiedLogs } from './verified-lines.js'
import { trustedKeys } from './verify.js'

/** How often a followed log is looked at, in milliseconds. */
const FOLLOW_INTERVAL = 250

/** `kube-audit-proxy events`. */
export const eventsCommand: Command = {
  name: 'events',
  summary: 'Show, filter or summarize the events of audit logs.',
  async run(args) {
    const flags = readCommandFlags(args, EVENTS_USAGE)
    if (flags === undefined) return 0
    return untilStopped((signal) => new EventReader(flags, signal).run())
  },
}

/** Where events go that were asked for. */
interface Output {
  /** @param line the event as it is in the log */
  event(event: LoggedEvent, line: string): void
  /** After each piece of a log. */
  flush(): Promise<void>
  end(): Promise<void>
}

class EventReader {
  readonly #query: EventQuery
  readonly #output: Output
  #badLines = 0
  #failedFiles = 0

  readonly #flags: EventsFlags
  readonly #signal: AbortSignal

  constructor(flags: EventsFlags, signal: AbortSignal) {
    this.#flags = flags
    this.#signal = signal
    this.#query = eventQuery(flags, Date.now())
    this.#output = newOutput(flags, this.#query, signal)
  }

  async run(): Promise<number> {
    const flags = this.#flags
    const signal = this.#signal
    const files = flags.args.length === 0 ? ['-'] : flags.args.filter((file) => !isSealName(basename(file)))
    if (flags.get('verified-only')) {
      await this.#verified(files)
    } else if (flags.get('follow')) {
      const [file = '-', second] = files
      if (file === '-' || second !== undefined) fail('--follow needs exactly one FILE')
      if (flags.get('summary')) fail('--follow and --summary are both set, expected only one of the two')
      if (!existsSync(file)) fail(`${file}: no such file`)
      if (flags.get('backups')) for (const backup of await backupPaths(file)) await this.#file(backup)
      const from = flags.get('backups') || flags.isSet('since') ? 'start' : 'end'
      await this.#lines(file, followLines(file, { from, interval: FOLLOW_INTERVAL, signal }))
    } else {
      for (const file of files) {
        if (flags.get('backups') && file !== '-') {
          for (const backup of await this.#backups(file)) await this.#file(backup)
        }
        await this.#file(file)
      }
    }
    await this.#output.end()
    if (this.#badLines > 0) {
      const what =
        this.#badLines === 1
          ? '1 line that is no event was'
          : `${this.#badLines} lines that are no events were`
      warn(`${what} left out`)
    }
    return this.#failedFiles > 0 ? 1 : 0
  }

  /** What is proven of the files, and nothing else. */
  async #verified(files: readonly string[]): Promise<void> {
    if (this.#flags.get('follow'))
      fail('--follow and --verified-only are both set, expected only one of the two')
    if (files.includes('-')) fail('--verified-only needs FILE: there is no seal beside standard input')
    const keys = trustedKeys(this.#flags.get('key'), 'events')
    const all: string[] = []
    for (const file of files) all.push(...(this.#flags.get('backups') ? await this.#backups(file) : []), file)
    const logs = await VerifiedLogs.read(all, keys)
    if (!logs.isWhole) warn('not all is as it was sealed: kube-audit-proxy verify says what')
    for (const file of all) {
      const lines = logs.lines(file)
      if (lines !== undefined) await this.#lines(file, lines)
      else this.#failed(file, new Error('no seal speaks of its lines'))
    }
  }

  async #backups(file: string): Promise<string[]> {
    try {
      return await backupPaths(file)
    } catch (err) {
      this.#failed(file, err)
      return []
    }
  }

  async #file(file: string): Promise<void> {
    if (!this.#signal.aborted) await this.#lines(file, readLines(file))
  }

  /** A log that cannot be read to its end does not keep the others from being read. */
  async #lines(file: string, pieces: AsyncIterable<Line[]>): Promise<void> {
    try {
      for await (const lines of wholeLines(pieces)) {
        for (const line of lines) if (line !== '') this.#line(line)
        await this.#output.flush()
        if (this.#signal.aborted && !this.#flags.get('follow')) return
      }
    } catch (err) {
      this.#failed(file, err)
    }
  }

  #line(line: Line): void {
    const found = line === undefined ? [undefined] : parseLoggedEvents(line)
    for (const logged of found) {
      if (logged === undefined) this.#badLines++
      else if (matchesQuery(this.#query, logged.event)) this.#output.event(logged.event, logged.line)
    }
  }

  #failed(file: string, err: unknown): void {
    this.#failedFiles++
    const code = (err as NodeJS.ErrnoException | undefined)?.code
    const damaged = code?.startsWith('Z_') === true
    warn(`${file}: ${damaged ? `damaged gzip: ${errorMessage(err)}` : fileProblem(err)}`)
  }
}

function newOutput(flags: EventsFlags, query: EventQuery, signal: AbortSignal): Output {
  const json = flags.get('output') === 'json'
  const when = flags.get('color')
  const color = when === 'auto' ? wantsColor(process.stdout.isTTY, process.env) : when === 'always'
  if (flags.get('summary')) {
    const summary = query.stages.length === 0 ? new Summary() : new Summary(query.stages)
    return {
      event: (event) => summary.add(event),
      flush: () => Promise.resolve(),
      end() {
        const report = summary.report()
        return write(
          json ? `${printableJSON(JSON.stringify(report))}\n` : formatSummary(report, { color }),
          signal,
        )
      },
    }
  }
  let text = ''
  const flush = async (): Promise<void> => {
    const ready = text
    text = ''
    await write(ready, signal)
  }
  return {
    event(event, line) {
      text += json ? `${printableJSON(line)}\n` : `${formatEvent(event, { color, date: true })}\n`
    },
    flush,
    end: flush,
  }
}

/** Waits until the reader of standard output can take more, or is gone. */
function write(text: string, signal: AbortSignal): Promise<void> {
  if (text === '' || process.stdout.write(text)) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      process.stdout.off('drain', done).off('error', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    process.stdout.once('drain', done).once('error', done)
    signal.addEventListener('abort', done)
  })
}

function warn(message: string): void {
  process.stderr.write(`kube-audit-proxy: events: ${printable(message)}\n`)
}

function fail(problem: string): never {
  throw new ConfigError(`events: ${problem}`)
}
