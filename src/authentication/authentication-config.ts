import { type Field, parseDocument } from '../yaml-document.js'
import { parseCertificates } from '../pem.js'
import { shownURL } from '../url-text.js'
import { ASYMMETRIC_ALGORITHMS } from './jwt.js'
import type { OIDCRules, PrefixedClaim } from './oidc.js'

/** One OpenID Connect issuer, from the --oidc-* flags or from an AuthenticationConfiguration. */
export interface OIDCIssuer {
  readonly issuerURL: string
  readonly discoveryURL: string | undefined
  /** PEM */
  readonly ca: string | undefined
  readonly rules: OIDCRules
}

/** Who may come without credentials: nobody, everybody, or everybody to some paths. */
export type AnonymousRule = boolean | { readonly paths: readonly string[] }

export interface AuthenticationConfiguration {
  readonly issuers: readonly OIDCIssuer[]
  /** Undefined where the file leaves it to --anonymous-auth. */
  readonly anonymous: AnonymousRule | undefined
}

const API_VERSIONS = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`)
/** k8s.io/apiserver/pkg/apis/apiserver/validation validateJWTAuthenticator. */
const MAX_ISSUERS = 64
const NO_CEL =
  'CEL expressions are not supported here: expected a claim. Without one, leave the tokens of this issuer to TokenReview'

/**
 * Reads a file for --authentication-config: an AuthenticationConfiguration of apiserver.config.k8s.io, as
 * k8s.io/apiserver/pkg/apis/apiserver/validation/validation.go checks it. CEL expressions are refused.
 *
 * @param file for messages
 * @throws ConfigError
 */
export function parseAuthenticationConfiguration(text: string, file: string): AuthenticationConfiguration {
  const fields = parseDocument(text, file).object(['apiVersion', 'kind', 'jwt', 'anonymous'])
  const version = fields.apiVersion.string()
  if (!API_VERSIONS.includes(version)) fields.apiVersion.expected(`one of ${API_VERSIONS.join(', ')}`)
  if (fields.kind.string() !== 'AuthenticationConfiguration')
    fields.kind.expected('AuthenticationConfiguration')

  const list = fields.jwt.list()
  if (list.length > MAX_ISSUERS)
    fields.jwt.fail(`found ${list.length} issuers, expected at most ${MAX_ISSUERS}`)
  const urls = new Set<string>()
  const issuers = list.map((field) => {
    const { issuer, place } = parseIssuer(field)
    for (const url of [issuer.issuerURL, issuer.discoveryURL]) {
      if (url === undefined) continue
      if (urls.has(url)) place.fail(`found the URL ${JSON.stringify(url)} a second time, expected it once`)
      urls.add(url)
    }
    return issuer
  })
  return { issuers, anonymous: parseAnonymous(fields.anonymous) }
}

function parseIssuer(field: Field): { issuer: OIDCIssuer; place: Field } {
  const jwt = field.object(['issuer', 'claimValidationRules', 'claimMappings', 'userValidationRules'])
  const issuer = jwt.issuer.object([
    'url',
    'discoveryURL',
    'certificateAuthority',
    'audiences',
    'audienceMatchPolicy',
  ])
  const issuerURL = httpsURL(issuer.url)
  const discoveryURL = issuer.discoveryURL.string() === '' ? undefined : httpsURL(issuer.discoveryURL)
  if (discoveryURL?.replace(/\/$/, '') === issuerURL.replace(/\/$/, '')) {
    issuer.discoveryURL.fail('is the same as url, expected another one or none')
  }
  const ca = issuer.certificateAuthority.string() || undefined
  if (ca !== undefined) checkAuthorities(ca, issuer.certificateAuthority)
  if (jwt.userValidationRules.list().length > 0) jwt.userValidationRules.fail(NO_CEL)
  return {
    place: issuer.url,
    issuer: {
      issuerURL,
      discoveryURL,
      ca,
      rules: {
        audiences: parseAudiences(issuer.audiences, issuer.audienceMatchPolicy),
        ...parseMappings(jwt.claimMappings),
        requiredClaims: parseRequiredClaims(jwt.claimValidationRules),
        // There is no field for them: kube-apiserver takes them all here.
        signingAlgorithms: ASYMMETRIC_ALGORITHMS,
      },
    },
  }
}

function httpsURL(field: Field): string {
  const text = field.string()
  const url = URL.canParse(text) ? new URL(text) : undefined
  const plain = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (url?.protocol !== 'https:' || !plain) {
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

function parseMappings(field: Field): Pick<OIDCRules, 'username' | 'groups' | 'uidClaim'> {
  const mappings = field.object(['username', 'groups', 'uid', 'extra'])
  const username =
    parsePrefixedClaim(mappings.username) ?? mappings.username.fail('names no claim, expected one')
  const uid = mappings.uid.object(['claim', 'expression'])
  refuseExpression(uid.expression)
  if (mappings.extra.list().length > 0) mappings.extra.fail(NO_CEL)
  return { username, groups: parsePrefixedClaim(mappings.groups), uidClaim: uid.claim.string() || undefined }
}

function parsePrefixedClaim(field: Field): PrefixedClaim | undefined {
  const { claim, prefix, expression } = field.object(['claim', 'prefix', 'expression'])
  refuseExpression(expression)
  const name = claim.string()
  if (name === '') {
    if (prefix.present) prefix.fail('is set without a claim')
    return undefined
  }
  if (!prefix.present) prefix.expected('a prefix, which may be ""')
  return { claim: name, prefix: prefix.string() }
}

function parseRequiredClaims(field: Field): Record<string, string> {
  const required = new Map<string, string>()
  for (const rule of field.list()) {
    const { claim, requiredValue, expression } = rule.object([
      'claim',
      'requiredValue',
      'expression',
      'message',
    ])
    refuseExpression(expression)
    const name = claim.string()
    if (name === '') claim.expected('the name of a claim')
    if (required.has(name))
      claim.fail(`found ${JSON.stringify(name)} a second time, expected each claim once`)
    required.set(name, requiredValue.string())
  }
  return Object.fromEntries(required)
}

function refuseExpression(field: Field): void {
  if (field.string() !== '') field.fail(NO_CEL)
}

function parseAnonymous(field: Field): AnonymousRule | undefined {
  if (!field.present) return undefined
  const { enabled, conditions } = field.object(['enabled', 'conditions'])
  const paths = conditions.list().map((condition) => {
    const { path } = condition.object(['path'])
    return path.string() === '' ? path.expected('a path') : path.string()
  })
  const on = enabled.boolean() ?? false
  if (!on && paths.length > 0) conditions.fail('has paths, expected none where enabled is not true')
  return on && paths.length > 0 ? { paths } : on
}
