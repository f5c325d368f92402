import { basename } from 'node:path'
import { wholeLines } from '../../../events/container-lines.js'
import { readLines } from '../../../events/lines.js'
import { SEAL_ANNOTATION } from '../anchor-event.js'
import { parseStatement, STATEMENT_START, type SignedStatement } from '../statement.js'
import type { Chain } from './chain.js'
import { pointOf } from './chain-file.js'
import type { Finding } from './report.js'

/** An annotation as it stands in an event's JSON, whatever the event is wrapped into. */
const ANNOTATION = new RegExp(
  `"${SEAL_ANNOTATION.replaceAll('.', '\\.')}"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*")`,
  'g',
)

/**
 * The statements that were sent to another system: lines of standard output, or events of a webhook, in any wrapping that
 * `events` reads, too. Rejects with the system's error.
 */
export async function readAnchors(path: string): Promise<SignedStatement[]> {
  const found: SignedStatement[] = []
  for await (const lines of wholeLines(readLines(path))) {
    for (const line of lines) {
      if (line === undefined) continue
      const texts = line.startsWith(STATEMENT_START)
        ? [line]
        : [...line.matchAll(ANNOTATION)].flatMap(([, quoted]) => unquoted(quoted ?? ''))
      for (const text of texts) {
        const one = parseStatement(Buffer.from(text))
        if (one !== undefined) found.push(one)
      }
    }
  }
  return found
}

function unquoted(text: string): string[] {
  try {
    return [JSON.parse(text) as string]
  } catch {
    return []
  }
}

/** Compares a chain with what of it was anchored. */
export function compareAnchors(chain: Chain, anchors: readonly SignedStatement[], path: string): Finding[] {
  const findings: Finding[] = []
  const name = basename(path)
  const last = chain.last?.statement.sequence ?? -1
  let beyond: SignedStatement | undefined
  for (const anchor of anchors) {
    const { sequence } = anchor.statement
    const here = chain.statement(sequence)
    if (sequence > last) {
      if (beyond === undefined || sequence > beyond.statement.sequence) beyond = anchor
    } else if (here !== undefined && here.hash !== anchor.hash) {
      const message = `statement ${sequence} is not the one in ${name}: the chain was rewritten`
      findings.push({ kind: 'changed', problem: true, message, before: pointOf(anchor.statement) })
    }
  }
  if (beyond !== undefined) {
    const { sequence, time, line, lines, file } = beyond.statement
    const message = `${name} has statement ${sequence} (${time}), at line ${line + lines} of ${file}; here the last one is ${last}`
    findings.push({ kind: 'cut-off', problem: true, message, before: pointOf(beyond.statement) })
  }
  return findings
}
