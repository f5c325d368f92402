import { unescapeBytes } from './escape.js'
import { visitQuery } from './query.js'

/**
 * What is wrong with the parameter `timeout` of a query, in kube-apiserver's words; undefined where nothing is. It answers such
 * a request before it asks who sent it (k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go parseTimeout).
 *
 * @param rawQuery as received, one character per byte
 */
export function invalidTimeout(rawQuery: string): string | undefined {
  if (!rawQuery.includes('timeout') && !rawQuery.includes('%')) return undefined
  let timeout: string | undefined
  visitQuery(rawQuery, (key, rawValue) => {
    if (key === 'timeout') timeout ??= unescapeBytes(rawValue, true)?.toString('latin1')
  })
  if (timeout === undefined || timeout === '') return undefined
  const error = durationError(timeout)
  return error === undefined ? undefined : `invalid timeout specified in the request URL - ${error}`
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

/** What Go's time.ParseDuration says of `text`, one character per byte; undefined where it is a duration. */
function durationError(text: string): string | undefined {
  const rest = text.replace(/^[-+]/, '')
  const invalid = `time: invalid duration ${quote(text)}`
  if (rest === '0') return undefined
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
  return total === MAX && !text.startsWith('-') ? invalid : undefined
}

/** Go's time quote: bytes that are no printable ASCII are escaped one by one. */
function quote(text: string): string {
  const escaped = text.replace(/["\\]|[^ -\x7f]/g, (c) => {
    return c === '"' || c === '\\' ? `\\${c}` : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return `"${escaped}"`
}
