import type { Expr } from './ast.js'
import { check } from './checker.js'
import type { Environment } from './environment.js'
import { compileError } from './errors.js'
import { checkFormats } from './format-check.js'
import { checkLiterals } from './literal-check.js'
import { KUBERNETES_LIMITS, Meter, type Limits } from './meter.js'
import { parse } from './parser.js'
import { plan } from './planner.js'
import { isExact, type Type, typeText } from './types.js'
import type { Value } from './values.js'

/** A compiled expression. */
export interface Program {
  readonly text: string
  /** As parsed, with its macros expanded. */
  readonly expr: Expr
  readonly type: Type
  /**
   * The expression's value for these variables. Never waits, and never takes longer than the limits let it.
   *
   * @throws EvaluationError where it has none, CostLimitExceeded
   */
  evaluate(variables: Readonly<Record<string, Value>>, limits?: Limits): Value
}

/**
 * Parses, checks and plans an expression. What is wrong with it is found here as far as kube-apiserver finds it when it
 * loads the expression: syntax, undeclared names, types that do not fit, constants that cannot be converted.
 *
 * @param result the only type that the expression may have, if there is one
 * @throws CompileError
 */
export function compile(env: Environment, text: string, result?: Type): Program {
  const expr = parse(text)
  const checked = check(env, text, expr)
  checkLiterals(text, checked)
  checkFormats(text, checked)
  if (result !== undefined && !isExact(checked.type, result)) {
    throw compileError(text, 0, `must evaluate to ${typeText(result)}, not ${typeText(checked.type)}`)
  }
  const step = plan(env, text, checked)
  return {
    text,
    expr,
    type: checked.type,
    evaluate: (variables, limits = KUBERNETES_LIMITS) => {
      const meter = new Meter(limits)
      return step({ meter, name: '', resolve: (name) => variables[name], outer: undefined })
    },
  }
}
