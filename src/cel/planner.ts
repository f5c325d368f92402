import type { Call, Comprehension, Expr, Ident, ListLiteral, MapLiteral, Select } from './ast.js'
import { planCall } from './calls.js'
import type { Checked } from './checker.js'
import type { Environment } from './environment.js'
import { compileError, EvaluationError } from './errors.js'
import { planFold } from './fold.js'
import { isPresent, select, selectOptional } from './qualify.js'
import { inputScope, scopeOf, type Step } from './scope.js'
import { CelList, CelMap, mapKey, type MapKey, Optional, TypeValue, Uint, type Value } from './values.js'

/** A step, and the value that it has always, if it has one. */
export interface Planned {
  readonly step: Step
  readonly constant?: Value
}

/** cel-go common/cost.go. */
const LIST_COST = 10
const MAP_COST = 30

const CONSTANTS = new Set('bool bytes double dyn duration int string timestamp type uint'.split(' '))

/**
 * Makes of a checked expression what evaluates it (cel-go interpreter/planner.go, with its constant folding).
 *
 * @param text for messages
 * @throws CompileError where a constant cannot be converted, or is no regular expression
 */
export function plan(env: Environment, text: string, checked: Checked): Step {
  return new Planner(env, text, checked).plan(checked.expr).step
}

export class Planner {
  /** Macros repeat parts of an expression. */
  readonly #planned = new Map<Expr, Planned>()
  /** Variables of the macros around what is being planned. */
  readonly #locals: string[] = []

  constructor(
    readonly env: Environment,
    readonly text: string,
    readonly checked: Checked,
  ) {}

  /** A step for a node, which costs 1 for the variable, or other start, of a path of selections. */
  plan(expr: Expr): Planned {
    let planned = this.#planned.get(expr)
    if (planned === undefined) this.#planned.set(expr, (planned = this.#planNode(expr)))
    return planned
  }

  #planNode(expr: Expr): Planned {
    if (!this.#isPath(expr)) return this.#plan(expr)
    const { step } = this.planPath(expr)
    if (expr.kind === 'select' && expr.test) return { step }
    if (pathStart(expr).kind === 'call') return this.#isTernary(pathStart(expr)) ? { step } : charged(step)
    return charged(step)
  }

  /** A step for a node that is a branch of `?:` or an index: there cel-go counts selections alone. */
  planPath(expr: Expr): Planned {
    if (expr.kind === 'ident') return this.#ident(expr)
    if (expr.kind === 'select') return this.#typeName(expr) ?? this.#select(expr)
    if (expr.kind === 'call' && isSelection(expr)) return this.#index(expr)
    return this.#plan(expr)
  }

  /** Plans a part with more variables than what is around it has. */
  within(names: readonly string[], expr: Expr): Planned {
    this.#locals.push(...names)
    const planned = this.plan(expr)
    this.#locals.length -= names.length
    return planned
  }

  fail(pos: number, err: unknown): never {
    if (!(err instanceof Error)) throw err
    throw compileError(this.text, pos, err.message)
  }

