import type { Meter } from './meter.js'
import type { Type } from './types.js'
import type { Value } from './values.js'

/** One way to call a function. */
export interface Overload {
  readonly name: string
  /** Called as `target.name(...)`; the target is the first parameter then. */
  readonly member: boolean
  readonly params: readonly Type[]
  readonly result: Type
  /** @throws EvaluationError */
  readonly run: (meter: Meter, ...args: never[]) => Value
  /** In cel-go's units, by the arguments; 1 where there is none. */
  readonly cost?: (...args: readonly Value[]) => number
  /** Whether the cost is counted also where only the values say which overload it is; it is 1 then otherwise. */
  readonly costsByName?: boolean
  /** Whether it is run whatever the arguments are, and looks at them itself: cel-go has a few of these. */
  readonly unguarded?: boolean
  /** In the same units, of the result. */
  readonly resultCost?: (result: Value) => number
  /**
   * What it is where some arguments are constants; others are undefined. Asked when the expression is compiled; throws an Error
   * with the reason where it cannot be called with them.
   */
  readonly specialize?: (
    ...args: readonly (Value | undefined)[]
  ) => Pick<Overload, 'run' | 'unguarded'> | undefined
}

type Options = Pick<Overload, 'cost' | 'costsByName' | 'unguarded' | 'resultCost' | 'specialize'>

type Declare = (
  name: string,
  params: readonly Type[],
  result: Type,
  run: Overload['run'],
  options?: Options,
) => Overload

const declare =
  (member: boolean): Declare =>
  (name, params, result, run, options) => ({ name, member, params, result, run, ...options })

/** A function that is called as name(...). */
export const fn = declare(false)

/** A function that is called as target.name(...). */
export const method = declare(true)

/** cel-go's factors for going through a text, and through a regular expression. */
export const TRAVERSAL = 0.1
export const REGEX = 0.25
