import { formatDouble, jsonString } from '../json/json-values.js'
import { formatDuration, formatMicroTime, formatTime } from './format.js'
import { last, type Scanner, type Slots } from './scanner.js'
import type { Field, ValueType } from './schema.js'
import { MalformedProtobuf } from './wire.js'

/** The scalar at `at` as JSON. */
export function scalarText(scanner: Scanner, { type }: Field, at: number): string {
  if (type === 'string') return stringText(scanner, at)
  if (type !== 'bytes') return numberText(scanner, type, at)
  scanner.delimited(at)
  const { start, stop } = scanner.wire
  return `"${scanner.buf.toString('base64', start, stop)}"`
}

/** The number or boolean at `at` as JSON. */
export function numberText({ buf, wire }: Scanner, type: ValueType, at: number): string {
  if (type === 'double') {
    if (buf.length - at < 8) throw new MalformedProtobuf('unexpected end')
    return formatDouble(buf.readDoubleLE(at))
  }
  wire.varint(at, buf.length)
  if (type === 'bool') return wire.low === 0 && wire.high === 0 ? 'false' : 'true'
  return type === 'int32' ? String(wire.low) : wire.int64()
}

/** The string at `at` as JSON. */
export function stringText(scanner: Scanner, at: number): string {
  scanner.delimited(at)
  return jsonString(scanner.buf, scanner.wire.start, scanner.wire.stop)
}

/** A value whose Go type has a MarshalJSON of its own and that holds no other. Its slots are in the order of table.ts. */
export function specialText(scanner: Scanner, special: string, [first, second, third]: Slots): string {
  switch (special) {
    case 'Time':
      return first === undefined ? 'null' : formatTime(scanner.int64(first))
    case 'MicroTime':
      return first === undefined ? 'null' : formatMicroTime(scanner.int64(first), scanner.int32(second))
    case 'Duration':
      return `"${formatDuration(BigInt(scanner.int64(first)))}"`
    case 'Quantity':
      return first === undefined ? '"0"' : stringText(scanner, last(first))
    case 'IntOrString':
      if (scanner.int32(first) === 0) return String(scanner.int32(second))
      return third === undefined ? '""' : stringText(scanner, last(third))
    default:
      throw new Error(`nothing prints ${special}`)
  }
}
