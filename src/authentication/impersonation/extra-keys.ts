import { isDNS1123Subdomain } from '../../names.js'
import { quote } from '../../go-quote.js'

/** What k8s.io/apimachinery/pkg/util/validation/validation.go says, with its expressions. */
const MAX_SUBDOMAIN = 253
const SUBDOMAIN = String.raw`[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`
const NO_SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and " +
  `end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`
const PATH = String.raw`[A-Za-z0-9/\-._~%!$&'()*+,;=:]+`
const HTTP_PATH = new RegExp(`^${PATH}$`)
const NO_PATH = `Invalid path (regex used for validation is '${PATH}')`

/**
 * Why an extra cannot be impersonated in a constrained mode; undefined where it can
 * (k8s.io/apiserver/pkg/endpoints/filters/impersonation/mode.go validateExtra).
 */
export function extraProblem(extra: Readonly<Record<string, readonly string[]>>): string | undefined {
  for (const [key, values] of Object.entries(extra)) {
    if (key === '') return 'impersonating the empty string key in extra is not allowed'
    const problem = keyProblem(key)
    if (problem !== undefined) return `impersonating an invalid key in extra is not allowed: ${problem}`
    if (key !== key.toLowerCase())
      return `impersonating a non-lowercase key in extra is not allowed: ${quote(key)}`
    if (values.includes('')) return 'impersonating the empty string value in extra is not allowed'
  }
  return undefined
}

/** IsDomainPrefixedPath: `acme.io/team`. */
function keyProblem(key: string): string | undefined {
  const slash = key.indexOf('/')
  const host = key.slice(0, Math.max(slash, 0))
  const path = key.slice(slash + 1)
  if (host === '' || path === '')
    return invalid(key, 'must be a domain-prefixed path (such as "acme.io/foo")')
  const problems: string[] = []
  if (host.length > MAX_SUBDOMAIN)
    problems.push(invalid(host, `must be no more than ${MAX_SUBDOMAIN} characters`))
  if (!isDNS1123Subdomain(host.slice(0, MAX_SUBDOMAIN))) problems.push(invalid(host, NO_SUBDOMAIN))
  if (!HTTP_PATH.test(path)) problems.push(invalid(path, NO_PATH))
  if (problems.length === 0) return undefined
  return problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`
}

function invalid(value: string, why: string): string {
  return `extra.key: Invalid value: ${quote(value)}: ${why}`
}
