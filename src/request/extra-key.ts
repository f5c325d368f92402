import { unescapeBytes } from './escape.js'

/**
 * The key of an extra attribute from a header's name; as it is where its escapes are broken
 * (k8s.io/apiserver/pkg/authentication/request/headerrequest unescapeExtraKey).
 */
export function unescapeExtraKey(encoded: string): string {
  return unescapeBytes(encoded, false)?.toString('utf8') ?? encoded
}
