import { EvaluationError } from './errors.js'
import type { Meter } from './meter.js'
import {
  CelList,
  CelMap,
  Duration,
  InputObject,
  Opaque,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
} from './values.js'

/**
 * Whether two values are equal (cel-go common/types Equal): numbers by their value whatever their types, NaN to nothing,
 * values of different types never.
 *
 * @throws EvaluationError where a library's type knows no such comparison
 */
export function equal(a: Value, b: Value, meter: Meter): boolean {
  meter.work(1)
  if (a === null || b === null) return a === b
  if (isNumber(a)) return isNumber(b) && compareNumbers(a, b) === 0
  if (typeof a !== 'object') return a === b
  if (a instanceof CelList) return b instanceof CelList && equalLists(a, b, meter)
  if (a instanceof CelMap) return b instanceof CelMap && equalMaps(a, b, meter)
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name
  if (a instanceof Optional) return b instanceof Optional && equalOptionals(a, b, meter)
  const same = a instanceof Opaque ? a.equals(b, meter) : b instanceof InputObject ? a === b : undefined
  if (same === undefined) throw new EvaluationError('no such overload')
  return same
}

/** The same, where values that cannot be compared are just different: that is how lists are searched. */
export function isSame(a: Value, b: Value, meter: Meter): boolean {
  try {
    return equal(a, b, meter)
  } catch (err) {
    if (err instanceof EvaluationError) return false
    throw err
  }
}

function equalLists(a: CelList, b: CelList, meter: Meter): boolean {
  return (
    a.values.length === b.values.length &&
    a.values.every((value, i) => equal(value, b.values[i] as Value, meter))
  )
}

function equalMaps(a: CelMap, b: CelMap, meter: Meter): boolean {
  if (a.size !== b.size) return false
  return a.keys().every((key) => {
    const other = b.get(key)
    return other !== undefined && equal(a.get(key) as Value, other, meter)
  })
}

function equalOptionals(a: Optional, b: Optional, meter: Meter): boolean {
  if (a.value === undefined || b.value === undefined) return a.value === b.value
  return equal(a.value, b.value, meter)
}

/**
 * The order of two values: negative, 0 or positive (cel-go's traits.Comparer).
 *
 * @throws EvaluationError where there is none
 */
export function compare(a: Value, b: Value): number {
  if (isNumber(a) && isNumber(b)) {
    const order = compareNumbers(a, b)
    if (order === undefined) throw new EvaluationError('NaN values cannot be ordered')
    return order
  }
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  if (a instanceof Timestamp && b instanceof Timestamp) return order(a.nanos, b.nanos)
  if (a instanceof Duration && b instanceof Duration) return order(a.nanos, b.nanos)
  throw new EvaluationError('no such overload')
}

type Numeric = number | bigint | Uint

function isNumber(value: Value): value is Numeric {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint
}

/** Exact, also between an integer and a double. Undefined with NaN. */
function compareNumbers(a: Numeric, b: Numeric): number | undefined {
  const left = a instanceof Uint ? a.value : a
  const right = b instanceof Uint ? b.value : b
  return Number.isNaN(left) || Number.isNaN(right) ? undefined : order(left, right)
}

function order(a: number | bigint, b: number | bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
