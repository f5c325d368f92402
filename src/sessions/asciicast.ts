/**
 * The kinds of event in a recording. Those of asciicast v2: o (output), i (input), r (the terminal's size), and x, the exit
 * code, as version 3 has it. Of our own, which players pass over: s, the stream that `o` events are of from here on, and n, a
 * note, in JSON.
 */
export type EventCode = 'o' | 'i' | 'r' | 'x' | 's' | 'n'

/** What `kube-audit-proxy` in a recording's header says. */
export interface SessionMetadata {
  readonly auditID: string
  readonly user: string
  readonly groups?: readonly string[] | undefined
  readonly impersonatedUser?: string | undefined
  readonly sourceIPs?: readonly string[] | undefined
  readonly userAgent?: string | undefined
  readonly namespace: string
  readonly pod: string
  readonly container?: string | undefined
  readonly subresource: string
  readonly command?: readonly string[] | undefined
  readonly tty: boolean
  readonly stdin: boolean
  /** Whether input is recorded. */
  readonly input: boolean
  /** The process that wrote it. */
  readonly pid: number
}

/** What a terminal is taken to be whose size nobody says. */
export const DEFAULT_SIZE: TerminalSize = { width: 80, height: 24 }

export interface TerminalSize {
  readonly width: number
  readonly height: number
}

/** What a note says. */
export type Note =
  /** The session is over. */
  | { readonly kind: 'end'; readonly exitCode?: number | undefined; readonly reason: string }
  /** Bytes that are no text passed here. */
  | { readonly kind: 'binary'; readonly stream: string; readonly bytes: number; readonly sha256: string }
  /** Input that did not come back from the terminal is left out. */
  | { readonly kind: 'input-withheld' }
  /** Nothing is recorded from here on. */
  | { readonly kind: 'stopped'; readonly reason: string }
  /** The process that wrote this was gone before the session's end was written. */
  | { readonly kind: 'recovered'; readonly reason: string }

/** Spaces that a header line is longer than it needs to be, so that another size fits into its place. */
const ROOM = 12

/**
 * The first line of a recording.
 * @param startedAt milliseconds since the Unix epoch
 */
export function headerLine(metadata: SessionMetadata, startedAt: number, size: TerminalSize): string {
  const { auditID, user, namespace, pod, command } = metadata
  const line = (of: TerminalSize): string =>
    JSON.stringify({
      version: 2,
      ...of,
      timestamp: Math.floor(startedAt / 1000),
      ...(command === undefined ? {} : { command: shellWords(command) }),
      title: `${user}: ${namespace}/${pod}`,
      'kube-audit-proxy': { ...metadata, auditID },
    })
  return `${line(size).padEnd(line(DEFAULT_SIZE).length + ROOM)}\n`
}

/** @param at milliseconds since the recording's begin */
export function eventLine(at: number, code: EventCode, data: string): string {
  return `[${(at / 1000).toFixed(6)},"${code}",${JSON.stringify(data)}]\n`
}

/** @param at milliseconds since the recording's begin */
export function noteLine(at: number, note: Note): string {
  return eventLine(at, 'n', JSON.stringify(note))
}

/** A command as one would type it. */
export function shellWords(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ')
}
