import { compare, isSame } from '../equality.js'
import { EvaluationError, noSuchOverload } from '../errors.js'
import { fn, method, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  list,
  optional,
  param,
  STRING,
  TIMESTAMP,
  type Type,
  UINT,
} from '../types.js'
import { CelList, CelMap, Duration, Optional, sizeOf, typeName, Uint, type Value } from '../values.js'
import { duration, int64, uint64 } from './arithmetic.js'

const T = param('T')
const COMPARABLE = [INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES]
/** cel-go common/cost.go: a new list, and the call. */
const NEW_LIST = 11
/** Of lists.range(); cel-go's own limit is ten million. */
const MAX_RANGE = 1_000_000n

/** Kubernetes: about one traversal, of texts a tenth of their length (cel/library/cost.go traversalCost). */
function traversal(value: Value): number {
  if (value instanceof CelList) return value.values.reduce<number>((sum, one) => sum + traversal(one), 0)
  if (value instanceof CelMap) {
    return value
      .keys()
      .reduce<number>((sum, key) => sum + traversal(key) + traversal(value.get(key) as Value), 0)
  }
  if (typeof value === 'string' || value instanceof Uint8Array) return Math.trunc(value.length * TRAVERSAL)
  return 1
}

const once = { cost: traversal, costsByName: true }
const output = { resultCost: (items: Value): number => NEW_LIST + sizeOf(items), costsByName: true }

/** Each item with each other, at two units or a little more. */
function selfCompare(items: Value): number {
  const size = sizeOf(items)
  const [first] = items instanceof CelList ? items.values : []
  const factor = typeof first === 'string' || first instanceof Uint8Array ? 2 + TRAVERSAL : 2
  return NEW_LIST + Math.trunc(size * size * factor)
}

function isSorted(_meter: Meter, { values }: CelList): boolean {
  return values.every((value, i) => i === 0 || compare(values[i - 1] as Value, value) <= 0)
}

function extreme(name: string, sign: 1 | -1): (meter: Meter, items: CelList) => Value {
  return (_meter, { values }) => {
    const [first, ...others] = values
    if (first === undefined) throw new EvaluationError(`${name} called on empty list`)
    return others.reduce((best, one) => (compare(one, best) * sign > 0 ? one : best), first)
  }
}

function sum(zero: Value): (meter: Meter, items: CelList) => Value {
  return (_meter, { values }) => values.reduce(add, zero)
}

function add(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int64(a + b)
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (a instanceof Uint && b instanceof Uint) return uint64(a.value + b.value)
  if (a instanceof Duration && b instanceof Duration) return duration(a.nanos + b.nanos)
  throw noSuchOverload('sum')
}

function indexOf(meter: Meter, { values }: CelList, item: Value): bigint {
  return BigInt(values.findIndex((value) => isSame(value, item, meter)))
}

function lastIndexOf(meter: Meter, { values }: CelList, item: Value): bigint {
  return BigInt(values.findLastIndex((value) => isSame(value, item, meter)))
}

function includes(meter: Meter, target: Value, item: Value): boolean {
  if (!(target instanceof CelList)) return isSame(target, item, meter)
  return target.values.some((value) => isSame(value, item, meter))
}

function slice(_meter: Meter, { values }: CelList, from: bigint, to: bigint): CelList {
  if (from < 0n || to < 0n || from > to || to > BigInt(values.length)) {
    throw new EvaluationError(`cannot slice(${from}, ${to}), list is length ${values.length}`)
  }
  return new CelList(values.slice(Number(from), Number(to)))
}

function flatten(meter: Meter, items: Value, depth = 1n): CelList {
  if (!(items instanceof CelList)) throw noSuchOverload('flatten')
  if (depth < 0n) throw new EvaluationError('level must be non-negative')
  const flat: Value[] = []
  const flattenInto = (level: readonly Value[], left: bigint): void => {
    for (const item of level) {
      meter.work(1)
      if (item instanceof CelList && left > 0n) flattenInto(item.values, left - 1n)
      else flat.push(item)
    }
  }
  flattenInto(items.values, depth)
  return new CelList(flat)
}

