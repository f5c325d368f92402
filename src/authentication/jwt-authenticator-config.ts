import { selects } from '../cel/ast.js'
import type { Program } from '../cel/program.js'
import { parseGoURL } from '../go-url.js'
import { parseCertificates } from '../pem.js'
import { shownURL } from '../url-text.js'
import type { Field } from '../yaml-document.js'
import type { OIDCIssuer } from './authentication-config.js'
import type { ExpressionCompiler, ValidationRule } from './expressions.js'
import { ASYMMETRIC_ALGORITHMS } from './jwt.js'
import type { OIDCRules, PrefixedClaim } from './oidc.js'

/** An issuer, and the fields that name it. */
export interface ParsedIssuer {
  readonly issuer: OIDCIssuer
  readonly url: Field
  readonly discoveryURL: Field
}

const EGRESS_SELECTORS = ['controlplane', 'cluster']

/**
 * Reads one item of `jwt`: k8s.io/apiserver/pkg/apis/apiserver/validation/validation.go validateJWTAuthenticator.
 *
 * @throws ConfigError
 */
export function parseJWTAuthenticator(field: Field, compiler: ExpressionCompiler): ParsedIssuer {
  const jwt = field.object(['issuer', 'claimValidationRules', 'claimMappings', 'userValidationRules'])
  const issuer = jwt.issuer.object([
    'url',
    'discoveryURL',
    'certificateAuthority',
    'audiences',
    'audienceMatchPolicy',
    'egressSelectorType',
  ])
  const issuerURL = httpsURL(issuer.url)
  const discoveryURL = issuer.discoveryURL.string() === '' ? undefined : httpsURL(issuer.discoveryURL)
  if (discoveryURL?.replace(/\/+$/, '') === issuerURL.replace(/\/+$/, '')) {
    issuer.discoveryURL.fail('is the same as url, expected another one or none')
  }
  const ca = issuer.certificateAuthority.string() || undefined
  if (ca !== undefined) checkAuthorities(ca, issuer.certificateAuthority)
  const egressSelectorType = issuer.egressSelectorType.string() || undefined
  if (egressSelectorType !== undefined && !EGRESS_SELECTORS.includes(egressSelectorType))
    issuer.egressSelectorType.expected(EGRESS_SELECTORS.join(' or '))

  const audiences = parseAudiences(issuer.audiences, issuer.audienceMatchPolicy)
  const claimRules = parseClaimRules(jwt.claimValidationRules, compiler)
  const mappings = parseMappings(jwt.claimMappings, compiler)
  checkEmail(jwt.claimMappings, mappings, claimRules.claimRules)
  const rules: OIDCRules = {
    audiences,
    ...mappings,
    ...claimRules,
    userRules: parseUserRules(jwt.userValidationRules, compiler),
    // There is no field for them: kube-apiserver takes them all here.
    signingAlgorithms: ASYMMETRIC_ALGORITHMS,
  }
  return {
    issuer: { issuerURL, discoveryURL, ca, egressSelectorType, rules },
    url: issuer.url,
    discoveryURL: issuer.discoveryURL,
  }
}

function httpsURL(field: Field): string {
  const text = field.string()
  const url = parseGoURL(text)
  if (url?.scheme !== 'https' || url.user !== undefined || url.query !== '' || url.fragment !== '') {
    field.fail(
      `found ${text === '' ? 'nothing' : shownURL(text)}, expected a URL with https and without user, query and fragment`,
    )
  }
  return text
}

function checkAuthorities(pem: string, field: Field): void {
  try {
    parseCertificates(pem, '')
  } catch {
    field.fail('is not a PEM text of certificates')
  }
}

function parseAudiences(field: Field, policy: Field): string[] {
  const audiences = field.strings()
  if (audiences.length === 0) field.fail('found no audience, expected at least one')
  if (audiences.includes('')) field.fail('found an empty audience')
  if (new Set(audiences).size < audiences.length) field.fail('found an audience twice')
  const match = policy.string()
  if (match !== 'MatchAny' && (match !== '' || audiences.length > 1)) {
    policy.expected(
      audiences.length > 1 ? 'MatchAny, for there are several audiences' : 'MatchAny or nothing',
    )
  }
  return audiences
}

type Mappings = Pick<OIDCRules, 'username' | 'groups' | 'uid' | 'extra'>

function parseMappings(field: Field, compiler: ExpressionCompiler): Mappings {
  const { username, groups, uid, extra } = field.object(['username', 'groups', 'uid', 'extra'])
  return {
    username:
      parsePrefixed(username, compiler) ?? username.fail('has no claim and no expression, expected one'),
    groups: parsePrefixed(groups, compiler),
    uid: parseUID(uid, compiler),
    extra: parseExtra(extra, compiler),
  }
}

