import type { Call, Comprehension, Expr, ListLiteral } from './ast.js'
import { EvaluationError, noSuchOverload } from './errors.js'
import { charged, type Planned, type Planner } from './planner.js'
import { AccumulatorScope, ItemScope, scopeOf, type Scope, type Step } from './scope.js'
import { CelList, CelMap, InputObject, mapKey, type Value } from './values.js'

/** A macro's loop (cel-go interpreter/interpretable.go evalFold). */
export function planFold(planner: Planner, expr: Comprehension): Planned {
  const { accuVar, iterVar, iterVar2 } = expr
  const iteration = iterVar2 === undefined ? [accuVar, iterVar] : [accuVar, iterVar, iterVar2]
  const range = planner.plan(expr.range).step
  const init = fresh(expr.init) ?? planner.plan(expr.init).step
  const condition = planner.within(iteration, expr.condition).step
  const step = planner.within(iteration, expr.step).step
  const result = planner.within([accuVar], expr.result).step
  const items = iterVar2 === undefined ? singles(iterVar) : pairs(iterVar, iterVar2)
  return {
    step: (scope) => {
      const accu = new AccumulatorScope(accuVar, init, scope)
      for (const item of items(range(scope), accu)) {
        scope.meter.work(1)
        if (stops(condition, item)) break
        accu.advance(step, item)
      }
      return result(accu)
    },
  }
}

/** What is added to in place must be made anew each time. */
function fresh(init: Expr): Step | undefined {
  if (init.kind === 'list' && init.elements.length === 0) return () => new CelList([])
  return init.kind === 'map' && init.entries.length === 0 ? () => new CelMap([]) : undefined
}

/** Only a plain `false` ends a loop; an error does not. */
function stops(condition: Step, scope: Scope): boolean {
  try {
    return condition(scope) === false
  } catch (err) {
    if (err instanceof EvaluationError) return false
    throw err
  }
}

type Items = (range: Value, accu: Scope) => Iterable<Scope>

function singles(name: string): Items {
  return function* (range, accu) {
    for (const item of itemsOf(range)) yield new ItemScope(name, item, accu)
  }
}

function itemsOf(range: Value): readonly Value[] {
  if (range instanceof CelList) return range.values
  if (range instanceof CelMap) return range.keys()
  if (range instanceof InputObject) return range.values()
  throw noSuchOverload('comprehension')
}

function pairs(first: string, second: string): Items {
  const scope = (a: Value, b: Value | EvaluationError, accu: Scope): Scope =>
    new ItemScope(second, b, new ItemScope(first, a, accu))
  return function* (range, accu) {
    if (range instanceof CelList) {
      for (const [i, value] of range.values.entries()) yield scope(BigInt(i), value, accu)
    } else if (range instanceof CelMap) {
      for (const key of range.keys()) yield scope(key, range.get(key) as Value, accu)
    } else if (range instanceof InputObject) {
      for (const key of range.values()) yield scope(key, valueBelow(range, key), accu)
    } else throw noSuchOverload('comprehension')
  }
}

function valueBelow(object: InputObject, key: Value): Value | EvaluationError {
  if (typeof key !== 'string') return new EvaluationError('no such overload')
  return object.get(key) ?? new EvaluationError(`no such key: ${key}`)
}

/** `@result + [value]` and `cel.@mapInsert(@result, ...)`, done in place. */
export function planAccumulation(planner: Planner, expr: Call): Planned {
  const [accu, ...added] = expr.args as [Expr & { kind: 'ident' }, ...Expr[]]
  return expr.function === '_+_'
    ? planAppend(planner, accu.name, added[0] as ListLiteral)
    : planInsert(planner, accu.name, added)
}

function planAppend(planner: Planner, accuVar: string, added: ListLiteral): Planned {
  const element = planner.plan((added.elements[0] as ListLiteral['elements'][number]).value)
  // The accumulator and the call count 1 each, the list 10 unless it is a constant.
  const cost = element.constant === undefined ? 12 : 2
  return charged((scope) => {
    const list = scopeOf(scope, accuVar).resolve(accuVar) as CelList
    const value = element.step(scope)
    ;(list.values as Value[]).push(value)
    return list
  }, cost)
}

function planInsert(planner: Planner, accuVar: string, added: readonly Expr[]): Planned {
  const [first, second] = added.map((expr) => planner.plan(expr).step)
  return charged((scope) => {
    const map = scopeOf(scope, accuVar).resolve(accuVar) as CelMap
    const key = (first as Step)(scope)
    if (second !== undefined) insert(map, key, second(scope))
    else if (!(key instanceof CelMap)) throw noSuchOverload('cel.@mapInsert')
    else for (const one of key.keys()) insert(map, one, key.get(one) as Value)
    return map
  }, 2)
}

function insert(map: CelMap, value: Value, inserted: Value): void {
  const key = mapKey(value)
  if (map.get(key) !== undefined) throw new EvaluationError('insert failed: the key already exists')
  map.set(key, inserted)
}
