import { readLines } from '../events/lines.js'
import { followLines } from '../events/follow.js'
import type { Note, SessionMetadata } from './asciicast.js'

/** How often a recording in progress is looked at, in milliseconds. */
const FOLLOW_INTERVAL = 200

/** The first line of a recording of ours. */
export interface CastHeader {
  readonly width: number
  readonly height: number
  /** Seconds since the Unix epoch. */
  readonly timestamp: number
  readonly command?: string | undefined
  readonly metadata: SessionMetadata
}

export interface CastEvent {
  /** Seconds since the begin. */
  readonly at: number
  readonly code: string
  readonly data: string
}

/** The header of a recording, from its first line. Undefined where it is none of ours. */
export function parseHeader(line: string): CastHeader | undefined {
  try {
    const header = JSON.parse(line) as CastHeader & { version?: number; 'kube-audit-proxy'?: SessionMetadata }
    const metadata = header['kube-audit-proxy']
    if (header.version !== 2 || metadata === undefined || typeof metadata.auditID !== 'string')
      return undefined
    return { ...header, metadata }
  } catch {
    return undefined
  }
}

/** One event. Undefined where the line is none. */
export function parseEvent(line: string): CastEvent | undefined {
  try {
    const [at, code, data] = JSON.parse(line) as unknown[]
    if (typeof at !== 'number' || typeof code !== 'string' || typeof data !== 'string') return undefined
    return { at, code, data }
  } catch {
    return undefined
  }
}

/** What a note says; undefined where the event is none. */
export function parseNote({ code, data }: CastEvent): Note | undefined {
  if (code !== 'n') return undefined
  try {
    return JSON.parse(data) as Note
  } catch {
    return undefined
  }
}

/** Rejects with the system's error, or zlib's. Undefined where the file is no recording of ours. */
export async function readHeader(file: string): Promise<CastHeader | undefined> {
  for await (const [line] of readLines(file)) {
    if (line !== undefined) return parseHeader(line)
  }
  return undefined
}

/** The events of a recording, behind its header. */
export async function* readEvents(file: string): AsyncGenerator<CastEvent> {
  yield* events(readLines(file))
}

/** The events of a recording in progress, as they are written, to its end. */
export async function* followEvents(file: string, signal: AbortSignal): AsyncGenerator<CastEvent> {
  const options = { from: 'start', interval: FOLLOW_INTERVAL, signal } as const
  for await (const event of events(followLines(file, options))) {
    yield event
    const kind = parseNote(event)?.kind
    if (kind === 'end' || kind === 'recovered') return
  }
}

async function* events(pieces: AsyncIterable<(string | undefined)[]>): AsyncGenerator<CastEvent> {
  for await (const lines of pieces) {
    for (const line of lines) {
      const event = line === undefined ? undefined : parseEvent(line)
      if (event !== undefined) yield event
    }
  }
}