function parsePrefixed(field: Field, compiler: ExpressionCompiler): PrefixedClaim | Program | undefined {
  const { claim, prefix, expression } = field.object(['claim', 'prefix', 'expression'])
  const name = claim.string()
  refuseBoth(field, name, expression)
  if (expression.string() !== '') {
    if (prefix.present) prefix.fail('is set, expected none beside an expression')
    return compiler.mapping(expression)
  }
  if (name === '') return undefined
  if (!prefix.present) prefix.expected('a prefix, which may be ""')
  return { claim: name, prefix: prefix.string() }
}

function parseUID(field: Field, compiler: ExpressionCompiler): OIDCRules['uid'] {
  const { claim, expression } = field.object(['claim', 'expression'])
  const name = claim.string()
  refuseBoth(field, name, expression)
  if (expression.string() !== '') return compiler.mapping(expression)
  return name === '' ? undefined : { claim: name }
}

function refuseBoth(field: Field, claim: string, expression: Field): void {
  if (claim !== '' && expression.string() !== '')
    field.fail('has a claim and an expression, expected only one')
}

function parseExtra(field: Field, compiler: ExpressionCompiler): OIDCRules['extra'] {
  const keys = new Set<string>()
  return field.list().map((mapping) => {
    const { key, valueExpression } = mapping.object(['key', 'valueExpression'])
    const name = key.string()
    checkExtraKey(key, name)
    if (keys.has(name)) key.fail(`found ${JSON.stringify(name)} a second time, expected each key once`)
    keys.add(name)
    if (valueExpression.string() === '') valueExpression.expected('an expression')
    return { key: name, program: compiler.mapping(valueExpression) }
  })
}

const LABEL = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`)
/** k8s.io/apimachinery/pkg/util/validation IsDomainPrefixedPath: the characters of a path of HTTP. */
const PATH = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/
const RESERVED = /(?:^|\.)(?:k8s|kubernetes)\.io$/

function checkExtraKey(field: Field, key: string): void {
  const slash = key.indexOf('/')
  const domain = key.slice(0, Math.max(slash, 0))
  if (slash < 0 || domain.length > 253 || !SUBDOMAIN.test(domain) || !PATH.test(key.slice(slash + 1))) {
    field.expected('a domain and a path, such as example.com/role')
  }
  if (key !== key.toLowerCase()) field.expected('lower case')
  if (RESERVED.test(domain)) field.fail('k8s.io, kubernetes.io and what is below them are for Kubernetes')
}

function parseClaimRules(
  field: Field,
  compiler: ExpressionCompiler,
): Pick<OIDCRules, 'requiredClaims' | 'claimRules'> {
  const required = new Map<string, string>()
  const expressions = new Set<string>()
  const claimRules: ValidationRule[] = []
  for (const rule of field.list()) {
    const { claim, requiredValue, expression, message } = rule.object([
      'claim',
      'requiredValue',
      'expression',
      'message',
    ])
    const name = claim.string()
    refuseBoth(rule, name, expression)
    if (expression.string() !== '') {
      if (requiredValue.string() !== '') requiredValue.fail('is set, expected none beside an expression')
      refuseSecond(expression, expressions)
      claimRules.push({ program: compiler.claimRule(expression), message: message.string() })
      continue
    }
    if (name === '') rule.fail('has no claim and no expression, expected one')
    if (message.string() !== '') message.fail('is set, expected none beside a claim')
    if (required.has(name))
      claim.fail(`found ${JSON.stringify(name)} a second time, expected each claim once`)
    required.set(name, requiredValue.string())
  }
  return { requiredClaims: Object.fromEntries(required), claimRules }
}

function parseUserRules(field: Field, compiler: ExpressionCompiler): ValidationRule[] {
  const expressions = new Set<string>()
  return field.list().map((rule) => {
    const { expression, message } = rule.object(['expression', 'message'])
    if (expression.string() === '') expression.expected('an expression')
    refuseSecond(expression, expressions)
    return { program: compiler.userRule(expression), message: message.string() }
  })
}

function refuseSecond(expression: Field, seen: Set<string>): void {
  if (seen.has(expression.string()))
    expression.fail('has the same expression as another rule, expected each once')
  seen.add(expression.string())
}

/** An email that nobody verified is no name: an expression that uses the one must use the other, here or in a rule. */
function checkEmail(field: Field, { username, extra }: Mappings, rules: readonly ValidationRule[]): void {
  if ('claim' in username || !selects(username.expr, 'claims', 'email')) return
  const programs = [username, ...extra.map(({ program }) => program), ...rules.map(({ program }) => program)]
  if (programs.some(({ expr }) => selects(expr, 'claims', 'email_verified'))) return
  field
    .object(['username', 'groups', 'uid', 'extra'])
    .username.fail(
      'uses claims.email, expected claims.email_verified in it, in an extra or in claimValidationRules as well',
    )
}
