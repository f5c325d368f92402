import { EvaluationError } from './errors.js'
import type { Meter } from './meter.js'
import type { Value } from './values.js'

/** Where a step finds its variables while it runs: those of the macros around it, then those of the input. */
export interface Scope {
  readonly meter: Meter
  /** What the scope has, if it is a macro's; '' of the outermost, which has the input's. */
  readonly name: string
  /** @throws EvaluationError where the variable holds one */
  resolve(name: string): Value | undefined
  readonly outer: Scope | undefined
}

/** A part of a program. */
export type Step = (scope: Scope) => Value

/** The scope of the nearest macro with that variable. */
export function scopeOf(scope: Scope, name: string): Scope {
  let found = scope
  while (found.name !== name) {
    if (found.outer === undefined) throw new EvaluationError(`no such attribute(s): ${name}`)
    found = found.outer
  }
  return found
}

export function inputScope(scope: Scope): Scope {
  let found = scope
  while (found.outer !== undefined) found = found.outer
  return found
}

/** One item of what a macro goes through. */
export class ItemScope implements Scope {
  readonly meter: Meter

  readonly #value: Value | EvaluationError

  constructor(
    readonly name: string,
    value: Value | EvaluationError,
    readonly outer: Scope,
  ) {
    this.#value = value
    this.meter = outer.meter
  }

  resolve(): Value {
    if (this.#value instanceof EvaluationError) throw this.#value
    return this.#value
  }
}

/** What a macro has come to so far: a value, or the error of a step. It begins when it is first asked for. */
export class AccumulatorScope implements Scope {
  readonly meter: Meter
  #value: Value | undefined
  #error: EvaluationError | undefined

  readonly #init: Step

  constructor(
    readonly name: string,
    init: Step,
    readonly outer: Scope,
  ) {
    this.#init = init
    this.meter = outer.meter
  }

  resolve(): Value {
    if (this.#value === undefined && this.#error === undefined) this.advance(this.#init, this.outer)
    const error: EvaluationError | undefined = this.#error
    if (error !== undefined) throw error
    return this.#value as Value
  }

  /** Takes a step's value, or its error, for what it has come to. */
  advance(step: Step, scope: Scope): void {
    try {
      this.#value = step(scope)
      this.#error = undefined
    } catch (err) {
      if (!(err instanceof EvaluationError)) throw err
      this.#error = err
    }
  }
}
