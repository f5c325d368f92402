import { CompileError, CostLimitExceeded, EvaluationError } from '../cel/errors.js'
import { kubernetesEnvironment, type Environment } from '../cel/environment.js'
import { compile, type Program } from '../cel/program.js'
import { ANY, BOOL, list, map, STRING, struct, type Type } from '../cel/types.js'
import { CelList, InputObject, type Value } from '../cel/values.js'
import { errorMessage } from '../errors.js'
import type { UserInfo } from '../request/user-info.js'
import type { Field } from '../yaml-document.js'
import { InvalidCredential } from './authenticator.js'
import type { Claims } from './jwt.js'

/** An expression that must be true of the claims, or of the user. */
export interface ValidationRule {
  readonly program: Program
  readonly message: string
}

/** Compiles the expressions of one AuthenticationConfiguration: k8s.io/apiserver/pkg/authentication/cel/compile.go. */
export class ExpressionCompiler {
  readonly #claims = kubernetesEnvironment({ claims: map(STRING, ANY) })
  readonly #user = kubernetesEnvironment({
    user: struct(
      'kubernetes.UserInfo',
      new Map([
        ['username', STRING],
        ['uid', STRING],
        ['groups', list(STRING)],
        ['extra', map(STRING, list(STRING))],
      ]),
    ),
  })

  /** Makes a user name, groups and so on of the claims. Which type it has is known only then. */
  mapping(field: Field): Program {
    return compileField(this.#claims, field)
  }

  claimRule(field: Field): Program {
    return compileField(this.#claims, field, BOOL)
  }

  userRule(field: Field): Program {
    return compileField(this.#user, field, BOOL)
  }
}

/** @throws ConfigError */
function compileField(env: Environment, field: Field, result?: Type): Program {
  try {
    return compile(env, field.string(), result)
  } catch (err) {
    if (err instanceof CompileError) field.fail(`cannot be used: ${err.message}`)
    throw err
  }
}

/** The claims of one token, as expressions see them; made once, for they are converted as they are used. */
export function claimsInput(claims: Claims): InputObject {
  return new InputObject('kubernetes.claims', claims)
}

/**
 * A user name or uid.
 *
 * @throws InvalidCredential
 */
export function evaluateText(program: Program, claims: InputObject, what: string): string {
  const value = evaluate(program, { claims }, what)
  if (typeof value !== 'string') throw new InvalidCredential(`OIDC: the expression for ${what} is no text`)
  return value
}

/**
 * Groups, or the values of an extra: a text or a list of texts, of which empty ones do not count
 * (k8s.io/apiserver/plugin/pkg/authenticator/token/oidc convertCELValueToStringList, which takes no list that split() or
 * findAll() made as it is).
 *
 * @throws InvalidCredential
 */
export function evaluateTexts(program: Program, claims: InputObject, what: string): string[] {
  const value = evaluate(program, { claims }, what)
  if (value === null || value === '') return []
  if (typeof value === 'string') return [value]
  if (value instanceof CelList && value.origin !== 'texts' && value.values.every(isText)) {
    return value.values.filter((text) => text !== '')
  }
  throw new InvalidCredential(`OIDC: the expression for ${what} is neither a text nor a list of texts`)
}

function isText(value: Value): value is string {
  return typeof value === 'string'
}

/** @throws InvalidCredential for the first rule that the claims do not keep */
export function checkClaims(rules: readonly ValidationRule[], claims: InputObject): void {
  checkRules(rules, { claims }, 'the claims do')
}

/** @throws InvalidCredential for the first rule that the user does not keep */
export function checkUser(rules: readonly ValidationRule[], user: UserInfo): void {
  if (rules.length === 0) return
  const { username, uid = '', groups = [], extra = {} } = user
  checkRules(
    rules,
    { user: new InputObject('kubernetes.UserInfo', { username, uid, groups, extra }) },
    'the user does',
  )
}

/** All rules are evaluated before any is looked at, so that an error in a later one counts first. */
function checkRules(
  rules: readonly ValidationRule[],
  variables: Readonly<Record<string, Value>>,
  what: string,
): void {
  const values = rules.map(({ program }) => evaluate(program, variables, 'a rule'))
  rules.forEach(({ program, message }, i) => {
    if (values[i] !== true)
      throw new InvalidCredential(
        `OIDC: ${what} not keep the rule ${JSON.stringify(program.text)}: ${message}`,
      )
  })
}

function evaluate(program: Program, variables: Readonly<Record<string, Value>>, what: string): Value {
  try {
    return program.evaluate(variables)
  } catch (err) {
    if (err instanceof EvaluationError || err instanceof CostLimitExceeded) {
      throw new InvalidCredential(`OIDC: the expression for ${what} has no value: ${errorMessage(err)}`)
    }
    throw err
  }
}
