import { unescapeBytes } from './escape.js'
import { visitQuery } from './query.js'

/**
 * How long a request may take at the most, in milliseconds, if its parameter `timeout` says so; undefined where it leaves
 * that to the server: it is not there, no duration, or not above 0 (request_deadline.go WithRequestDeadline).
 *
 * @param rawQuery as received, one character per byte
 */
export function requestedTimeout(rawQuery: string): number | undefined {
  const timeout = parameter(rawQuery)
  const duration = timeout === undefined ? undefined : parseDuration(timeout)
  return typeof duration === 'bigint' && duration > 0n ? Number(duration) / 1e6 : undefined
}

/**
 * What is wrong with the parameter `timeout` of a query, in kube-apiserver's words; undefined where nothing is. It answers such
 * a request before it asks who sent it (k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go parseTimeout).
 *
 * @param rawQuery as received, one character per byte
 */
export function invalidTimeout(rawQuery: string): string | undefined {
  const timeout = parameter(rawQuery)
  const duration = timeout === undefined ? undefined : parseDuration(timeout)
  return typeof duration === 'string'
    ? `invalid timeout specified in the request URL - ${duration}`
    : undefined
}

/** The first value of `timeout`, one character per byte; undefined where it is empty as well. */
function parameter(rawQuery: string): string | undefined {
  if (!rawQuery.includes('timeout') && !rawQuery.includes('%')) return undefined
  let timeout: string | undefined
  visitQuery(rawQuery, (key, rawValue) => {
    if (key === 'timeout') timeout ??= unescapeBytes(rawValue, true)?.toString('latin1')
  })
  return timeout === '' ? undefined : timeout
}

const NANOSECONDS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  // The two letters that look like a mu, in UTF-8.
  ['\xc2\xb5s', 1_000n],
  ['\xce\xbcs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
])
const MAX = 2n ** 63n
const PART = /([0-9]*)(?:\.([0-9]*))?([^0-9.]*)/y
/** More digits than this, but for zeros in front, are more than 64 bits. */
const MAX_DIGITS = 20

/** Go's time.ParseDuration of `text`, one character per byte: nanoseconds, or what it says is wrong. */
function parseDuration(text: string): bigint | string {
  const rest = text.replace(/^[-+]/, '')
  const negative = text.startsWith('-')
  const invalid = `time: invalid duration ${quote(text)}`
  if (rest === '0') return 0n
  if (rest === '') return invalid
  let total = 0n
  for (PART.lastIndex = 0; PART.lastIndex < rest.length;) {
    const [, whole = '', fraction = '', unit = ''] = PART.exec(rest) ?? []
    if (whole === '' && fraction === '') return invalid
    const digits = whole.replace(/^0+/, '')
    if (digits.length > MAX_DIGITS || BigInt(digits) > MAX) return invalid
    if (unit === '') return `time: missing unit in duration ${quote(text)}`
    const nanoseconds = NANOSECONDS.get(unit)
    if (nanoseconds === undefined) return `time: unknown unit ${quote(unit)} in duration ${quote(text)}`
    total += BigInt(digits) * nanoseconds
    if (fraction !== '') total += BigInt(Math.trunc(Number(`0.${fraction}`) * Number(nanoseconds)))
    if (total > MAX) return invalid
  }
  if (total === MAX && !negative) return invalid
  return negative ? -total : total
}

/** Go's time quote: bytes that are no printable ASCII are escaped one by one. */
function quote(text: string): string {
  const escaped = text.replace(/["\\]|[^ -\x7f]/g, (c) => {
    return c === '"' || c === '\\' ? `\\${c}` : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return `"${escaped}"`
}
