import { DYN, isDyn, isExact, isOptional, list, map, type Type } from './types.js'

/** A parameter, and what it stood for before. */
type Change = readonly [string, Type | undefined]

/** What type parameters stand for, by their names. What was learned since a mark can be forgotten. */
export class Substitutions {
  readonly #types = new Map<string, Type>()
  readonly #changes: Change[] = []

  get(name: string): Type | undefined {
    return this.#types.get(name)
  }

  set(name: string, type: Type): void {
    this.#changes.push([name, this.#types.get(name)])
    this.#types.set(name, type)
  }

  mark(): number {
    return this.#changes.length
  }

  rollBack(mark: number): void {
    while (this.#changes.length > mark) {
      const [name, before] = this.#changes.pop() as Change
      if (before === undefined) this.#types.delete(name)
      else this.#types.set(name, before)
    }
  }
}

/**
 * Whether a value of the second type may stand where the first is expected. What parameters stand for is learned on the
 * way, and forgotten where the answer is no (cel-go checker/types.go isAssignable).
 */
export function isAssignable(subs: Substitutions, a: Type, b: Type): boolean {
  return isAssignableList(subs, [a], [b])
}

export function isAssignableList(subs: Substitutions, a: readonly Type[], b: readonly Type[]): boolean {
  const mark = subs.mark()
  if (assignableAll(subs, a, b)) return true
  subs.rollBack(mark)
  return false
}

function assignableAll(subs: Substitutions, a: readonly Type[], b: readonly Type[]): boolean {
  return a.length === b.length && a.every((type, i) => assignable(subs, type, b[i] as Type))
}

function assignable(subs: Substitutions, a: Type, b: Type): boolean {
  if (b.kind === 'param') {
    const { valid, known } = substitutes(subs, a, b)
    if (valid) return true
    if (known) return false
  }
  if (a.kind === 'param') return substitutes(subs, b, a).valid
  if (isDyn(a) || isDyn(b) || a.kind === 'error' || b.kind === 'error') return true
  if (a.kind === 'null_type') return isNullable(b)
  if (b.kind === 'null_type') return isNullable(a)
  if (a.kind === 'type') return b.kind === 'type'
  return a.kind === b.kind && a.name === b.name && assignableAll(subs, a.params, b.params)
}

function isNullable({ kind }: Type): boolean {
  return kind === 'null_type' || kind === 'opaque' || kind === 'struct' || kind === 'time'
}

/** Whether the parameter may stand for the type, and whether it stands for one already. */
function substitutes(subs: Substitutions, type: Type, parameter: Type): { valid: boolean; known: boolean } {
  if (isExact(type, parameter)) return { valid: true, known: true }
  const known = subs.get(parameter.name)
  if (known !== undefined) {
    if (isExact(type, known)) return { valid: true, known: true }
    if (!assignable(subs, type, known)) return { valid: false, known: true }
    const general = mostGeneral(type, known)
    if (!occurs(subs, parameter, general)) subs.set(parameter.name, general)
    return { valid: true, known: true }
  }
  if (occurs(subs, parameter, type)) return { valid: false, known: false }
  subs.set(parameter.name, type)
  return { valid: true, known: false }
}

/** Whether a parameter is part of what it would stand for. */
function occurs(subs: Substitutions, parameter: Type, within: Type): boolean {
  if (isExact(parameter, within)) return true
  if (within.kind === 'param') {
    const known = subs.get(within.name)
    return known !== undefined && occurs(subs, parameter, known)
  }
  return within.params.some((part) => occurs(subs, parameter, part))
}

/** Of two types that fit together, the one that says less. */
export function mostGeneral(a: Type, b: Type): Type {
  return isLessSpecific(a, b) ? a : b
}

function isLessSpecific(a: Type, b: Type): boolean {
  if (isDyn(a) || a.kind === 'param') return true
  if (isDyn(b) || b.kind === 'param' || a.kind !== b.kind) return false
  if (a.kind === 'type') return true
  if (a.name !== b.name || a.params.length !== b.params.length) return false
  return a.params.every((part, i) => isLessSpecific(part, b.params[i] as Type))
}

/** The type with what its parameters stand for; `free` ones become dyn where asked for. */
export function substitute(subs: Substitutions, type: Type, freeToDyn: boolean): Type {
  const known = type.kind === 'param' ? subs.get(type.name) : undefined
  if (known !== undefined) return substitute(subs, known, freeToDyn)
  if (type.kind === 'param') return freeToDyn ? DYN : type
  if (type.params.length === 0) return type
  const params = type.params.map((part) => substitute(subs, part, freeToDyn))
  if (type.kind === 'list') return list(params[0] as Type)
  if (type.kind === 'map') return map(params[0] as Type, params[1] as Type)
  return { ...type, params }
}

/** The type in an optional one, and whether it was one. */
export function unwrapOptional(type: Type): { type: Type; wasOptional: boolean } {
  return isOptional(type) ? { type: type.params[0] as Type, wasOptional: true } : { type, wasOptional: false }
}