  #isPath(expr: Expr): boolean {
    if (this.checked.typeNames.has(expr)) return false
    return expr.kind === 'ident' || expr.kind === 'select' || (expr.kind === 'call' && isSelection(expr))
  }

  #isTernary(expr: Expr): boolean {
    return expr.kind === 'call' && expr.function === '_?_:_'
  }

  #plan(expr: Expr): Planned {
    switch (expr.kind) {
      case 'literal':
        return constant(expr.value)
      case 'list':
        return this.#list(expr)
      case 'map':
        return this.#map(expr)
      case 'call':
        return this.#call(expr)
      case 'comprehension':
        return this.#comprehension(expr)
      case 'ident':
      case 'select':
        return this.planPath(expr)
    }
  }

  #ident(expr: Ident): Planned {
    const { name } = expr
    if (this.#locals.includes(name)) return { step: (scope) => scopeOf(scope, name).resolve(name) as Value }
    const type = this.#typeName(expr)
    if (type !== undefined) return type
    const global = name.replace(/^\./, '')
    return {
      step: (scope) => {
        const value = inputScope(scope).resolve(global)
        if (value === undefined) throw new EvaluationError(`no such attribute(s): ${global}`)
        return value
      },
    }
  }

  #typeName(expr: Expr): Planned | undefined {
    const name = this.checked.typeNames.get(expr)
    return name === undefined ? undefined : constant(new TypeValue(name))
  }

  #select(expr: Select): Planned {
    const { field, test } = expr
    const operand = this.#operand(expr.operand)
    return {
      step: (scope) => {
        const object = operand(scope)
        scope.meter.charge(1)
        return test ? isPresent(object, field) : select(object, field)
      },
    }
  }

  #operand(expr: Expr): Step {
    return (this.#isPath(expr) ? this.planPath(expr) : this.#plan(expr)).step
  }

  #index(expr: Call): Planned {
    const [object, key] = expr.args as [Expr, Expr]
    const operand = this.#operand(object)
    const { step: index, constant: fixed } = this.planPath(key)
    if (fixed !== undefined) this.#checkKey(key, fixed)
    const optional = expr.function !== '_[_]'
    return {
      step: (scope) => {
        const target = operand(scope)
        const value = index(scope)
        const found = optional ? selectOptional(target, value) : select(target, value)
        if (found !== Optional.NONE) scope.meter.charge(1)
        return found
      },
    }
  }

  /** cel-go makes no program with another kind of index. */
  #checkKey({ pos }: Expr, key: Value): void {
    if (typeof key === 'object' && !(key instanceof Uint)) this.fail(pos, new Error('invalid qualifier type'))
  }

  #list(expr: ListLiteral): Planned {
    const elements = expr.elements.map(({ value, optional }) => ({ ...this.plan(value), optional }))
    const step: Step = (scope) => {
      const values: Value[] = []
      for (const { step: element, optional } of elements) {
        const value = element(scope)
        if (!optional) values.push(value)
        else if (!(value instanceof Optional)) throw new EvaluationError('the element is not optional')
        else if (value.value !== undefined) values.push(value.value)
      }
      return new CelList(values)
    }
    const constants = elements.map((element) => element.constant)
    if (allConstant(constants) && !elements.some(({ optional }) => optional))
      return constant(new CelList(constants))
    return charged(step, LIST_COST)
  }

  #map(expr: MapLiteral): Planned {
    const entries = expr.entries.map(({ key, value, optional }) => ({
      key: this.plan(key),
      value: this.plan(value),
      optional,
    }))
    const step: Step = (scope) => {
      const made = new CelMap([])
      for (const { key, value, optional } of entries) {
        addEntry(made, mapKey(key.step(scope)), value.step(scope), optional)
      }
      return made
    }
    const keys = entries.map(({ key }) => key.constant)
    const values = entries.map(({ value }) => value.constant)
    const fixed = allConstant(keys) && allConstant(values) && !entries.some(({ optional }) => optional)
    return fixed ? this.#folded(expr, { step }) : charged(step, MAP_COST)
  }

  #call(expr: Call): Planned {
    const planned = planCall(this, expr)
    const name = this.checked.calls.get(expr)?.name ?? ''
    if (!CONSTANTS.has(name) || expr.args.length !== 1) return planned
    if (this.plan(expr.args[0] as Expr).constant === undefined) return planned
    return this.#folded(expr, planned)
  }

  /** A conversion of a constant happens when the program is made. */
  #folded(expr: Expr, planned: Planned): Planned {
    try {
      return constant(planned.step(NOTHING))
    } catch (err) {
      return this.fail(expr.pos, err)
    }
  }

  #comprehension(expr: Comprehension): Planned {
    return planFold(this, expr)
  }
}

const NOTHING = {
  meter: { cost: 0, charge: () => {}, work: () => {}, size: () => {} } as never,
  name: '',
  resolve: () => undefined,
  outer: undefined,
}

function addEntry(made: CelMap, key: MapKey, value: Value, optional: boolean): void {
  if (!optional) return made.set(key, value)
  if (!(value instanceof Optional)) throw new EvaluationError('the entry is not optional')
  if (value.value === undefined) made.delete(key)
  else made.set(key, value.value)
}

function allConstant(values: readonly (Value | undefined)[]): values is readonly Value[] {
  return !values.includes(undefined)
}

export function constant(value: Value): Planned {
  return { step: () => value, constant: value }
}

/** The step, and what it costs once it is done. */
export function charged({ step }: Pick<Planned, 'step'> | Planned, cost?: number): Planned
export function charged(step: Step, cost?: number): Planned
export function charged(planned: Step | Pick<Planned, 'step'>, cost = 1): Planned {
  const step = typeof planned === 'function' ? planned : planned.step
  return {
    step: (scope) => {
      const value = step(scope)
      scope.meter.charge(cost)
      return value
    },
  }
}

function isSelection({ function: name }: Call): boolean {
  return name === '_[_]' || name === '_[?_]' || name === '_?._'
}

/** What a path of selections begins with. */
function pathStart(expr: Expr): Expr {
  if (expr.kind === 'select') return pathStart(expr.operand)
  return expr.kind === 'call' && isSelection(expr) ? pathStart(expr.args[0] as Expr) : expr
}
