import type { Call, Expr } from './ast.js'
import type { Resolution } from './checker.js'
import { equal, isSame } from './equality.js'
import { EvaluationError, noSuchOverload } from './errors.js'
import { planAccumulation } from './fold.js'
import { type Overload, TRAVERSAL } from './functions.js'
import { charged, constant, type Planned, type Planner } from './planner.js'
import type { Scope, Step } from './scope.js'
import { accepts } from './types.js'
import { CelList, Opaque, Optional, sizeOf, type Value } from './values.js'

/** A call: of a function, or of an operator that does not evaluate all its operands. */
export function planCall(planner: Planner, expr: Call): Planned {
  if (expr.accumulates === true) return planAccumulation(planner, expr)
  const resolution = planner.checked.calls.get(expr) as Resolution
  const operands = resolution.hasTarget && expr.target !== undefined ? [expr.target, ...expr.args] : expr.args
  switch (resolution.name) {
    case '_&&_':
      return planLogical(planner, operands, false)
    case '_||_':
      return planLogical(planner, operands, true)
    case '_?_:_':
      return planTernary(planner, operands)
    case '_==_':
      return planEquality(planner, operands, true)
    case '_!=_':
      return planEquality(planner, operands, false)
    case '@not_strictly_false':
      return planNotStrictlyFalse(planner, operands)
    case 'or':
    case 'orValue':
      return planOr(planner, operands, resolution.name)
    default:
      return planFunction(planner, expr, resolution, operands)
  }
}

/** Ends at the first term that decides; an error of another term does not matter then. */
function planLogical(planner: Planner, operands: readonly Expr[], decides: boolean): Planned {
  const terms = operands.map((term) => planner.plan(term).step)
  return {
    step: (scope) => {
      let failure: EvaluationError | undefined
      for (const term of terms) {
        try {
          const value = term(scope)
          if (value === decides) return decides
          if (typeof value !== 'boolean') failure ??= noSuchOverload(decides ? '_||_' : '_&&_')
        } catch (err) {
          if (!(err instanceof EvaluationError)) throw err
          failure ??= err
        }
      }
      if (failure !== undefined) throw failure
      return !decides
    },
  }
}

function planTernary(planner: Planner, [condition, yes, no]: readonly Expr[]): Planned {
  const test = planner.plan(condition as Expr).step
  const ifTrue = planner.planPath(yes as Expr).step
  const ifFalse = planner.planPath(no as Expr).step
  return {
    step: (scope) => {
      const value = test(scope)
      if (typeof value !== 'boolean') throw noSuchOverload('_?_:_')
      return value ? ifTrue(scope) : ifFalse(scope)
    },
  }
}

function planEquality(planner: Planner, operands: readonly Expr[], expected: boolean): Planned {
  const [left, right] = operands.map((operand) => planner.plan(operand).step) as [Step, Step]
  return {
    step: (scope) => {
      const a = left(scope)
      const b = right(scope)
      const size = a instanceof Opaque ? 1 : Math.min(sizeOf(a), sizeOf(b))
      scope.meter.charge(Math.ceil(size * TRAVERSAL))
      scope.meter.work(size)
      if (expected) return equal(a, b, scope.meter)
      try {
        return !equal(a, b, scope.meter)
      } catch (err) {
        // cel-go: whatever is not equal, is different.
        if (err instanceof EvaluationError) return true
        throw err
      }
    },
  }
}

function planNotStrictlyFalse(planner: Planner, [operand]: readonly Expr[]): Planned {
  const step = planner.plan(operand as Expr).step
  return charged((scope) => {
    try {
      const value = step(scope)
      return typeof value === 'boolean' ? value : true
    } catch (err) {
      if (err instanceof EvaluationError) return true
      throw err
    }
  })
}

function planOr(planner: Planner, operands: readonly Expr[], name: 'or' | 'orValue'): Planned {
  const [left, right] = operands.map((operand) => planner.plan(operand).step) as [Step, Step]
  return {
    step: (scope) => {
      const value = left(scope)
      if (!(value instanceof Optional)) throw noSuchOverload(name)
      if (value.value === undefined) return right(scope)
      return name === 'or' ? value : value.value
    },
  }
}

function planFunction(
  planner: Planner,
  expr: Call,
  resolution: Resolution,
  operands: readonly Expr[],
): Planned {
  const planned = operands.map((operand) => planner.plan(operand))
  const steps = planned.map(({ step }) => step)
  const { name, overload } = resolution
  const all = planner.env.functions.get(name) as readonly Overload[]
  const callable =
    overload === undefined ? all.filter(({ params }) => params.length === steps.length) : [overload]
  const constants = planned.map((one) => one.constant)
  const candidates = callable.map((one) => specialized(planner, expr, one, constants))
  const list = name === '@in' ? planned[1]?.constant : undefined
  if (list instanceof CelList && overload !== undefined) return planMembership(steps[0] as Step, list)
  return { step: (scope) => call(scope, name, candidates, steps, overload !== undefined) }
}

/** cel-go counts nothing for `in` a list of constants. */
function planMembership(operand: Step, list: CelList): Planned {
  if (list.values.length === 0) return constant(false)
  return {
    step: (scope) => {
      const value = operand(scope)
      return list.values.some((one) => isSame(value, one, scope.meter))
    },
  }
}

function specialized(
  planner: Planner,
  expr: Call,
  overload: Overload,
  constants: readonly (Value | undefined)[],
): Overload {
  try {
    return { ...overload, ...overload.specialize?.(...constants) }
  } catch (err) {
    return planner.fail(expr.pos, err)
  }
}

/** Calls the first overload that takes the arguments. What can be counted before is counted before. */
function call(
  scope: Scope,
  name: string,
  candidates: readonly Overload[],
  steps: readonly Step[],
  resolved: boolean,
): Value {
  const { meter } = scope
  const args = steps.map((step) => step(scope))
  const overload = candidates.find(
    ({ params, unguarded }) =>
      unguarded === true || params.every((type, i) => accepts(type, args[i] as Value)),
  )
  if (overload === undefined) {
    const named = candidates.find(({ costsByName }) => costsByName)
    meter.charge(named?.cost?.(...args) ?? 1)
    throw noSuchOverload(name)
  }
  const { cost, resultCost, run } = overload
  const known = resolved || overload.costsByName === true
  meter.charge(known ? (cost?.(...args) ?? (resultCost === undefined ? 1 : 0)) : 1)
  for (const arg of args) meter.work(sizeOf(arg))
  const result = run(meter, ...(args as never[]))
  if (known && resultCost !== undefined) meter.charge(resultCost(result))
  meter.size(sizeOf(result))
  return result
}
