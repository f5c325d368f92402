import type { Call, Expr, ListLiteral } from './ast.js'
import { children } from './ast.js'
import type { Checked } from './checker.js'
import { compileError, EvaluationError } from './errors.js'
import { type Clause, parseFormat, type Verb } from './library/format-clauses.js'
import { isDyn, type Type, typeText } from './types.js'

const SCALARS =
  'int uint double bool string bytes null_type google.protobuf.Timestamp google.protobuf.Duration'

/** The types that may stand for a clause, by their names. */
const TYPES: Readonly<Record<Verb, ReadonlySet<string>>> = {
  s: names(`${SCALARS} list map type`),
  d: names('int uint'),
  f: names('double string'),
  e: names('double string'),
  b: names('int uint bool'),
  x: names('int uint string bytes'),
  X: names('int uint string bytes'),
  o: names('int uint'),
}

function names(text: string): ReadonlySet<string> {
  return new Set(text.split(' '))
}

/**
 * Checks each format() of a constant text with a list of arguments: that they are as many as the text has clauses for, and of
 * types that fit. A claim does not fit as it is, for `any` is no type of a clause (cel-go ext/formatting.go stringFormatValidator).
 *
 * @param text for messages
 * @throws CompileError
 */
export function checkFormats(text: string, checked: Checked): void {
  const seen = new Set<Expr>()
  const visit = (expr: Expr): void => {
    if (seen.has(expr)) return
    seen.add(expr)
    if (expr.kind === 'call' && checked.calls.get(expr)?.name === 'format') checkFormat(text, checked, expr)
    children(expr).forEach(visit)
  }
  visit(checked.expr)
}

function checkFormat(text: string, checked: Checked, { pos, target, args: [list] }: Call): void {
  if (target?.kind !== 'literal' || typeof target.value !== 'string' || list?.kind !== 'list') return
  const clauses = clausesOf(text, pos, target.value)
  if (clauses.length !== list.elements.length) {
    const message = `the text of format() is for ${clauses.length} arguments, not ${list.elements.length}`
    throw compileError(text, pos, message)
  }
  clauses.forEach(({ verb }, i) => {
    const { value } = list.elements[i] as ListLiteral['elements'][number]
    const wrong = misfit(checked, verb, value)
    if (wrong !== undefined) {
      throw compileError(text, wrong.pos, `%${verb} of format() takes no ${typeText(checked.typeOf(wrong))}`)
    }
  })
}

function clausesOf(text: string, pos: number, format: string): Clause[] {
  try {
    return parseFormat(format).filter((part) => typeof part !== 'string')
  } catch (err) {
    if (err instanceof EvaluationError) throw compileError(text, pos, err.message)
    throw err
  }
}

/** The first part that does not fit: of list and map literals, each of their parts must. */
function misfit(checked: Checked, verb: Verb, expr: Expr): Expr | undefined {
  if (!fits(checked.typeOf(expr), verb)) return expr
  if (verb !== 's' || (expr.kind !== 'list' && expr.kind !== 'map')) return undefined
  for (const part of children(expr)) {
    const found = misfit(checked, verb, part)
    if (found !== undefined) return found
  }
  return undefined
}

function fits(type: Type, verb: Verb): boolean {
  return type.kind === 'dyn' || (!isDyn(type) && TYPES[verb].has(type.name))
}
