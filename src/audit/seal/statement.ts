import type { PublicKey, SealKey } from './keys.js'
import type { Range } from './range.js'
import { sha256, toHex } from './merkle.js'

/** What a statement may say. docs/integrity.md has the meaning of each. */
export const STATEMENT_TYPES = [
  'opened',
  'checkpoint',
  'restarted',
  'foreign',
  'rotated',
  'closed',
  'removed',
  'key-changed',
  'file',
] as const
export type StatementType = (typeof STATEMENT_TYPES)[number]

/** Statements of a chain from one to another, by their sequence numbers, both included. */
export type SequenceRange = readonly [from: number, to: number]

/** What some statements say besides. */
export interface StatementExtras {
  /** opened: the file's inode, by which it is found again after a crash. */
  readonly inode?: number
  /** opened, removed: the statements that retention has taken with their files, all of them. */
  readonly removed?: readonly SequenceRange[]
  /** opened: the keys of before, in hex, the last one last. */
  readonly keys?: readonly string[]
  /** rotated: the name that the file has now, where it is known. */
  readonly to?: string
  /** removed: the log file. */
  readonly of?: string
  /** key-changed: the public key that signs from the next statement on, in hex. */
  readonly newKey?: string
  /** file, removed: a whole file beside the log, such as a recording. */
  readonly path?: string
  readonly size?: number
  readonly sha256?: string
}

/** A statement about a place in a log file: the range that it seals, or one of no lines at the place up to which all is sealed. */
export interface StatementBody extends Range, StatementExtras {
  readonly type: StatementType
  /** The log file's name when the statement was made, without its directory. */
  readonly file: string
  /** Which file of the chain it is, from 1. */
  readonly number: number
}

export interface Statement extends StatementBody {
  readonly seal: 1
  /** Who writes: 32 hex digits. Each chain has its own. */
  readonly instance: string
  /** Its place in the chain, from 0. */
  readonly sequence: number
  /** RFC 3339, UTC. */
  readonly time: string
  /** The id of the key that signed it. */
  readonly key: string
  /** Lines of the chain up to here, of all its files, those of this range included. */
  readonly total: number
  /** SHA-256 of the statement before, as a line without newline; 64 zeros in the first one. */
  readonly previous: string
}

/** What the statement's place in its chain adds to it. */
export type Link = Pick<Statement, 'instance' | 'sequence' | 'time' | 'total' | 'previous'>

/** A statement as it stands in a file. */
export interface SignedStatement {
  readonly statement: Statement
  /** Without newline. */
  readonly line: Buffer
  /** What is signed: the line up to `,"signature":`. */
  readonly signed: Buffer
  readonly signature: Buffer
  /** SHA-256 of the line, in hex: what the next one calls `previous`. */
  readonly hash: string
}

export const FIRST_PREVIOUS = '0'.repeat(64)
/** What each line of a seal begins with. */
export const STATEMENT_START = '{"seal":1,'
/** `,"signature":"` and 128 hex digits and `"}`: the end of each line. */
const SIGNATURE = /^,"signature":"([0-9a-f]{128})"\}$/
const SIGNATURE_LENGTH = ',"signature":""}'.length + 128

/** Signs a statement, as one line without newline. */
export function signStatement(body: StatementBody, link: Link, key: SealKey): SignedStatement {
  const { type, file, number, offset, length, line, lines, root, ...extras } = body
  const { instance, sequence, time, total, previous } = link
  const statement: Statement = {
    seal: 1,
    type,
    instance,
    sequence,
    time,
    key: key.publicKey.id,
    file,
    number,
    offset,
    length,
    line,
    lines,
    root,
    total,
    ...extras,
    previous,
  }
  const signed = Buffer.from(JSON.stringify(statement).slice(0, -1))
  const signature = key.sign(signed)
  const text = Buffer.concat([signed, Buffer.from(`,"signature":"${signature.toString('hex')}"}`)])
  return { statement, line: text, signed, signature, hash: toHex(sha256(text)) }
}

/** Reads a line; undefined where it is no statement. Nothing is said of its signature. */
export function parseStatement(line: Buffer): SignedStatement | undefined {
  const end = line.length - SIGNATURE_LENGTH
  const hex = end > 0 ? SIGNATURE.exec(line.toString('latin1', end))?.[1] : undefined
  if (hex === undefined) return undefined
  const signed = line.subarray(0, end)
  let value: unknown
  try {
    value = JSON.parse(`${signed.toString('utf8')}}`)
  } catch {
    return undefined
  }
  if (!isStatement(value)) return undefined
  return {
    statement: value,
    line,
    signed,
    signature: Buffer.from(hex, 'hex'),
    hash: toHex(sha256(line)),
  }
}

/** Whether one of the keys, by the id that the statement names, has signed it. */
export function isSignedBy(one: SignedStatement, keys: ReadonlyMap<string, PublicKey>): boolean {
  return keys.get(one.statement.key)?.verifies(one.signed, one.signature) === true
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isHex = (value: unknown, digits: number): boolean =>
  typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value)

function isStatement(value: unknown): value is Statement {
  if (typeof value !== 'object' || value === null) return false
  const it = value as Record<string, unknown>
  return (
    it.seal === 1 &&
    STATEMENT_TYPES.some((type) => type === it.type) &&
    isHex(it.instance, 32) &&
    isHex(it.key, 16) &&
    isHex(it.previous, 64) &&
    isHex(it.root, 64) &&
    typeof it.time === 'string' &&
    typeof it.file === 'string' &&
    [it.sequence, it.number, it.offset, it.length, it.line, it.lines, it.total].every(isCount) &&
    (it.removed === undefined || (Array.isArray(it.removed) && it.removed.every(isSequenceRange))) &&
    (it.keys === undefined || (Array.isArray(it.keys) && it.keys.every((key) => isHex(key, 64)))) &&
    (it.newKey === undefined || isHex(it.newKey, 64)) &&
    (it.path === undefined || typeof it.path === 'string') &&
    (it.size === undefined || isCount(it.size)) &&
    (it.sha256 === undefined || isHex(it.sha256, 64))
  )
}

function isSequenceRange(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isCount)
}
