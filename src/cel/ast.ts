import type { Value } from './values.js'

/** What every node has: where it begins in the text, in UTF-16 units, for messages. */
interface Node {
  readonly pos: number
}

export interface Literal extends Node {
  readonly kind: 'literal'
  readonly value: Value
}

export interface Ident extends Node {
  readonly kind: 'ident'
  /** With a dot in front where the text has one. */
  readonly name: string
}

export interface Select extends Node {
  readonly kind: 'select'
  readonly operand: Expr
  readonly field: string
  /** has(operand.field) */
  readonly test: boolean
}

export interface Call extends Node {
  readonly kind: 'call'
  /** Operators have cel-go's names: `_+_`, `_?_:_`. */
  readonly function: string
  readonly target: Expr | undefined
  readonly args: readonly Expr[]
  /** Adds to the accumulator of a macro, which nobody else sees, so it may be done in place. */
  readonly accumulates?: boolean
}

export interface ListLiteral extends Node {
  readonly kind: 'list'
  readonly elements: readonly { readonly value: Expr; readonly optional: boolean }[]
}

export interface MapLiteral extends Node {
  readonly kind: 'map'
  readonly entries: readonly { readonly key: Expr; readonly value: Expr; readonly optional: boolean }[]
}

/** What macros become: a fold over a list or a map. */
export interface Comprehension extends Node {
  readonly kind: 'comprehension'
  readonly range: Expr
  readonly iterVar: string
  readonly iterVar2: string | undefined
  readonly accuVar: string
  readonly init: Expr
  readonly condition: Expr
  readonly step: Expr
  readonly result: Expr
}

export type Expr = Literal | Ident | Select | Call | ListLiteral | MapLiteral | Comprehension

/** The parts of a node that are expressions, in the order of the text where there is one. */
export function children(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'literal':
    case 'ident':
      return []
    case 'select':
      return [expr.operand]
    case 'call':
      return expr.target === undefined ? expr.args : [expr.target, ...expr.args]
    case 'list':
      return expr.elements.map(({ value }) => value)
    case 'map':
      return expr.entries.flatMap(({ key, value }) => [key, value])
    case 'comprehension':
      return [expr.range, expr.init, expr.condition, expr.step, expr.result]
  }
}

/**
 * Whether the expression selects that field of that variable: `claims.email` or `claims.?email`, but not `claims["email"]`
 * (k8s.io/apiserver/pkg/apis/apiserver/validation hasSelectExp).
 */
export function selects(expr: Expr, variable: string, field: string): boolean {
  if (expr.kind === 'select' && expr.field === field && isIdent(expr.operand, variable)) return true
  if (expr.kind === 'call' && expr.function === '_?._' && expr.target === undefined) {
    const [operand, name] = expr.args
    if (name?.kind === 'literal' && name.value === field && isIdent(operand, variable)) return true
  }
  return children(expr).some((child) => selects(child, variable, field))
}

function isIdent(expr: Expr | undefined, name: string): boolean {
  return expr?.kind === 'ident' && expr.name === name
}
