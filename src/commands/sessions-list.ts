import { matchesPattern } from '../events/filter.js'
import { printable, printableJSON } from '../printable.js'
import type { SessionMetadata } from '../sessions/asciicast.js'
import { storedRecordings } from '../sessions/stored-recordings.js'
import { summarize, type SessionSummary } from '../sessions/summary.js'
import { errorMessage } from '../errors.js'
import { formatDuration } from '../cli/values.js'
import { readCommandFlags, type CommandFlags } from '../cli/command-flags.js'
import { parseTime } from './events-flags.js'
import { fail, LIST_USAGE } from './sessions-flags.js'
import { folderProblem, warn, write } from './sessions-output.js'

export const LIST_SUMMARY = 'List the recordings of a directory.'

/** Characters of a command that are shown in the table. */
const MAX_COMMAND = 60

/**
 * @returns the exit code
 * @throws ConfigError
 */
export async function sessionsList(args: readonly string[]): Promise<number> {
  const flags = readCommandFlags(args, LIST_USAGE)
  if (flags === undefined) return 0
  const [directory, more] = flags.args
  if (directory === undefined || more !== undefined)
    fail(LIST_USAGE.name, 'expected one DIR: what --session-recording-path says')
  const problem = folderProblem(directory)
  if (problem !== undefined) fail(LIST_USAGE.name, `${directory}: ${problem}`)
  const matches = newFilter(flags, Date.now())
  const found: SessionSummary[] = []
  let failed = 0
  for await (const recording of storedRecordings(directory)) {
    try {
      const summary = await summarize(recording)
      if (summary === undefined) throw new Error('no recording of kube-audit-proxy')
      if (matches(summary)) found.push(summary)
    } catch (err) {
      failed++
      warn(LIST_USAGE.name, `${printable(recording.file)}: ${errorMessage(err)}`)
    }
  }
  found.sort((a, b) => a.startedAt - b.startedAt)
  const json = flags.get('output') === 'json'
  await write(
    json ? found.map((one) => `${printableJSON(JSON.stringify(plain(one)))}\n`).join('') : table(found),
  )
  return failed > 0 ? 1 : 0
}

function newFilter(
  flags: CommandFlags<typeof LIST_USAGE.flags>,
  now: number,
): (summary: SessionSummary) => boolean {
  const since = parseTime(flags.get('since'), now) ?? -Infinity
  const until = parseTime(flags.get('until'), now) ?? Infinity
  if (since > until) fail(LIST_USAGE.name, '--since is later than --until')
  const like = (patterns: readonly string[], values: readonly (string | undefined)[]): boolean =>
    patterns.length === 0 ||
    values.some((value) => value !== undefined && patterns.some((pattern) => matchesPattern(pattern, value)))
  return ({ header: { metadata: of }, startedAt }) =>
    like(flags.get('user'), [of.user, of.impersonatedUser]) &&
    like(flags.get('namespace'), [of.namespace]) &&
    like(flags.get('name'), [of.pod]) &&
    like(flags.get('resource'), ['pods', `pods/${of.subresource}`]) &&
    (flags.get('audit-id').length === 0 || flags.get('audit-id').includes(of.auditID)) &&
    // The header has whole seconds.
    startedAt + 999 >= since &&
    startedAt <= until
}

/** What a session is in JSON. */
function plain({ recording, header, startedAt, ...of }: SessionSummary): object {
  return {
    ...header.metadata,
    started: new Date(startedAt).toISOString(),
    durationSeconds: of.duration,
    state: recording.state,
    exitCode: of.exitCode,
    reason: of.reason,
    incomplete: of.incomplete,
    recording: recording.path,
    size: recording.size,
  }
}

function table(found: readonly SessionSummary[]): string {
  const rows = [
    ['STARTED', 'USER', 'POD', 'DURATION', 'EXIT', 'AUDIT ID', 'COMMAND'],
    ...found.map((one) => [
      new Date(one.startedAt).toISOString().slice(0, 19).replace('T', ' '),
      userText(one.header.metadata),
      podText(one.header.metadata),
      formatDuration(Math.round(one.duration * 10) * 100),
      exitText(one),
      one.header.metadata.auditID,
      (one.header.command ?? `(${one.header.metadata.subresource})`).slice(0, MAX_COMMAND),
    ]),
  ].map((row) => row.map((cell) => printable(String(cell))))
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

export function userText({ user, impersonatedUser }: SessionMetadata): string {
  return impersonatedUser === undefined ? user : `${user} as ${impersonatedUser}`
}

export function podText({ namespace, pod, container }: SessionMetadata): string {
  return [namespace, pod, container].filter(Boolean).join('/')
}

/** The exit code, or that there is none, with a mark where not all is recorded. */
function exitText({ exitCode, incomplete, recording, reason }: SessionSummary): string {
  const code = exitCode ?? (recording.state === 'in progress' && reason === undefined ? 'running' : '-')
  return incomplete === undefined ? String(code) : `${code}!`
}
