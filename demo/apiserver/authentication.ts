import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import {
  ALL_AUTHENTICATED,
  ALL_UNAUTHENTICATED,
  ANONYMOUS,
  type UserInfo,
} from '../../src/request/user-info.js'
import type { Authorizer } from './authorization.js'
import { StatusError } from './status.js'

/** PEM certificates of the authorities that vouch for clients. */
export interface ClientAuthorities {
  /** Signs users: kube-apiserver's --client-ca-file. */
  readonly clientCA: string
  /** Signs proxies, which name the user in X-Remote-* headers: --requestheader-client-ca-file. */
  readonly frontProxyCA: string
}

/** Who a request is from, found as kube-apiserver does: X-Remote-* from a front proxy, certificate, token, anonymous. */
export class Authenticator {
  readonly #clientCA: X509Certificate
  readonly #frontProxyCA: X509Certificate
  readonly #tokens: ReadonlyMap<string, UserInfo>

  constructor(authorities: ClientAuthorities, tokens: ReadonlyMap<string, UserInfo>) {
    this.#clientCA = new X509Certificate(authorities.clientCA)
    this.#frontProxyCA = new X509Certificate(authorities.frontProxyCA)
    this.#tokens = tokens
  }

  userOfToken(token: string): UserInfo | undefined {
    return this.#tokens.get(token)
  }

  /** @throws StatusError 401 where credentials were shown and none is good */
  authenticate(req: IncomingMessage): UserInfo {
    const certificate = verifiedCertificate(req.socket as TLSSocket)
    const asserted = remoteUser(req)
    if (asserted !== undefined && certificate !== undefined && signedBy(certificate, this.#frontProxyCA)) {
      return authenticated(asserted)
    }
    if (certificate !== undefined && signedBy(certificate, this.#clientCA)) {
      return authenticated(certificateUser(certificate))
    }
    const bearer = /^bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1]
    const user = bearer === undefined ? undefined : this.#tokens.get(bearer)
    if (user !== undefined) return authenticated(user)
    if (certificate !== undefined || req.headers.authorization !== undefined) throw StatusError.unauthorized()
    return { username: ANONYMOUS, groups: [ALL_UNAUTHENTICATED] }
  }
}

/**
 * Who a request acts as: the user of Impersonate-* headers where `user` may impersonate that one, `user` without them.
 * @throws StatusError 403
 */
export function impersonate(req: IncomingMessage, user: UserInfo, authorizer: Authorizer): UserInfo {
  const [username] = headerValues(req, 'impersonate-user')
  const groups = headerValues(req, 'impersonate-group')
  const extra = extraValues(req, 'impersonate-extra-')
  if (username === undefined) {
    if (groups.length === 0 && Object.keys(extra).length === 0) return user
    throw StatusError.badRequest('requested impersonation of groups or extra fields without a user')
  }
  const check = (group: string, resource: string, subresource: string, name: string) =>
    authorizer.check(user, { verb: 'impersonate', group, resource, subresource, namespace: '', name })
  check('', 'users', '', username)
  for (const group of groups) check('', 'groups', '', group)
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) check('authentication.k8s.io', 'userextras', key, value)
  }
  const impersonated = { username, groups, ...(Object.keys(extra).length === 0 ? {} : { extra }) }
  return username === ANONYMOUS ? impersonated : authenticated(impersonated)
}

function authenticated(user: UserInfo): UserInfo {
  const groups = user.groups ?? []
  return groups.includes(ALL_AUTHENTICATED) ? user : { ...user, groups: [...groups, ALL_AUTHENTICATED] }
}

function verifiedCertificate(socket: TLSSocket): X509Certificate | undefined {
  const { raw } = socket.getPeerCertificate() as { raw?: Buffer }
  if (raw === undefined) return undefined
  if (!socket.authorized) throw StatusError.unauthorized()
  return new X509Certificate(raw)
}

function signedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

/** CN is the user, each O a group. Node.js prints an attribute a line, with control characters escaped. */
function certificateUser(certificate: X509Certificate): UserInfo {
  const attributes = certificate.subject.split('\n')
  const values = (type: string) =>
    attributes.filter((line) => line.startsWith(`${type}=`)).map((line) => line.slice(type.length + 1))
  return { username: values('CN').at(-1) ?? '', groups: values('O') }
}

function remoteUser(req: IncomingMessage): UserInfo | undefined {
  const [username] = headerValues(req, 'x-remote-user')
  if (username === undefined || username === '') return undefined
  const extra = extraValues(req, 'x-remote-extra-')
  return {
    username,
    groups: headerValues(req, 'x-remote-group'),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  }
}

function headerValues(req: IncomingMessage, name: string): string[] {
  return req.headersDistinct[name] ?? []
}

/** Headers `PREFIXkey: value`, where the key is percent-encoded and in lower case. */
function extraValues(req: IncomingMessage, prefix: string): Record<string, string[]> {
  const found: [string, string[]][] = []
  for (const [name, values] of Object.entries(req.headersDistinct)) {
    if (!name.startsWith(prefix) || values === undefined) continue
    const key = name.slice(prefix.length)
    try {
      found.push([decodeURIComponent(key), values])
    } catch {
      found.push([key, values])
    }
  }
  return Object.fromEntries(found)
}
