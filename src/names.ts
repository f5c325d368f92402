/**
 * What Kubernetes accepts as a name: k8s.io/apimachinery/pkg/util/validation/validation.go. Each check looks at the
 * length before it runs an expression, so that hostile input costs nothing.
 */

const DNS1123_LABEL = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?'
const DNS1123_SUBDOMAIN = new RegExp(`^${DNS1123_LABEL}(?:\\.${DNS1123_LABEL})*$`)
const QUALIFIED_NAME = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/

/** IsDNS1123Subdomain: `rbac.authorization.k8s.io`, at most 253 characters. */
export function isDNS1123Subdomain(value: string): boolean {
  return value.length <= 253 && DNS1123_SUBDOMAIN.test(value)
}

/** IsQualifiedName: a label's key, `MyName` or `example.com/MyName`. */
export function isQualifiedName(value: string): boolean {
  const slash = value.indexOf('/')
  if (slash >= 0 && !isDNS1123Subdomain(value.slice(0, slash))) return false
  const name = value.slice(slash + 1)
  return name.length <= 63 && QUALIFIED_NAME.test(name)
}

/** IsValidLabelValue: empty, or at most 63 characters that start and end with a letter or digit. */
export function isValidLabelValue(value: string): boolean {
  return value === '' || (value.length <= 63 && QUALIFIED_NAME.test(value))
}
