import type { Call, Comprehension, Expr, ListLiteral, MapLiteral, Select } from './ast.js'
import type { Environment } from './environment.js'
import { compileError, type CompileError } from './errors.js'
import type { Overload } from './functions.js'
import {
  BOOL,
  BYTES,
  DOUBLE,
  DYN,
  INT,
  isDyn,
  isExact,
  list,
  map,
  NULL,
  optional,
  param,
  STRING,
  type Type,
  typeText,
  UINT,
} from './types.js'
import {
  isAssignable,
  isAssignableList,
  mostGeneral,
  substitute,
  Substitutions,
  unwrapOptional,
} from './unification.js'
import type { Value } from './values.js'

/** What is known of a call once it is checked. */
export interface Resolution {
  readonly name: string
  /** False where the target is the first half of the function's name: `sets.contains(...)`. */
  readonly hasTarget: boolean
  /** The only way to call it; undefined where the values decide. */
  readonly overload: Overload | undefined
}

/** An expression whose types fit. */
export interface Checked {
  readonly expr: Expr
  readonly type: Type
  readonly calls: ReadonlyMap<Call, Resolution>
  /** Names that are types: `int`, `google.protobuf.Timestamp`. */
  readonly typeNames: ReadonlyMap<Expr, string>
  /** Of a part of the expression. */
  typeOf(expr: Expr): Type
}

/** Names of an expression's own, of the macros around it. */
interface Scope {
  readonly names: ReadonlyMap<string, Type>
  readonly outer: Scope | undefined
}

/**
 * Checks that the types of an expression fit together (cel-go checker/checker.go).
 *
 * @param text for messages
 * @throws CompileError
 */
export function check(env: Environment, text: string, expr: Expr): Checked {
  return new Checker(env, text).run(expr)
}

class Checker {
  readonly #subs = new Substitutions()
  /** Macros repeat parts of an expression, each in one scope. */
  readonly #types = new Map<Expr, Type>()
  readonly #calls = new Map<Call, Resolution>()
  readonly #typeNames = new Map<Expr, string>()
  #scope: Scope | undefined
  #variables = 0

  readonly #env: Environment
  readonly #text: string

  constructor(env: Environment, text: string) {
    this.#env = env
    this.#text = text
  }

  run(expr: Expr): Checked {
    const type = this.#check(expr)
    return {
      expr,
      type: substitute(this.#subs, type, true),
      calls: this.#calls,
      typeNames: this.#typeNames,
      typeOf: (part) => substitute(this.#subs, this.#check(part), true),
    }
  }

  #check(expr: Expr): Type {
    let type = this.#types.get(expr)
    if (type === undefined) this.#types.set(expr, (type = this.#typeOf(expr)))
    return type
  }

  #typeOf(expr: Expr): Type {
    switch (expr.kind) {
      case 'literal':
        return literalType(expr.value)
      case 'ident':
        return this.#ident(expr, expr.name) ?? this.#undeclared(expr.pos, expr.name)
      case 'select':
        return this.#select(expr)
      case 'call':
        return this.#call(expr)
      case 'list':
        return this.#list(expr)
      case 'map':
        return this.#map(expr)
      case 'comprehension':
        return this.#comprehension(expr)
    }
  }

