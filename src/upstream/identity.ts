import { headerBytes } from '../request/client-headers.js'
import type { UserInfo } from '../request/user-info.js'

/** An identity that HTTP headers cannot carry unchanged, and that therefore must not be asserted at all. */
export class UnassertableIdentity extends Error {
  override name = 'UnassertableIdentity'
}

/**
 * X-Remote-* headers that assert an identity over the front-proxy certificate
 * (k8s.io/apiserver/pkg/authentication/request/headerrequest reads them): name, value, ...
 * @throws UnassertableIdentity
 */
export function requestHeaderIdentity(user: UserInfo): string[] {
  return identityHeaders(user, 'X-Remote-')
}

/**
 * Impersonate-* headers that assert an identity over the proxy's own credentials
 * (k8s.io/client-go/transport ImpersonatingRoundTripper writes the same): name, value, ...
 * @throws UnassertableIdentity
 */
export function impersonationIdentity(user: UserInfo): string[] {
  return identityHeaders(user, 'Impersonate-')
}

function identityHeaders(user: UserInfo, prefix: string): string[] {
  const headers = [`${prefix}User`, headerValue('user name', user.username)]
  if (user.uid !== undefined && user.uid !== '') headers.push(`${prefix}Uid`, headerValue('uid', user.uid))
  for (const group of user.groups ?? []) headers.push(`${prefix}Group`, headerValue('group', group))
  for (const [key, values] of Object.entries(user.extra ?? {})) {
    const name = `${prefix}Extra-${escapeKey(key)}`
    for (const value of values) headers.push(name, headerValue(`extra ${key}`, value))
  }
  return headers
}

/**
 * The apiserver trims header values and drops empty ones, so that " admin" would arrive as "admin": such names are
 * refused. Others travel as UTF-8 bytes.
 */
function headerValue(what: string, value: string): string {
  // eslint-disable-next-line no-control-regex
  if (value === '' || value !== value.trim() || /[\x00-\x1f\x7f]/.test(value)) {
    throw new UnassertableIdentity(`the ${what} ${JSON.stringify(value)} cannot be carried in a header`)
  }
  return headerBytes(value)
}

/** k8s.io/client-go/transport headerKeyEscape: what a header name may not hold is percent-encoded. */
function escapeKey(key: string): string {
  if (key === '' || key !== key.toLowerCase()) {
    throw new UnassertableIdentity(`the extra key ${JSON.stringify(key)} cannot be carried in a header name`)
  }
  let escaped = ''
  for (const byte of Buffer.from(key, 'utf8')) {
    const char = String.fromCharCode(byte)
    escaped += /[a-z0-9!#$&'*+.^_`|~-]/.test(char)
      ? char
      : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`
  }
  return escaped
}
