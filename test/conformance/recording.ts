import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { LoggedEvent } from '../support/audit-log.js'

/** A body as it was recorded: as text, or in base64 where it is not text. */
export type RecordedBody = { readonly text: string } | { readonly base64: string }

/** One request that a real kube-apiserver (1.20.2 or 1.37.2) answered, and the audit events that it logged for it. */
export interface Row {
  readonly name: string
  /** Whose credentials it came with. */
  readonly as: string
  /** What a TokenReview says of its bearer token, where that is not the same in every row. */
  readonly tokenUser?: object | null
  readonly auditID: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: RecordedBody
  }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body?: RecordedBody
  }
  readonly events: readonly LoggedEvent[]
}

/**
 * Every row of a recording. Integers beyond 2^53 stay apart from their neighbours: they are read as `int:` strings, but in a
 * row where something within a string looks like one.
 */
export function readRecording(file: string): Row[] {
  return gunzipSync(readFileSync(file))
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (exactly(line) ?? JSON.parse(line)) as Row)
}

export function bytesOf(body: RecordedBody): Buffer {
  return 'base64' in body ? Buffer.from(body.base64, 'base64') : Buffer.from(body.text)
}

/** JSON.parse that does not round large integers; undefined for what is not JSON. */
export function exactly(json: string): unknown {
  try {
    return JSON.parse(json.replace(/([:[,]\s*)(-?\d{16,})(?=\s*[,}\]])/g, '$1"int:$2"'))
  } catch {
    return undefined
  }
}
