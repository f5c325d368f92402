import { open } from 'node:fs/promises'
import {
  parseEvent,
  parseNote,
  readEvents,
  readHeader,
  type CastEvent,
  type CastHeader,
} from './cast-reader.js'
import type { StoredRecording } from './stored-recordings.js'

/** From the end of a recording: its last notes are in it. */
const TAIL_BYTES = 64 * 1024

/** A session, as far as its recording tells. */
export interface SessionSummary {
  readonly recording: StoredRecording
  readonly header: CastHeader
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number
  /** Seconds, to the last thing that is recorded. */
  readonly duration: number
  /** Undefined where nobody said one, or it goes on. */
  readonly exitCode: number | undefined
  /** Why it ended; undefined while it goes on. */
  readonly reason: string | undefined
  /** Why not all of it is recorded; undefined where all is. */
  readonly incomplete: string | undefined
}

/** Undefined where the file is no recording of ours. Rejects where it cannot be read. */
export async function summarize(recording: StoredRecording): Promise<SessionSummary | undefined> {
  const header = await readHeader(recording.file)
  if (header === undefined) return undefined
  let [duration, exitCode, reason, incomplete]: [number, number?, string?, string?] = [0]
  for await (const event of lastEvents(recording)) {
    duration = event.at
    const note = parseNote(event)
    if (note?.kind === 'end') [exitCode, reason] = [note.exitCode, note.reason]
    if (note?.kind === 'recovered') reason = note.reason
    if (note?.kind === 'stopped' || note?.kind === 'recovered') incomplete ??= note.reason
  }
  return { recording, header, startedAt: header.timestamp * 1000, duration, exitCode, reason, incomplete }
}

/** Of what is compressed all have to be read. */
async function* lastEvents({ file, state, size }: StoredRecording): AsyncGenerator<CastEvent> {
  if (state === 'compressed' || size <= TAIL_BYTES) {
    yield* readEvents(file)
    return
  }
  const handle = await open(file, 'r')
  try {
    const buffer = Buffer.alloc(TAIL_BYTES)
    const { bytesRead } = await handle.read(buffer, 0, TAIL_BYTES, size - TAIL_BYTES)
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
    for (const line of lines.slice(1)) {
      const event = parseEvent(line)
      if (event !== undefined) yield event
    }
  } finally {
    await handle.close()
  }
}
