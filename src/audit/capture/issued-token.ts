import { endOfValue, stringAt, visitMembers } from './json/json-cursor.js'

/** The payload of a token is not read beyond this length, in characters. */
const MAX_PAYLOAD = 16384

/**
 * The annotation that names the token issued in a TokenRequest, by the id that the token carries; nothing else of the token
 * is taken. k8s.io/kubernetes/pkg/registry/core/serviceaccount/storage/token.go Create.
 *
 * @param text the response's object, from compactJSON
 */
export function issuedCredentialID(text: string): Readonly<Record<string, string>> | undefined {
  let token: string | undefined
  visitMembers(text, 0, (name, value) => {
    if (name !== 'status') return endOfValue(text, value)
    return visitMembers(text, value, (name, value) => {
      if (name === 'token') token = stringAt(text, value)
      return endOfValue(text, value)
    })
  })
  const id = token === undefined ? undefined : idOf(token)
  return id === undefined ? undefined : { 'authentication.kubernetes.io/issued-credential-id': `JTI=${id}` }
}

/** The claim `jti` of a JSON web token; undefined for what is none or has none. */
function idOf(token: string): string | undefined {
  const [, payload = '', signature, ...more] = token.split('.', 4)
  if (signature === undefined || more.length > 0 || payload.length > MAX_PAYLOAD) return undefined
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as unknown
    const id = (claims as { jti?: unknown } | null)?.jti
    return typeof id === 'string' && id !== '' ? id : undefined
  } catch {
    return undefined
  }
}
