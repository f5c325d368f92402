import { EvaluationError } from '../errors.js'
import { fn, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  INT,
  param,
  STRING,
  TIMESTAMP,
  type Type,
  typeOfType,
  UINT,
} from '../types.js'
import type { Uint } from '../values.js'
import { type Duration, sizeOf, type Timestamp, typeName, TypeValue, type Value } from '../values.js'
import { int64, timestamp, uint64 } from './arithmetic.js'
import { formatDuration, formatTimestamp, parseDuration, parseTimestamp } from './time-text.js'

const SECOND = 1_000_000_000n

function refused(from: string, to: string): EvaluationError {
  return new EvaluationError(`type conversion error from '${from}' to '${to}'`)
}

function identity(type: Type): Overload {
  return fn(type.name, [type], type, (_meter, value: Value) => value)
}

/** Go's strconv.ParseInt and ParseUint with base 10. */
function parseInteger(text: string, pattern: RegExp, to: string): bigint {
  if (!pattern.test(text)) throw refused('string', to)
  return BigInt(text.replace(/^\+/, ''))
}

function orRefused<T>(from: string, to: string, convert: () => T): T {
  try {
    return convert()
  } catch (err) {
    if (err instanceof EvaluationError) throw refused(from, to)
    throw err
  }
}

/** Go's strconv.ParseFloat, but for hexadecimal numbers. */
function parseDouble(literal: string): number {
  const text = literal.replace(/(?<=\d)_(?=\d)/g, '')
  const word = /^([+-]?)(inf|infinity|nan)$/i.exec(text)
  if (word !== null) {
    if (/nan/i.test(word[2] as string)) return NaN
    return word[1] === '-' ? -Infinity : Infinity
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw refused('string', 'double')
  const value = Number(text)
  if (!Number.isFinite(value)) throw refused('string', 'double')
  return value
}

/** Go's %g. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [digits = '', exponent = '0'] = value.toExponential().split('e')
  const power = Number(exponent)
  if (power < -4 || power >= 6) {
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
  }
  return plain(value)
}

/** Without an exponent. */
export function plain(value: number): string {
  const text = String(value)
  if (!text.includes('e')) return text
  const [digits = '', exponent = '0'] = value.toExponential().split('e')
  const sign = digits.startsWith('-') ? '-' : ''
  const all = digits.replace(/[-.]/g, '')
  const power = Number(exponent)
  return power < 0 ? `${sign}0.${'0'.repeat(-power - 1)}${all}` : `${sign}${all.padEnd(power + 1, '0')}`
}

/** The integer part, where it fits. cel-go refuses the limits of an int64 themselves. */
function truncate(value: number, low: number, high: number): bigint {
  if (!(value > low && value < high)) throw new EvaluationError('integer overflow')
  return BigInt(Math.trunc(value))
}

function parseBool(text: string): boolean {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false
  throw refused('string', 'bool')
}

/** @throws EvaluationError where the bytes are not UTF-8 */
export function decode(_meter: Meter, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new EvaluationError('invalid UTF-8 in bytes, cannot convert to string')
  }
}

const traversal = { cost: (value: Value): number => Math.ceil(sizeOf(value) * TRAVERSAL) }

/** cel-go common/stdlib: the types' names as functions, and type(). */
export const CONVERSION: readonly Overload[] = [
  ...[BOOL, BYTES, DOUBLE, INT, STRING, UINT].map(identity),
  fn('timestamp', [TIMESTAMP], TIMESTAMP, (_meter, value: Timestamp) => value),
  fn('duration', [DURATION], DURATION, (_meter, value: Duration) => value),
  fn('bool', [STRING], BOOL, (_meter, text: string) => parseBool(text)),
  fn('bytes', [STRING], BYTES, (_meter, text: string) => new Uint8Array(Buffer.from(text)), traversal),
  fn('double', [INT], DOUBLE, (_meter, value: bigint) => Number(value)),
  fn('double', [UINT], DOUBLE, (_meter, { value }: Uint) => Number(value)),
  fn('double', [STRING], DOUBLE, (_meter, text: string) => parseDouble(text)),
  fn('int', [UINT], INT, (_meter, { value }: Uint) => int64(value)),
  fn('int', [DOUBLE], INT, (_meter, value: number) => truncate(value, -(2 ** 63), 2 ** 63)),
  fn('int', [STRING], INT, (_meter, text: string) =>
    orRefused('string', 'int', () => int64(parseInteger(text, /^[+-]?\d{1,400}$/, 'int'))),
  ),
  fn('int', [TIMESTAMP], INT, (_meter, { nanos }: Timestamp) => {
    const rest = ((nanos % SECOND) + SECOND) % SECOND
    return (nanos - rest) / SECOND
  }),
  fn('int', [DURATION], INT, (_meter, { nanos }: Duration) => nanos),
  fn('uint', [INT], UINT, (_meter, value: bigint) => uint64(value)),
  fn('uint', [DOUBLE], UINT, (_meter, value: number) =>
    uint64(value < 0 ? -1n : truncate(value, -1, 2 ** 64)),
  ),
  fn('uint', [STRING], UINT, (_meter, text: string) =>
    orRefused('string', 'uint', () => uint64(parseInteger(text, /^\d{1,400}$/, 'uint'))),
  ),
  fn('string', [BOOL], STRING, (_meter, value: boolean) => String(value)),
  fn('string', [INT], STRING, (_meter, value: bigint) => String(value)),
  fn('string', [UINT], STRING, (_meter, { value }: Uint) => String(value)),
  fn('string', [DOUBLE], STRING, (_meter, value: number) => formatDouble(value)),
  fn('string', [BYTES], STRING, decode, traversal),
  fn('string', [TIMESTAMP], STRING, (_meter, value: Timestamp) => formatTimestamp(value)),
  fn('string', [DURATION], STRING, (_meter, value: Duration) => formatDuration(value)),
  fn('timestamp', [STRING], TIMESTAMP, (_meter, text: string) => parseTimestamp(text)),
  fn('timestamp', [INT], TIMESTAMP, (_meter, seconds: bigint) => timestamp(seconds * SECOND)),
  fn('duration', [STRING], DURATION, (_meter, text: string) => parseDuration(text)),
  fn('type', [param('A')], typeOfType(param('A')), (_meter, value: Value) => new TypeValue(typeName(value))),
]
