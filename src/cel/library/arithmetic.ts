import { EvaluationError } from '../errors.js'
import { fn, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { BYTES, DOUBLE, DURATION, INT, list, param, STRING, TIMESTAMP, type Type, UINT } from '../types.js'
import { CelList, Duration, sizeOf, Timestamp, Uint, type Value } from '../values.js'

/** What cel-go's timestamps may be, in seconds: the years 1 to 9999. */
const MIN_SECONDS = -62_135_596_800n
const MAX_SECONDS = 253_402_300_799n
const SECOND = 1_000_000_000n

/** @throws EvaluationError where it does not fit into 64 bits */
export function int64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new EvaluationError('integer overflow')
  return value
}

/** @throws EvaluationError where it does not fit into 64 bits */
export function uint64(value: bigint): Uint {
  if (BigInt.asUintN(64, value) !== value) throw new EvaluationError('unsigned integer overflow')
  return new Uint(value)
}

/** @throws EvaluationError where it does not fit into 64 bits of nanoseconds */
export function duration(nanos: bigint): Duration {
  if (BigInt.asIntN(64, nanos) !== nanos) throw new EvaluationError('duration overflow')
  return new Duration(nanos)
}

/** @throws EvaluationError where it is before the year 1 or after 9999 */
export function timestamp(nanos: bigint, offset = 0): Timestamp {
  const seconds = (nanos - (((nanos % SECOND) + SECOND) % SECOND)) / SECOND
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) throw new EvaluationError('timestamp overflow')
  return new Timestamp(nanos, offset)
}

function divisor(value: bigint): bigint {
  if (value === 0n) throw new EvaluationError('division by zero')
  return value
}

type Binary<T> = (meter: Meter, a: T, b: T) => Value

function binary<T>(operator: string, type: Type, run: Binary<T>): Overload {
  return fn(operator, [type, type], type, run)
}

function ints(operator: string, run: (a: bigint, b: bigint) => bigint): Overload[] {
  return [
    binary<bigint>(operator, INT, (_meter, a, b) => int64(run(a, b))),
    binary<Uint>(operator, UINT, (_meter, a, b) => uint64(run(a.value, b.value))),
  ]
}

function doubles(operator: string, run: (a: number, b: number) => number): Overload {
  return binary<number>(operator, DOUBLE, (_meter, a, b) => run(a, b))
}

const joined = (a: Value, b: Value): number => Math.ceil((sizeOf(a) + sizeOf(b)) * TRAVERSAL)

/** cel-go common/stdlib: + - * / % and the sign. */
export const ARITHMETIC: readonly Overload[] = [
  ...ints('_+_', (a, b) => a + b),
  ...ints('_-_', (a, b) => a - b),
  ...ints('_*_', (a, b) => a * b),
  ...ints('_/_', (a, b) => a / divisor(b)),
  ...ints('_%_', (a, b) => a % divisor(b)),
  doubles('_+_', (a, b) => a + b),
  doubles('_-_', (a, b) => a - b),
  doubles('_*_', (a, b) => a * b),
  doubles('_/_', (a, b) => a / b),
  fn('-_', [INT], INT, (_meter, a: bigint) => int64(-a)),
  fn('-_', [DOUBLE], DOUBLE, (_meter, a: number) => -a),
  fn(
    '_+_',
    [STRING, STRING],
    STRING,
    (meter, a: string, b: string) => {
      meter.size(a.length + b.length)
      return a + b
    },
    { cost: joined },
  ),
  fn(
    '_+_',
    [BYTES, BYTES],
    BYTES,
    (meter, a: Uint8Array, b: Uint8Array) => {
      meter.size(a.length + b.length)
      return new Uint8Array(Buffer.concat([a, b]))
    },
    { cost: joined },
  ),
  fn('_+_', [list(param('A')), list(param('A'))], list(param('A')), (meter, a: CelList, b: CelList) => {
    if (a.values.length === 0) return b
    if (b.values.length === 0) return a
    meter.size(a.values.length + b.values.length)
    return new CelList([...a.values, ...b.values])
  }),
  fn('_+_', [DURATION, DURATION], DURATION, (_meter, a: Duration, b: Duration) =>
    duration(a.nanos + b.nanos),
  ),
  fn('_-_', [DURATION, DURATION], DURATION, (_meter, a: Duration, b: Duration) =>
    duration(a.nanos - b.nanos),
  ),
  fn('_+_', [DURATION, TIMESTAMP], TIMESTAMP, (_meter, a: Duration, b: Timestamp) =>
    timestamp(a.nanos + b.nanos, b.offset),
  ),
  fn('_+_', [TIMESTAMP, DURATION], TIMESTAMP, (_meter, a: Timestamp, b: Duration) =>
    timestamp(a.nanos + b.nanos, a.offset),
  ),
  fn('_-_', [TIMESTAMP, DURATION], TIMESTAMP, (_meter, a: Timestamp, b: Duration) =>
    timestamp(a.nanos - b.nanos, a.offset),
  ),
  fn('_-_', [TIMESTAMP, TIMESTAMP], DURATION, (_meter, a: Timestamp, b: Timestamp) =>
    duration(a.nanos - b.nanos),
  ),
]
