/** What can be said of a log, a seal or a chain. */
export type FindingKind =
  /** Lines are not those that were sealed. */
  | 'changed'
  /** The end is missing. */
  | 'cut-off'
  /** A file that was sealed is not there. */
  | 'missing'
  /** Statements are missing. */
  | 'gap'
  /** Not of this place: a file that no seal speaks of, lines that somebody else has written, another key. */
  | 'foreign'
  /** Lines after the last checkpoint; a file that is being written, or was finished after it. */
  | 'unsealed'
  /** Retention took it, and that is signed. */
  | 'removed'
  /** Lines that were found unsealed after a crash, and sealed then. */
  | 'restarted'
  /** Notes of other kinds. */
  | 'note'

/** A statement, as somebody who reads the report finds it. */
export interface Point {
  readonly sequence: number
  readonly time: string
}

export interface Finding {
  readonly kind: FindingKind
  /** Whether it makes the log not whole. */
  readonly problem: boolean
  readonly message: string
  /** Lines of the file, from 1, both included. */
  readonly lines?: readonly [first: number, last: number]
  /** The statements that it lies between. */
  readonly after?: Point
  readonly before?: Point
}

/** What there is to say of one file that was handed over. */
export interface FileReport {
  readonly path: string
  readonly instance?: string
  /** Which file of its chain it is, from 1. */
  readonly number?: number
  /** When its first and its last lines were sealed. */
  readonly from?: string
  readonly to?: string
  /** How many of its lines are proven to be those that were sealed. */
  readonly sealedLines: number
  /** Of a file that was sealed as a whole: bytes, uncompressed. */
  readonly size?: number
  readonly findings: readonly Finding[]
}

/** What there is to say of a chain of statements: of all that one proxy has written to one log. */
export interface ChainReport {
  readonly instance: string
  readonly statements: number
  readonly findings: readonly Finding[]
}

export interface Report {
  readonly whole: boolean
  readonly files: readonly FileReport[]
  readonly chains: readonly ChainReport[]
}

/** The report as text, one line for each thing that there is to say. */
export function formatReport({ whole, files, chains }: Report): string {
  const lines: string[] = []
  const say = (findings: readonly Finding[]) => {
    for (const { kind, problem, message } of findings)
      lines.push(`  ${problem ? kind.toUpperCase() : kind}: ${message}`)
  }
  for (const { path, sealedLines, size, from, to, instance, number, findings } of files) {
    const isWhole = !findings.some(({ problem }) => problem)
    const when = from === undefined ? '' : `, sealed from ${from} to ${to}`
    const which = instance === undefined ? '' : ` (file ${number} of ${instance.slice(0, 8)})`
    lines.push(
      `${path}: ${isWhole ? 'whole' : 'NOT WHOLE'}: ${size === undefined ? count(sealedLines, 'line') : count(size, 'byte')}${when}${which}`,
    )
    say(findings)
  }
  for (const { instance, statements, findings } of chains) {
    lines.push(`instance ${instance}: ${count(statements, 'statement')}`)
    say(findings)
  }
  const problems = [...files, ...chains]
    .flatMap(({ findings }) => findings)
    .filter(({ problem }) => problem).length
  lines.push(whole ? 'whole' : `NOT WHOLE: ${count(problems, 'problem')}`)
  return lines.map((line) => `${printable(line)}\n`).join('')
}

export function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}

/** Names of files may hold what moves a terminal's cursor. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}
