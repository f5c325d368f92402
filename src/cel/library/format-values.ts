import { quote } from '../../go-quote.js'
import { EvaluationError } from '../errors.js'
import type { Meter } from '../meter.js'
import {
  CelList,
  CelMap,
  Duration,
  sizeOf,
  Timestamp,
  typeName,
  TypeValue,
  Uint,
  type Value,
} from '../values.js'
import { decode, formatDouble } from './conversion.js'
import { formatPlainFixed } from './format-numbers.js'
import { formatDuration, formatTimestamp } from './time-text.js'

/** What `%s` makes of a value (cel-go ext/formatting.go FormatString). */
export function formatString(meter: Meter, value: Value): string {
  if (value instanceof CelList || value instanceof CelMap) return formatLiteral(meter, value, false)
  meter.size(sizeOf(value))
  if (typeof value === 'number') return formatDouble(value)
  if (value instanceof Timestamp) return formatTimestamp(value)
  if (value instanceof Duration) return formatDuration(value)
  return formatScalar(meter, value)
}

/** What is written alike by itself and within a list. */
function formatScalar(meter: Meter, value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'bigint' || typeof value === 'boolean' || value === null) return String(value)
  if (value instanceof Uint) return String(value.value)
  if (value instanceof TypeValue) return value.name
  if (value instanceof Uint8Array) return decode(meter, value)
  throw new EvaluationError(`no text is made of ${typeName(value)}`)
}

/**
 * As an expression would have it (clauseForType and quoteForCEL).
 *
 * @param raw below a list of the input: there kube-apiserver finds names of maps by no other form than their own
 */
function formatLiteral(meter: Meter, value: Value, raw: boolean): string {
  if (value instanceof CelList) return formatList(meter, value, raw || value.origin === 'input')
  if (value instanceof CelMap) return formatMap(meter, value, raw)
  meter.size(sizeOf(value))
  if (typeof value === 'number') {
    return Number.isFinite(value) ? formatPlainFixed(value) : quote(formatDouble(value))
  }
  if (value instanceof Timestamp) return `timestamp(${quote(formatTimestamp(value))})`
  if (value instanceof Duration) return `duration(${quote(formatDuration(value))})`
  const text = formatScalar(meter, value)
  if (typeof value === 'string') return quote(text)
  return value instanceof Uint8Array ? `b${quote(text)}` : text
}

function formatList(meter: Meter, { values }: CelList, raw: boolean): string {
  return `[${values.map((value) => formatLiteral(meter, value, raw)).join(', ')}]`
}

/** In the order of the keys as they are written. */
function formatMap(meter: Meter, map: CelMap, raw: boolean): string {
  const entries = map.entries().map(([key, entry]) => {
    if (typeof key === 'number') throw new EvaluationError('no text is made of a map with such keys')
    const value = raw ? entry : map.get(key)
    if (value === undefined) throw new EvaluationError(`could not find key: ${formatString(meter, key)}`)
    const written = formatLiteral(meter, key, raw)
    return { bytes: Buffer.from(written), text: `${written}:${formatLiteral(meter, value, raw)}` }
  })
  meter.work(16 * entries.length)
  entries.sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  return `{${entries.map(({ text }) => text).join(', ')}}`
}