  #ident(expr: Expr, name: string): Type | undefined {
    const local = name.startsWith('.') ? undefined : this.#local(name)
    if (local !== undefined) return local
    const global = name.replace(/^\./, '')
    const variable = this.#env.variables.get(global)
    if (variable !== undefined) return variable
    const type = this.#env.typeNames.get(global)
    if (type !== undefined) this.#typeNames.set(expr, global)
    return type
  }

  #local(name: string): Type | undefined {
    for (let scope = this.#scope; scope !== undefined; scope = scope.outer) {
      const type = scope.names.get(name)
      if (type !== undefined) return type
    }
    return undefined
  }

  #select(expr: Select): Type {
    const path = expr.test ? undefined : qualifiedName(expr)
    if (path !== undefined && this.#local(path.split('.', 1)[0] as string) === undefined) {
      const type = this.#ident(expr, path)
      if (type !== undefined) return type
    }
    const type = this.#field(expr.pos, expr.operand, expr.field, false)
    return expr.test ? BOOL : type
  }

  #field(pos: number, operand: Expr, field: string, makesOptional: boolean): Type {
    const { type, wasOptional } = unwrapOptional(substitute(this.#subs, this.#check(operand), false))
    const result = substitute(this.#subs, this.#fieldType(pos, type, field), false)
    return wasOptional || makesOptional ? optional(result) : result
  }

  #fieldType(pos: number, type: Type, field: string): Type {
    if (type.kind === 'map') return type.params[1] as Type
    if (type.kind === 'struct') {
      return type.fields?.get(field) ?? this.#throw(pos, `undefined field '${field}'`)
    }
    if (type.kind === 'param') {
      isAssignable(this.#subs, DYN, type)
      return DYN
    }
    if (isDyn(type) || type.kind === 'error') return DYN
    return this.#throw(pos, `type '${typeText(type)}' does not support field selection`)
  }

  #call(expr: Call): Type {
    if (expr.function === '_?._') {
      const [operand, field] = expr.args as [Expr, Expr]
      this.#check(field)
      this.#calls.set(expr, { name: expr.function, hasTarget: false, overload: undefined })
      const name = field.kind === 'literal' && typeof field.value === 'string' ? field.value : ''
      return this.#field(expr.pos, operand, name, true)
    }
    const argTypes = expr.args.map((arg) => this.#check(arg))
    const { target } = expr
    if (target === undefined) {
      const name = expr.function.replace(/^\./, '')
      return this.#resolve(expr, name, this.#overloads(expr.pos, name), undefined, argTypes)
    }
    const prefix = qualifiedName(target)
    if (prefix !== undefined) {
      const name = `${prefix.replace(/^\./, '')}.${expr.function}`
      const overloads = this.#env.functions.get(name)
      if (overloads !== undefined) return this.#resolve(expr, name, overloads, undefined, argTypes)
    }
    const targetType = this.#check(target)
    return this.#resolve(expr, expr.function, this.#overloads(expr.pos, expr.function), targetType, argTypes)
  }

  #overloads(pos: number, name: string): readonly Overload[] {
    return this.#env.functions.get(name) ?? this.#undeclared(pos, name)
  }

  #resolve(
    expr: Call,
    name: string,
    overloads: readonly Overload[],
    target: Type | undefined,
    argTypes: readonly Type[],
  ): Type {
    const hasTarget = target !== undefined
    if (name === '_&&_' || name === '_||_') return this.#logical(expr, name, argTypes)
    const types = hasTarget ? [target, ...argTypes] : argTypes
    const matching: Overload[] = []
    let result: Type | undefined
    for (const overload of overloads) {
      if (overload.member !== hasTarget) continue
      const fresh = new Map<string, Type>()
      const params = overload.params.map((type) => this.#instantiate(fresh, type))
      const answer = this.#instantiate(fresh, overload.result)
      if (!isAssignableList(this.#subs, types, params)) continue
      matching.push(overload)
      const type = substitute(this.#subs, answer, false)
      if (result === undefined) result = type
      else if (!isDyn(result) && !isExact(type, result)) result = DYN
    }
    if (result === undefined) {
      const shown = types.map((type) => typeText(substitute(this.#subs, type, true)))
      const signature = hasTarget ? `${shown[0]}.(${shown.slice(1).join(', ')})` : `(${shown.join(', ')})`
      return this.#throw(expr.pos, `found no matching overload for '${name}' applied to '${signature}'`)
    }
    this.#calls.set(expr, { name, hasTarget, overload: matching.length === 1 ? matching[0] : undefined })
    return result
  }

  #logical(expr: Call, name: string, argTypes: readonly Type[]): Type {
    argTypes.forEach((type, i) => {
      if (!isAssignable(this.#subs, type, BOOL)) this.#mismatch(expr.args[i] as Expr, BOOL, type)
    })
    this.#calls.set(expr, { name, hasTarget: false, overload: undefined })
    return BOOL
  }

  #instantiate(fresh: Map<string, Type>, type: Type): Type {
    if (type.kind === 'param') {
      let variable = fresh.get(type.name)
      if (variable === undefined) fresh.set(type.name, (variable = this.#variable()))
      return variable
    }
    if (type.params.length === 0) return type
    return { ...type, params: type.params.map((part) => this.#instantiate(fresh, part)) }
  }

  #variable(): Type {
    return param(`_var${this.#variables++}`)
  }

  #list(expr: ListLiteral): Type {
    let element: Type | undefined
    for (const { value, optional: isOptional } of expr.elements) {
      const checked = this.#check(value)
      element = this.#join(element, isOptional ? this.#unwrapped(value, checked) : checked)
    }
    return list(element ?? this.#variable())
  }

  #map(expr: MapLiteral): Type {
    let keyType: Type | undefined
    let valueType: Type | undefined
    for (const { key, value, optional: isOptional } of expr.entries) {
      keyType = this.#join(keyType, this.#check(key))
      const checked = this.#check(value)
      valueType = this.#join(valueType, isOptional ? this.#unwrapped(value, checked) : checked)
    }
    return map(keyType ?? this.#variable(), valueType ?? this.#variable())
  }

  #unwrapped(expr: Expr, type: Type): Type {
    const { type: inner, wasOptional } = unwrapOptional(substitute(this.#subs, type, false))
    if (!wasOptional && !isDyn(inner)) this.#mismatch(expr, optional(inner), inner)
    return inner
  }

  #join(previous: Type | undefined, current: Type): Type {
    if (previous === undefined) return current
    return isAssignable(this.#subs, previous, current) ? mostGeneral(previous, current) : DYN
  }

  #comprehension(expr: Comprehension): Type {
    const range = substitute(this.#subs, this.#check(expr.range), false)
    const accuType = this.#check(expr.init)
    const outside = this.#scope
    const result: Scope = { names: new Map([[expr.accuVar, accuType]]), outer: outside }
    this.#scope = { names: this.#iterationVariables(expr, range), outer: result }
    this.#assert(expr.condition, BOOL)
    this.#assert(expr.step, accuType)
    this.#scope = result
    const type = this.#check(expr.result)
    this.#scope = outside
    return substitute(this.#subs, type, false)
  }

  #iterationVariables({ iterVar, iterVar2, range: expr }: Comprehension, range: Type): Map<string, Type> {
    const types = (first: Type, second: Type): Map<string, Type> =>
      new Map([[iterVar, first], ...(iterVar2 === undefined ? [] : [[iterVar2, second] as const])])
    const [first, second] = range.params
    if (range.kind === 'list') return types(iterVar2 === undefined ? (first as Type) : INT, first as Type)
    if (range.kind === 'map') return types(first as Type, second as Type)
    // What is `any` must be made dyn() first.
    if (range.kind === 'dyn' || range.kind === 'error' || range.kind === 'param') {
      isAssignable(this.#subs, DYN, range)
      return types(DYN, DYN)
    }
    return this.#throw(
      expr.pos,
      `expression of type '${typeText(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
    )
  }

  #assert(expr: Expr, expected: Type): void {
    const type = this.#check(expr)
    if (!isAssignable(this.#subs, expected, type)) this.#mismatch(expr, expected, type)
  }

  #mismatch(expr: Expr, expected: Type, found: Type): never {
    const shown = (type: Type): string => typeText(substitute(this.#subs, type, true))
    return this.#throw(expr.pos, `expected type '${shown(expected)}' but found '${shown(found)}'`)
  }

  #undeclared(pos: number, name: string): never {
    return this.#throw(pos, `undeclared reference to '${name}' (in container '')`)
  }

  #throw(pos: number, message: string): never {
    throw this.#error(pos, message)
  }

  #error(pos: number, message: string): CompileError {
    return compileError(this.#text, pos, message)
  }
}

/** `a.b.c` of selections that lead to an identifier. */
function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name
  if (expr.kind !== 'select' || expr.test) return undefined
  const operand = qualifiedName(expr.operand)
  return operand === undefined ? undefined : `${operand}.${expr.field}`
}

function literalType(value: Value): Type {
  if (typeof value === 'boolean') return BOOL
  if (typeof value === 'bigint') return INT
  if (typeof value === 'number') return DOUBLE
  if (typeof value === 'string') return STRING
  if (value === null) return NULL
  return value instanceof Uint8Array ? BYTES : UINT
}
