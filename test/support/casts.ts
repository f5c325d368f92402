import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/** A recording as a test looks at it. */
export interface Cast {
  readonly header: {
    readonly width: number
    readonly height: number
    readonly command?: string
    readonly 'kube-audit-proxy': Record<string, unknown>
  }
  readonly events: readonly (readonly [number, string, string])[]
}

/** The recordings below a directory, of whatever state, relative to it and sorted. */
export function castFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.cast(\.gz|\.part)?$/.test(name))
    .sort()
}

/** Throws where a line is no JSON. */
export function readCast(directory: string, path: string): Cast {
  const bytes = readFileSync(join(directory, path))
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  if (!text.endsWith('\n')) throw new Error(`${path}: the last line is not whole`)
  const [header, ...events] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  return { header, events } as Cast
}

/** All data of one kind of event, joined. */
export function dataOf({ events }: Cast, code: string): string {
  return events
    .filter((event) => event[1] === code)
    .map(([, , data]) => data)
    .join('')
}

/** What the notes say. */
export function notesOf({ events }: Cast): Record<string, unknown>[] {
  return events
    .filter(([, code]) => code === 'n')
    .map(([, , data]) => JSON.parse(data) as Record<string, unknown>)
}
