import { type Field, parseDocument } from '../yaml-document.js'
import { ExpressionCompiler } from './expressions.js'
import { parseJWTAuthenticator } from './jwt-authenticator-config.js'
import type { OIDCRules } from './oidc.js'

/** One OpenID Connect issuer, from the --oidc-* flags or from an AuthenticationConfiguration. */
export interface OIDCIssuer {
  readonly issuerURL: string
  readonly discoveryURL: string | undefined
  /** PEM */
  readonly ca: string | undefined
  /** Over which network kube-apiserver asks the issuer. The proxy has one. */
  readonly egressSelectorType?: string | undefined
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

/**
 * Reads a file for --authentication-config: an AuthenticationConfiguration of apiserver.config.k8s.io, as
 * k8s.io/apiserver/pkg/apis/apiserver/validation/validation.go checks it.
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
  const compiler = new ExpressionCompiler()
  const urls = new Set<string>()
  const discoveryURLs = new Set<string>()
  const issuers = list.map((field) => {
    const { issuer, url, discoveryURL } = parseJWTAuthenticator(field, compiler)
    addOnce(urls, issuer.issuerURL, url)
    if (issuer.discoveryURL !== undefined) addOnce(discoveryURLs, issuer.discoveryURL, discoveryURL)
    return issuer
  })
  return { issuers, anonymous: parseAnonymous(fields.anonymous) }
}

function addOnce(seen: Set<string>, url: string, field: Field): void {
  if (seen.has(url)) field.fail(`found the URL ${JSON.stringify(url)} a second time, expected it once`)
  seen.add(url)
}

/** Paths are compared as they are: an empty or relative one is no request's (authentication/request/anonymous). */
function parseAnonymous(field: Field): AnonymousRule | undefined {
  if (!field.present) return undefined
  const { enabled, conditions } = field.object(['enabled', 'conditions'])
  const paths = conditions.list().map((condition) => {
    const { path } = condition.object(['path'])
    return path.string()
  })
  const on = enabled.boolean() ?? false
  if (!on && paths.length > 0) conditions.fail('has paths, expected none where enabled is not true')
  return on && paths.length > 0 ? { paths } : on
}
