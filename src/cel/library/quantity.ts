import { EvaluationError } from '../errors.js'
import { fn, method, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, DOUBLE, INT, STRING, struct } from '../types.js'
import { Opaque, sizeOf, type Value } from '../values.js'
import {
  addAmounts,
  type Amount,
  approximateFloat,
  compareAmounts,
  integerOf,
  parseAmount,
  signOf,
  subtractAmounts,
  wholeAmount,
} from './quantity-amount.js'

const QUANTITY = struct('kubernetes.Quantity')

/** A number with a unit. */
class Quantity extends Opaque {
  readonly typeName = 'kubernetes.Quantity'

  /** @param computed by add() or sub(): kube-apiserver then finds nothing to compare on the right of `==` */
  constructor(
    public amount: Amount,
    readonly computed = false,
  ) {
    super()
  }

  equals(other: Value, meter: Meter): boolean | undefined {
    if (!(other instanceof Quantity) || other.computed) return undefined
    return compareAmounts(meter, this.amount, other.amount) === 0
  }

  /** Comparing makes a decimal of the quantity where the other is one: it has no integer value from then on. */
  compare(meter: Meter, other: Quantity): number {
    if (other.amount.decimal) this.amount = { ...this.amount, decimal: true }
    return compareAmounts(meter, this.amount, other.amount)
  }
}

function isQuantity(meter: Meter, text: string): boolean {
  try {
    parseAmount(meter, text)
    return true
  } catch (err) {
    if (err instanceof EvaluationError) return false
    throw err
  }
}

function asInteger(_meter: Meter, { amount }: Quantity): bigint {
  const value = integerOf(amount)
  if (value === undefined) throw new EvaluationError('cannot convert value to integer')
  return value
}

type Operation = (meter: Meter, a: Amount, b: Amount) => Amount

function operation(name: string, run: Operation): Overload[] {
  return [
    method(
      name,
      [QUANTITY, QUANTITY],
      QUANTITY,
      (meter, a: Quantity, b: Quantity) => new Quantity(run(meter, a.amount, b.amount), true),
    ),
    method(
      name,
      [QUANTITY, INT],
      QUANTITY,
      (meter, a: Quantity, b: bigint) => new Quantity(run(meter, a.amount, wholeAmount(b)), true),
    ),
  ]
}

const parsing = { cost: (text: Value): number => Math.ceil(sizeOf(text) * TRAVERSAL), costsByName: true }
const PAIR = [QUANTITY, QUANTITY]

/** k8s.io/apiserver/pkg/cel/library quantity: numbers with units, like `1.5Gi`. */
export const QUANTITIES: readonly Overload[] = [
  fn(
    'quantity',
    [STRING],
    QUANTITY,
    (meter, text: string) => new Quantity(parseAmount(meter, text)),
    parsing,
  ),
  fn('isQuantity', [STRING], BOOL, isQuantity, parsing),
  fn('sign', [QUANTITY], INT, (_meter, { amount }: Quantity) => BigInt(signOf(amount))),
  method('isInteger', [QUANTITY], BOOL, (_meter, { amount }: Quantity) => integerOf(amount) !== undefined),
  method('asInteger', [QUANTITY], INT, asInteger),
  method('asApproximateFloat', [QUANTITY], DOUBLE, (_meter, { amount }: Quantity) =>
    approximateFloat(amount),
  ),
  ...operation('add', addAmounts),
  ...operation('sub', subtractAmounts),
  method('isGreaterThan', PAIR, BOOL, (meter, a: Quantity, b: Quantity) => a.compare(meter, b) > 0),
  method('isLessThan', PAIR, BOOL, (meter, a: Quantity, b: Quantity) => a.compare(meter, b) < 0),
  method('compareTo', PAIR, INT, (meter, a: Quantity, b: Quantity) => BigInt(a.compare(meter, b))),
]
