import { isSame } from '../equality.js'
import { noSuchOverload } from '../errors.js'
import { fn, method, type Overload } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, BYTES, DYN, INT, list, map, optional, param, STRING } from '../types.js'
import { codePoints } from '../text.js'
import { type CelList, type CelMap, sizeOf, type Value } from '../values.js'

const A = param('A')
const B = param('B')
const K = param('K')
const V = param('V')

/** The planner has these; what they do is not a function of evaluated arguments. */
function planned(): never {
  throw noSuchOverload('operator')
}

function size(_meter: Meter, value: CelList | CelMap | Uint8Array): bigint {
  return BigInt(sizeOf(value))
}

function stringSize(_meter: Meter, value: string): bigint {
  return BigInt(codePoints(value))
}

/** cel-go common/stdlib: what is called by a sign, and size(). */
export const OPERATORS: readonly Overload[] = [
  fn('_?_:_', [BOOL, A, A], A, planned),
  fn('_&&_', [BOOL, BOOL], BOOL, planned),
  fn('_||_', [BOOL, BOOL], BOOL, planned),
  fn('@not_strictly_false', [BOOL], BOOL, planned),
  fn('_==_', [A, A], BOOL, planned),
  fn('_!=_', [A, A], BOOL, planned),
  fn('_[_]', [list(A), INT], A, planned),
  fn('_[_]', [map(A, B), A], B, planned),
  fn('_[_]', [optional(list(V)), INT], optional(V), planned),
  fn('_[_]', [optional(map(K, V)), K], optional(V), planned),
  fn('_[?_]', [list(V), INT], optional(V), planned),
  fn('_[?_]', [optional(list(V)), INT], optional(V), planned),
  fn('_[?_]', [map(K, V), K], optional(V), planned),
  fn('_[?_]', [optional(map(K, V)), K], optional(V), planned),
  fn('!_', [BOOL], BOOL, (_meter, value: boolean) => !value),
  fn(
    '@in',
    [A, list(A)],
    BOOL,
    (meter, value: Value, within: CelList) => within.values.some((one) => isSame(value, one, meter)),
    { cost: (_value, within) => sizeOf(within) },
  ),
  fn('@in', [A, map(A, B)], BOOL, (_meter, value: Value, within: CelMap) => within.get(value) !== undefined),
  fn('size', [STRING], INT, stringSize),
  method('size', [STRING], INT, stringSize),
  ...[BYTES, list(A), map(A, B)].flatMap((type) => [
    fn('size', [type], INT, size),
    method('size', [type], INT, size),
  ]),
  fn('dyn', [A], DYN, (_meter, value: Value) => value),
  fn('cel.@mapInsert', [map(K, V), K, V], map(K, V), planned),
  fn('cel.@mapInsert', [map(K, V), map(K, V)], map(K, V), planned),
]
