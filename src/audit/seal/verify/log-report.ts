import { statSync } from 'node:fs'
import { basename } from 'node:path'
import type { Statement } from '../statement.js'
import { pointOf } from './chain-file.js'
import type { Match } from './match.js'
import { count, type FileReport, type Finding } from './report.js'
import type { SealedLog } from './sealed-log.js'

/** What there is to say of one log. */
export function reportOf({ path, sealed, isElsewhere }: Match): FileReport {
  if (sealed === undefined) {
    if (statSync(path).size === 0)
      return { path, sealedLines: 0, findings: [{ kind: 'note', problem: false, message: 'it is empty' }] }
    const message = 'no seal that was given speaks of its lines'
    return { path, sealedLines: 0, findings: [{ kind: 'foreign', problem: true, message }] }
  }
  const { file, check, proven } = sealed
  const findings: Finding[] = []
  if (check.error !== undefined)
    findings.push({ kind: 'changed', problem: true, message: `cannot be read to its end: ${check.error}` })
  if (isElsewhere)
    findings.push({
      kind: 'foreign',
      problem: true,
      message: `its lines are those of ${file.name} (file ${file.number} of ${file.instance}), not of the seal beside it`,
    })
  findings.push(...changedLines(sealed), ...tail(sealed), ...marked(sealed))
  const [first, last] = [proven[0], proven.at(-1)]
  return {
    path,
    instance: file.instance,
    number: file.number,
    ...(first !== undefined && { from: first.time }),
    ...(last !== undefined && { to: last.time }),
    sealedLines: proven.reduce((sum, { lines }) => sum + lines, 0),
    findings,
  }
}

function linesOf(first: Statement, last = first): readonly [number, number] {
  return [first.line + 1, last.line + last.lines]
}

const text = ([first, last]: readonly [number, number]): string =>
  first === last ? `line ${first}` : `lines ${first} to ${last}`

function changedLines(sealed: SealedLog): Finding[] {
  const { check, file, chain } = sealed
  const missing = file.end - check.size
  return sealed.changed.map(([first, last]) => {
    const lines = linesOf(first, last)
    const before = chain.statement(first.sequence - 1)?.statement
    const isCut = missing > 0 && last === file.ranges.at(-1)
    const size =
      isCut || missing === 0 || file.ended === undefined
        ? ''
        : `, ${Math.abs(missing)} bytes ${missing > 0 ? 'fewer' : 'more'}`
    const what = isCut
      ? `${missing} bytes are missing: ${text(lines)} are not there as they were sealed`
      : `${text(lines)} are not those that were sealed${size}`
    const from = before === undefined ? 'the beginning' : `statement ${before.sequence} (${before.time})`
    return {
      kind: isCut ? 'cut-off' : 'changed',
      problem: true,
      message: `${what}, between ${from} and statement ${last.sequence} (${last.time})`,
      lines,
      ...(before !== undefined && { after: pointOf(before) }),
      before: pointOf(last),
    } satisfies Finding
  })
}

/** What stands behind all that is sealed. */
function tail(sealed: SealedLog): Finding[] {
  const { check, file, chain } = sealed
  const bytes = check.size - file.end
  // Where lines are not those that were sealed, nobody knows where the sealed ones end.
  if (bytes <= 0 || (sealed.changed.length > 0 && file.ended !== undefined)) return []
  const lines: readonly [number, number] = [file.lines + 1, file.lines + Math.max(1, check.tailLines)]
  const what = `${count(check.tailLines, 'line')}, ${count(bytes, 'byte')}, after line ${file.lines}`
  const last = file.ranges.at(-1)
  const after = last === undefined ? {} : { after: pointOf(last) }
  if (file.ended !== undefined) {
    const message = `${what}: added after it was ${file.ended.type} at ${file.ended.time}`
    return [{ kind: 'changed', problem: true, message, lines, ...after }]
  }
  const isLast = chain.last?.statement.number === file.number
  const message = `${what}: not under a checkpoint${isLast ? ' yet' : ', though the next file is'}; nothing is proven of them`
  return [{ kind: 'unsealed', problem: !isLast, message, lines, ...after }]
}

/** What the statements themselves say of lines. */
function marked({ file, path }: SealedLog): Finding[] {
  const findings: Finding[] = []
  for (const range of file.ranges) {
    const lines = linesOf(range)
    const point = { lines, before: pointOf(range) }
    if (range.type === 'foreign') {
      const message = `${text(lines)}: somebody else has written to the file while the proxy did (found at ${range.time})`
      findings.push({ kind: 'foreign', problem: true, message, ...point })
    } else if (file.addedAfterEnd.includes(range)) {
      const message = `${text(lines)}: added while the log was closed (found at ${range.time})`
      findings.push({ kind: 'foreign', problem: true, message, ...point })
    } else if (range.type === 'restarted') {
      const message = `${text(lines)} were found without a checkpoint at the start at ${range.time}, and sealed then`
      findings.push({ kind: 'restarted', problem: false, message, ...point })
    }
  }
  const name = basename(path).replace(/\.gz$/, '')
  if (file.name !== '' && name !== file.name)
    findings.push({ kind: 'note', problem: false, message: `it was called ${file.name} when it was sealed` })
  return findings
}
