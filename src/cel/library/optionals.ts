import { EvaluationError, noSuchOverload } from '../errors.js'
import { fn, method, type Overload } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, list, optional, param } from '../types.js'
import { CelList, CelMap, Duration, Optional, Uint, type Value } from '../values.js'

const V = param('V')

function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === 0n || value === '') return true
  if (value instanceof Uint) return value.value === 0n
  if (value instanceof Uint8Array) return value.length === 0
  if (value instanceof CelList) return value.values.length === 0 && value.origin !== 'input'
  if (value instanceof CelMap) return value.size === 0 && !value.escaped
  return value instanceof Duration && value.nanos === 0n
}

function unwrap(_meter: Meter, { values }: CelList): CelList {
  return new CelList(
    values.flatMap((value) => {
      if (!(value instanceof Optional)) throw new EvaluationError('the value is not optional')
      return value.value === undefined ? [] : [value.value]
    }),
  )
}

/** The planner has these: the second operand is only evaluated where it is needed. */
function planned(): never {
  throw noSuchOverload('or')
}

/** cel-go cel/library.go OptionalTypes. */
export const OPTIONALS: readonly Overload[] = [
  fn('optional.of', [V], optional(V), (_meter, value: Value) => Optional.of(value)),
  fn('optional.ofNonZeroValue', [V], optional(V), (_meter, value: Value) =>
    isZero(value) ? Optional.NONE : Optional.of(value),
  ),
  fn('optional.none', [], optional(V), () => Optional.NONE),
  fn('optional.unwrap', [list(optional(V))], list(V), unwrap),
  method('unwrapOpt', [list(optional(V))], list(V), unwrap),
  method('hasValue', [optional(V)], BOOL, (_meter, { value }: Optional) => value !== undefined),
  method('value', [optional(V)], V, (_meter, { value }: Optional) => {
    if (value === undefined) throw new EvaluationError('optional.none() dereference')
    return value
  }),
  method('or', [optional(V), optional(V)], optional(V), planned),
  method('orValue', [optional(V), V], V, planned),
]
