import { basename } from 'node:path'
import { errorMessage } from '../../../errors.js'
import { readSeal } from '../seal-file.js'
import type { SignedStatement } from '../statement.js'
import type { Finding } from './report.js'

/** A statement, and where it stands. */
export interface Located {
  readonly one: SignedStatement
  /** The path of the seal. */
  readonly seal: string
  readonly lineNumber: number
}

/** A seal that was read. */
export interface ReadSeal {
  readonly path: string
  readonly statements: readonly Located[]
  readonly findings: readonly Finding[]
}

/** Reads all statements of a seal. What is none, and what is out of its order, is a finding. */
export async function loadSeal(path: string, onRead: (bytes: number) => void): Promise<ReadSeal> {
  const statements: Located[] = []
  const findings: Finding[] = []
  const problem = (kind: 'changed' | 'cut-off', message: string) =>
    findings.push({ kind, problem: true, message: `${basename(path)}: ${message}` })
  const last = new Map<string, number>()
  try {
    for await (const { lineNumber, statement: one, torn } of readSeal(path, onRead)) {
      if (torn) problem('cut-off', `line ${lineNumber} has no end`)
      if (one === undefined) {
        if (!torn) problem('changed', `line ${lineNumber} is no statement`)
        continue
      }
      const { instance, sequence } = one.statement
      if (sequence <= (last.get(instance) ?? -1))
        problem('changed', `line ${lineNumber} has statement ${sequence} again, or out of its order`)
      last.set(instance, sequence)
      statements.push({ one, seal: path, lineNumber })
    }
  } catch (err) {
    problem('changed', `cannot be read to its end: ${errorMessage(err)}`)
  }
  return { path, statements, findings }
}
