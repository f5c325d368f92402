import { isSame } from '../equality.js'
import { fn, type Overload } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, list, param } from '../types.js'
import { type CelList, sizeOf } from '../values.js'

const LISTS = [list(param('T')), list(param('T'))]

function contains(meter: Meter, all: CelList, some: CelList): boolean {
  return some.values.every((value) => all.values.some((one) => isSame(value, one, meter)))
}

function times(factor: number): Pick<Overload, 'cost'> {
  return { cost: (a, b) => 1 + sizeOf(a) * sizeOf(b) * factor }
}

/** cel-go ext/sets: lists as sets. */
export const SETS: readonly Overload[] = [
  fn('sets.contains', LISTS, BOOL, contains, times(1)),
  fn(
    'sets.equivalent',
    LISTS,
    BOOL,
    (meter, a: CelList, b: CelList) => contains(meter, a, b) && contains(meter, b, a),
    times(2),
  ),
  fn(
    'sets.intersects',
    LISTS,
    BOOL,
    (meter, a: CelList, b: CelList) =>
      a.values.some((value) => b.values.some((one) => isSame(value, one, meter))),
    times(1),
  ),
]
