import { children, type Expr, type MapLiteral } from './ast.js'
import type { Checked } from './checker.js'
import { compileError } from './errors.js'
import { isExact, type Type, typeText } from './types.js'
import { unwrapOptional } from './unification.js'

/** A part of a literal, and whether a question mark is before it. */
interface Part {
  readonly value: Expr
  readonly optional: boolean
}

/**
 * Checks that the elements of each list literal are of one type, and the keys and the values of each map literal: not even dyn
 * goes with another. Only around the arguments of format() they may be anything (cel-go cel/validator.go
 * ValidateHomogeneousAggregateLiterals).
 *
 * @param text for messages
 * @throws CompileError
 */
export function checkLiterals(text: string, checked: Checked): void {
  const seen = new Set<Expr>()
  const visit = (expr: Expr): void => {
    if (seen.has(expr) || (expr.kind === 'call' && expr.function === 'format')) return
    seen.add(expr)
    if (expr.kind === 'list') checkAlike(text, checked, expr.elements)
    if (expr.kind === 'map') {
      checkAlike(text, checked, keysOf(expr))
      checkAlike(text, checked, expr.entries)
    }
    children(expr).forEach(visit)
  }
  visit(checked.expr)
}

function keysOf({ entries }: MapLiteral): Part[] {
  return entries.map(({ key }) => ({ value: key, optional: false }))
}

function checkAlike(text: string, checked: Checked, [first, ...others]: readonly Part[]): void {
  if (first === undefined) return
  const expected = typeOf(checked, first)
  for (const other of others) {
    const found = typeOf(checked, other)
    if (isExact(expected, found)) continue
    const message = `expected type '${typeText(expected)}' but found '${typeText(found)}'`
    throw compileError(text, other.value.pos, message)
  }
}

function typeOf(checked: Checked, { value, optional }: Part): Type {
  const type = checked.typeOf(value)
  return optional ? unwrapOptional(type).type : type
}
