import { formatDouble } from '../../src/cel/library/conversion.js'
import { formatDuration, formatTimestamp } from '../../src/cel/library/time-text.js'
import {
  CelList,
  CelMap,
  Duration,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
} from '../../src/cel/values.js'

/** A value with its type, as the recorded answers of cel-go have it. */
export function show(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `int(${value})`
  if (typeof value === 'number') return `double(${formatDouble(value)})`
  if (typeof value === 'boolean') return `bool(${value})`
  if (value === null) return 'null'
  if (value instanceof Uint) return `uint(${value.value})`
  if (value instanceof Uint8Array) return `bytes(${Buffer.from(value).toString('hex')})`
  if (value instanceof Timestamp) return `google.protobuf.Timestamp(${formatTimestamp(value)})`
  if (value instanceof Duration) return `google.protobuf.Duration(${formatDuration(value)})`
  if (value instanceof TypeValue) return `type(${value.name})`
  if (value instanceof CelList) return `[${value.values.map(show).join(', ')}]`
  if (value instanceof Optional) return value.value === undefined ? 'none' : `optional(${show(value.value)})`
  if (value instanceof CelMap) {
    const entries = value.keys().map((key) => `${show(key)}: ${show(value.get(key) as Value)}`)
    return `{${entries.sort().join(', ')}}`
  }
  return value.typeName
}
