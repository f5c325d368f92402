import { compare } from '../equality.js'
import { fn, type Overload, TRAVERSAL } from '../functions.js'
import { BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, type Type, UINT } from '../types.js'
import { sizeOf, type Value } from '../values.js'

const PAIRS: readonly (readonly [Type, Type])[] = [
  [BOOL, BOOL],
  [INT, INT],
  [INT, DOUBLE],
  [INT, UINT],
  [UINT, UINT],
  [UINT, DOUBLE],
  [UINT, INT],
  [DOUBLE, DOUBLE],
  [DOUBLE, INT],
  [DOUBLE, UINT],
  [STRING, STRING],
  [BYTES, BYTES],
  [TIMESTAMP, TIMESTAMP],
  [DURATION, DURATION],
]

const shorter = (a: Value, b: Value): number => Math.ceil(Math.min(sizeOf(a), sizeOf(b)) * TRAVERSAL)

function relation(operator: string, holds: (order: number) => boolean): Overload[] {
  return PAIRS.map(([a, b]) =>
    fn(
      operator,
      [a, b],
      BOOL,
      (_meter, left: Value, right: Value) => holds(compare(left, right)),
      a === STRING || a === BYTES ? { cost: shorter } : {},
    ),
  )
}

/** cel-go common/stdlib: < <= > >=, also between numbers of different types. */
export const COMPARISON: readonly Overload[] = [
  ...relation('_<_', (order) => order < 0),
  ...relation('_<=_', (order) => order <= 0),
  ...relation('_>_', (order) => order > 0),
  ...relation('_>=_', (order) => order >= 0),
]