function sortBy(_meter: Meter, items: Value, by: Value = items): CelList {
  if (!(items instanceof CelList) || !(by instanceof CelList)) throw noSuchOverload('sort')
  const { values: keys } = by
  if (items.values.length !== keys.length) throw new EvaluationError('the lists are not of the same size')
  const [first] = keys
  if (first === undefined) return items
  if (keys.some((key) => typeName(key) !== typeName(first)))
    throw new EvaluationError('list elements must have the same type')
  const order = keys.map((_key, i) => i).sort((a, b) => compare(keys[a] as Value, keys[b] as Value))
  return new CelList(order.map((i) => items.values[i] as Value))
}

function distinct(meter: Meter, items: CelList): CelList {
  if (items.values.length === 0) return items
  const found: Value[] = []
  for (const value of items.values) {
    if (!found.some((one) => isSame(value, one, meter))) found.push(value)
  }
  return new CelList(found)
}

function range(_meter: Meter, count: bigint): CelList {
  if (count < 0n || count > MAX_RANGE)
    throw new EvaluationError(`lists.range: size ${count} is not between 0 and ${MAX_RANGE}`)
  return new CelList(Array.from({ length: Number(count) }, (_item, i) => BigInt(i)))
}

function item(value: Value | undefined): Optional {
  return value === undefined ? Optional.NONE : Optional.of(value)
}

function ofEach(types: readonly Type[], make: (type: Type) => Overload): Overload[] {
  return types.map(make)
}

/**
 * k8s.io/apiserver/pkg/cel/library lists in its version for Kubernetes 1.37, and the third version of cel-go's ext/lists.
 * What takes the square of a list's size is counted before it is done.
 */
export const LISTS: readonly Overload[] = [
  ...ofEach(COMPARABLE, (type) => method('isSorted', [list(type)], BOOL, isSorted, once)),
  ...ofEach(COMPARABLE, (type) => method('max', [list(type)], type, extreme('max', 1), once)),
  ...ofEach(COMPARABLE, (type) => method('min', [list(type)], type, extreme('min', -1), once)),
  method('sum', [list(INT)], INT, sum(0n), once),
  method('sum', [list(UINT)], UINT, sum(new Uint(0n)), once),
  method('sum', [list(DOUBLE)], DOUBLE, sum(0), once),
  method('sum', [list(DURATION)], DURATION, sum(new Duration(0n)), once),
  method('indexOf', [list(T), T], INT, indexOf, once),
  method('lastIndexOf', [list(T), T], INT, lastIndexOf, once),
  method('includes', [DYN, DYN], BOOL, includes, once),
  method('slice', [list(T), INT, INT], list(T), slice, output),
  method('flatten', [list(list(T))], list(T), flatten, {
    cost: (items) => NEW_LIST + sizeOf(items),
    unguarded: true,
  }),
  method('flatten', [list(DYN), INT], list(DYN), flatten, {
    cost: (items, depth) => NEW_LIST + Math.trunc(sizeOf(items) * Math.max(Number(depth), 0)),
  }),
  ...ofEach(COMPARABLE, (type) =>
    method('sort', [list(type)], list(type), sortBy, { cost: selfCompare, unguarded: true }),
  ),
  ...ofEach(COMPARABLE, (type) =>
    method('@sortByAssociatedKeys', [list(T), list(type)], list(T), sortBy, {
      cost: (_items, keys) => selfCompare(keys),
      unguarded: true,
    }),
  ),
  method('distinct', [list(T)], list(T), distinct, { cost: selfCompare }),
  method(
    'reverse',
    [list(T)],
    list(T),
    (_meter, { values }: CelList) => new CelList(values.toReversed()),
    output,
  ),
  method('first', [list(T)], optional(T), (_meter, { values }: CelList) => item(values[0])),
  method('last', [list(T)], optional(T), (_meter, { values }: CelList) => item(values.at(-1))),
  fn('lists.range', [INT], list(INT), range, output),
]
