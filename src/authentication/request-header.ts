import { utf8FromBytes } from '../request/escape.js'
import type { IdentityHeaderNames } from '../request/identity-headers.js'
import type { Authenticator, PresentedCredentials } from './authenticator.js'
import type { Authenticated } from '../request/authenticated.js'
import { InvalidCredential } from './authenticator.js'
import type { ClientCertificates } from './client-certificate.js'
import { unescapeExtraKey } from '../request/extra-key.js'
import { withAuthenticatedGroup } from './groups.js'
import type { UserInfo } from '../request/user-info.js'

/**
 * Identities that a trusted proxy in front of this one asserts: its client certificate leads to
 * --requestheader-client-ca-file and has one of the allowed names
 * (k8s.io/apiserver/pkg/authentication/request/headerrequest, behind x509.NewDynamicCAVerifier).
 */
export class RequestHeaderAuthenticator implements Authenticator {
  readonly #certificates: ClientCertificates
  readonly #allowedNames: readonly string[]
  readonly #headers: IdentityHeaderNames

  /**
   * @param certificates those of --requestheader-client-ca-file
   * @param allowedNames common names of the proxies; empty: all
   */
  constructor(
    certificates: ClientCertificates,
    allowedNames: readonly string[],
    headers: IdentityHeaderNames,
  ) {
    this.#certificates = certificates
    this.#allowedNames = allowedNames
    this.#headers = headers
  }

  authenticate({ socket, headers }: PresentedCredentials): Authenticated | undefined {
    const certificate = this.#certificates.verify(socket)
    if (certificate === undefined) return undefined
    if (this.#allowedNames.length > 0 && !this.#allowedNames.includes(certificate.subject.commonName)) {
      throw new InvalidCredential(
        'front proxy: the name in its certificate is not one of --requestheader-allowed-names',
      )
    }
    const user = readUser(headers.remoteHeaders, this.#headers)
    return user === undefined ? undefined : { user: withAuthenticatedGroup(user), passage: 'asserted' }
  }
}

/**
 * The user of identity headers; undefined where they name none.
 *
 * @param raw name, value, ...
 */
export function readUser(raw: readonly string[], names: IdentityHeaderNames): UserInfo | undefined {
  const username = firstValue(raw, names.username)
  if (username === '') return undefined
  const uid = firstValue(raw, names.uid)
  const extra = readExtra(raw, names.extraPrefix)
  return {
    username,
    ...(uid === '' ? {} : { uid }),
    groups: names.group.flatMap((name) => valuesOf(raw, name)).filter((value) => value !== ''),
    ...(extra.size === 0 ? {} : { extra: Object.fromEntries(extra) }),
  }
}

/** The first header of the list that has a value in its first appearance. */
function firstValue(raw: readonly string[], names: readonly string[]): string {
  for (const name of names) {
    const value = valuesOf(raw, name)[0]
    if (value !== undefined && value !== '') return value
  }
  return ''
}

function valuesOf(raw: readonly string[], lower: string): string[] {
  const values: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    if ((raw[i] as string).toLowerCase() === lower) values.push(utf8FromBytes(raw[i + 1] as string))
  }
  return values
}

/** By prefix first, so that the values of one key are in the order of the prefixes. */
function readExtra(raw: readonly string[], prefixes: readonly string[]): Map<string, string[]> {
  const extra = new Map<string, string[]>()
  for (const prefix of prefixes) {
    for (let i = 0; i < raw.length; i += 2) {
      const lower = (raw[i] as string).toLowerCase()
      if (!lower.startsWith(prefix)) continue
      const key = unescapeExtraKey(lower.slice(prefix.length))
      const values = extra.get(key)
      const value = utf8FromBytes(raw[i + 1] as string)
      if (values === undefined) extra.set(key, [value])
      else values.push(value)
    }
  }
  return extra
}
