import { stat } from 'node:fs/promises'
import { printable } from '../printable.js'
import { fileProblem } from '../config-files.js'
import { readLines } from '../events/lines.js'
import { formatDuration } from '../cli/values.js'
import { readCommandFlags } from '../cli/command-flags.js'
import type { Note } from '../sessions/asciicast.js'
import {
  followEvents,
  parseEvent,
  parseHeader,
  parseNote,
  readEvents,
  readHeader,
  type CastEvent,
} from '../sessions/cast-reader.js'
import { PlainText } from '../sessions/plain-text.js'
import { storedRecordings, type StoredRecording } from '../sessions/stored-recordings.js'
import { summarize } from '../sessions/summary.js'
import { CAT_USAGE, EXPORT_USAGE, fail, SHOW_USAGE } from './sessions-flags.js'
import { podText, userText } from './sessions-list.js'
import { folderProblem, write } from './sessions-output.js'
import { untilStopped } from './until-stopped.js'

export const SHOW_SUMMARY = 'Show what is known of one session.'
export const CAT_SUMMARY = 'Print the output of a session as text, without escape sequences.'
export const EXPORT_SUMMARY = 'Print a recording as asciicast v2.'

/** What players of asciicast v2 know. */
const STANDARD = ['o', 'i', 'r']

/** `sessions show`. @throws ConfigError */
export async function sessionsShow(args: readonly string[]): Promise<number> {
  const flags = readCommandFlags(args, SHOW_USAGE)
  if (flags === undefined) return 0
  const recording = await findRecording(SHOW_USAGE.name, flags.args)
  const summary = await summarize(recording)
  if (summary === undefined) fail(SHOW_USAGE.name, `${recording.file}: no recording of kube-audit-proxy`)
  const { header, startedAt, duration, exitCode, reason, incomplete } = summary
  const { metadata: of } = header
  const rows: [string, string | undefined][] = [
    ['Recording', recording.file],
    ['State', `${recording.state}, ${recording.size} bytes`],
    ['Audit ID', of.auditID],
    ['User', userText(of)],
    ['Groups', of.groups?.join(', ')],
    ['From', of.sourceIPs?.join(', ')],
    ['Client', of.userAgent],
    ['Pod', podText(of)],
    ['Request', `pods/${of.subresource}`],
    ['Command', header.command],
    ['Terminal', of.tty ? `${header.width}x${header.height}` : 'none'],
    ['Input', of.input ? 'recorded' : 'not recorded'],
    ['Started', new Date(startedAt).toISOString()],
    ['Duration', formatDuration(Math.round(duration * 1000))],
    ['Exit code', exitCode === undefined ? undefined : String(exitCode)],
    ['Ended', reason],
    ['Incomplete', incomplete],
  ]
  let text = ''
  for (const [name, value] of rows)
    if (value !== undefined) text += `${`${name}:`.padEnd(12)}${printable(value)}\n`
  for await (const event of readEvents(recording.file)) {
    const note = parseNote(event)
    const what = note === undefined ? undefined : noteText(note)
    if (what !== undefined) text += `${`${event.at.toFixed(3)}s`.padEnd(12)}${printable(what)}\n`
  }
  await write(text)
  return 0
}

/** `sessions cat`. @throws ConfigError */
export async function sessionsCat(args: readonly string[]): Promise<number> {
  const flags = readCommandFlags(args, CAT_USAGE)
  if (flags === undefined) return 0
  const recording = await findRecording(CAT_USAGE.name, flags.args)
  const plain = new PlainText()
  await untilStopped(async (signal) => {
    for await (const { code, data } of eventsOf(recording, flags.get('follow'), signal)) {
      if (signal.aborted) return
      if (code === 'o') await write(plain.write(data))
    }
  })
  return 0
}

/** `sessions export`. @throws ConfigError */
export async function sessionsExport(args: readonly string[]): Promise<number> {
  const flags = readCommandFlags(args, EXPORT_USAGE)
  if (flags === undefined) return 0
  const { file } = await findRecording(EXPORT_USAGE.name, flags.args)
  await untilStopped(async (signal) => {
    for await (const lines of readLines(file)) {
      if (signal.aborted) return
      const kept = lines.filter(
        (line) => line !== undefined && (parseHeader(line) !== undefined || isStandard(parseEvent(line))),
      )
      await write(kept.map((line) => `${line}\n`).join(''))
    }
  })
  return 0
}

/** The events of a recording; of one in progress also those that are still to come. */
export function eventsOf(
  { file, state }: StoredRecording,
  follow: boolean,
  signal: AbortSignal,
): AsyncIterable<CastEvent> {
  return follow && state === 'in progress' ? followEvents(file, signal) : readEvents(file)
}

/**
 * The recording that the arguments name: a file, or a directory and an audit ID.
 * @throws ConfigError
 */
export async function findRecording(name: string, args: readonly string[]): Promise<StoredRecording> {
  const [file, auditID, more] = args
  if (file === undefined || more !== undefined) fail(name, 'expected FILE, or DIR and AUDIT-ID')
  if (auditID === undefined) return oneFile(name, file)
  const problem = folderProblem(file)
  if (problem !== undefined) fail(name, `${file}: ${problem}`)
  const found: StoredRecording[] = []
  for await (const recording of storedRecordings(file)) {
    if ((await readHeader(recording.file))?.metadata.auditID === auditID) found.push(recording)
  }
  const [only, another] = found
  if (only === undefined) fail(name, `${file}: no recording of ${JSON.stringify(auditID)}`)
  if (another !== undefined)
    fail(name, `${file}: several recordings of it: ${found.map((one) => one.path).join(', ')}`)
  return only
}

async function oneFile(name: string, file: string): Promise<StoredRecording> {
  try {
    const found = await stat(file)
    if (found.isDirectory())
      fail(name, `${file}: is a directory, expected the AUDIT-ID of one of its sessions as well`)
    const header = await readHeader(file)
    if (header === undefined) fail(name, `${file}: no recording of kube-audit-proxy`)
    const state = file.endsWith('.part') ? 'in progress' : file.endsWith('.gz') ? 'compressed' : 'finished'
    return { path: file, file, state, size: found.size, mtime: found.mtimeMs }
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === undefined) throw err
    return fail(name, `${file}: ${fileProblem(err)}`)
  }
}

function isStandard(event: CastEvent | undefined): boolean {
  return event !== undefined && STANDARD.includes(event.code)
}

/** One note in words; undefined for what the table says already. */
function noteText(note: Note): string | undefined {
  switch (note.kind) {
    case 'binary':
      return `${note.bytes} bytes of ${note.stream} that are no text, sha256 ${note.sha256}`
    case 'input-withheld':
      return 'input that was not echoed is left out'
    case 'stopped':
      return `nothing is recorded from here on: ${note.reason}`
    case 'recovered':
      return `finished later: ${note.reason}`
    case 'end':
      return undefined
  }
}
