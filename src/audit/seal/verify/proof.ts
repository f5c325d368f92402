import { ConfigError } from '../../../errors.js'
import type { PublicKey } from '../keys.js'
import { leavesOf } from '../leaves.js'
import { auditPath, fromHex, leafHash, rootFromPath, toHex } from '../merkle.js'
import { isSignedBy, parseStatement, type Statement } from '../statement.js'
import type { SealedLog } from './sealed-log.js'

/** That a line was in a log, for whoever has the public key and nothing else. */
export interface LineProof {
  /** The line without its newline. */
  readonly line: string
  /** Its place among the lines of the statement's range, from 0. */
  readonly index: number
  /** The audit path of RFC 6962: the nodes beside the way from the line to the root, in hex, the lowest first. */
  readonly path: readonly string[]
  /** The statement that seals the range, as it stands in the seal. */
  readonly statement: string
}

/** What `verify --prove` writes. */
export interface Proof {
  readonly proof: 1
  readonly auditID: string
  readonly lines: readonly LineProof[]
}

const NEWLINE = 0x0a

/** The proofs of all lines of an audit ID that the logs have under good statements. */
export async function prove(auditID: string, logs: readonly SealedLog[]): Promise<Proof> {
  const wanted = Buffer.from(`"auditID":${JSON.stringify(auditID)}`)
  const lines: LineProof[] = []
  for (const log of logs) {
    for await (const { statement, bytes } of log.pieces()) {
      if (!bytes.includes(wanted)) continue
      const leaves = leavesOf(bytes)
      for (const [index, line] of splitLines(bytes).entries()) {
        if (!line.includes(wanted) || auditIDOf(line) !== auditID) continue
        const path = auditPath(leaves, index).map(toHex)
        lines.push({ line: line.toString('utf8'), index, path, statement: statement.line.toString('utf8') })
      }
    }
  }
  return { proof: 1, auditID, lines }
}

/** The lines of these bytes, without their newlines. */
export function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
  if (start < bytes.length) lines.push(bytes.subarray(start))
  return lines
}

/** What a request's body says in the same words is no audit ID. */
function auditIDOf(line: Buffer): unknown {
  try {
    return (JSON.parse(line.toString('utf8')) as { auditID?: unknown }).auditID
  } catch {
    return undefined
  }
}

/**
 * Reads a proof.
 * @throws ConfigError where it is none
 */
export function parseProof(text: string, where: string): Proof {
  let value: Partial<Proof> | null = null
  try {
    value = JSON.parse(text) as Partial<Proof> | null
  } catch {
    // Said below.
  }
  const isProof = value?.proof === 1 && Array.isArray(value.lines) && value.lines.every(isLineProof)
  if (!isProof)
    throw new ConfigError(`${where}: found something else, expected a proof as verify --prove writes it`)
  return value as Proof
}

function isLineProof(value: unknown): value is LineProof {
  if (typeof value !== 'object' || value === null) return false
  const { line, index, path, statement } = value as Record<string, unknown>
  const isPath =
    Array.isArray(path) && path.length < 64 && path.every((node) => /^[0-9a-f]{64}$/.test(String(node)))
  return typeof line === 'string' && typeof statement === 'string' && Number.isSafeInteger(index) && isPath
}

/** What a line's proof shows: the statement, where it holds, or why it does not. */
export function checkLineProof(
  { line, index, path, statement: text }: LineProof,
  keys: readonly PublicKey[],
): { readonly statement: Statement } | { readonly problem: string } {
  const one = parseStatement(Buffer.from(text))
  if (one === undefined) return { problem: 'its statement is none' }
  if (!isSignedBy(one, new Map(keys.map((key) => [key.id, key]))))
    return { problem: `its statement is not signed with a key that was given, but with ${one.statement.key}` }
  const { lines, root } = one.statement
  const found =
    index < 0 ? undefined : rootFromPath(leafHash(Buffer.from(line)), index, lines, path.map(fromHex))
  if (found === undefined || toHex(found) !== root)
    return { problem: 'the line is not among those of its statement' }
  return { statement: one.statement }
}
