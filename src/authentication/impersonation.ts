import type { ClientHeaders } from '../request/client-headers.js'
import { utf8FromBytes } from '../request/escape.js'
import { unescapeExtraKey } from '../request/extra-key.js'
import { ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS, type UserInfo } from '../request/user-info.js'

/** One thing that a request asks to act as, in the terms in which it is authorized (verb `impersonate`). */
export interface ImpersonationCheck {
  readonly group: string
  readonly version?: string
  readonly resource: 'users' | 'groups' | 'serviceaccounts' | 'userextras' | 'uids'
  readonly subresource?: string
  readonly namespace?: string
  readonly name: string
}

export interface Impersonation {
  /** Who the request acts as. */
  readonly target: UserInfo
  /** What the user must be allowed, each of it. */
  readonly checks: readonly ImpersonationCheck[]
}

/** Impersonate-* headers that name no user, say. kube-apiserver answers 500 for them. */
export class ImpersonationError extends Error {
  override name = 'ImpersonationError'
}

/** Impersonate-Extra-* headers that only the proxy may send. kube-apiserver has no such thing; the answer is 403. */
export class ReservedExtra extends Error {
  override name = 'ReservedExtra'
}

const EXTRA_PREFIX = 'impersonate-extra-'
/** What the apiserver's own log tells of the user behind an impersonation that the proxy carries out. */
const RESERVED = 'kube-audit-proxy.io/'

/**
 * Who a request acts as, as the apiserver is to be told where the proxy impersonates for a user who impersonates: the
 * apiserver takes the proxy for the one who does, so its log shows who it was in the target's extra.
 */
export function withOriginalUser(target: UserInfo, original: UserInfo): UserInfo {
  const extra: Record<string, readonly string[]> = {
    ...target.extra,
    [`${RESERVED}original-user`]: [original.username],
  }
  if (original.uid !== undefined && original.uid !== '') extra[`${RESERVED}original-uid`] = [original.uid]
  const groups = original.groups ?? []
  if (groups.length > 0) extra[`${RESERVED}original-groups`] = groups
  return { ...target, extra }
}

/**
 * What a request's Impersonate-* headers ask for; undefined where it has none
 * (k8s.io/apiserver/pkg/endpoints/filters/impersonation.go buildImpersonationRequests and WithImpersonation).
 * @throws ImpersonationError, or ReservedExtra where they pretend to be the proxy's own
 */
export function readImpersonation(headers: ClientHeaders): Impersonation | undefined {
  if (!headers.hasPrefix('impersonate-')) return undefined
  const username = headers.get('impersonate-user') ?? ''
  const groups = headers.values('impersonate-group')
  const uid = headers.get('impersonate-uid') ?? ''
  const extra = readExtra(headers.raw)
  if (username === '') {
    if (groups.length > 0 || uid !== '' || extra.size > 0) {
      throw new ImpersonationError('requested groups, uid or extra without impersonating a user')
    }
    return undefined
  }
  const account = splitServiceAccount(username)
  const checks: ImpersonationCheck[] = [
    account === undefined
      ? { group: '', resource: 'users', name: username }
      : { group: '', resource: 'serviceaccounts', namespace: account.namespace, name: account.name },
    ...groups.map((name): ImpersonationCheck => ({ group: '', resource: 'groups', name })),
  ]
  for (const [key, values] of extra) {
    for (const name of values) {
      checks.push({
        group: 'authentication.k8s.io',
        version: 'v1',
        resource: 'userextras',
        subresource: key,
        name,
      })
    }
  }
  if (uid !== '') checks.push({ group: 'authentication.k8s.io', version: 'v1', resource: 'uids', name: uid })
  return {
    target: {
      username,
      ...(uid === '' ? {} : { uid }),
      groups: impersonatedGroups(username, groups, account),
      ...(extra.size === 0 ? {} : { extra: Object.fromEntries(extra) }),
    },
    checks,
  }
}

function readExtra(raw: readonly string[]): Map<string, string[]> {
  const extra = new Map<string, string[]>()
  for (let i = 0; i < raw.length; i += 2) {
    const lower = (raw[i] as string).toLowerCase()
    if (!lower.startsWith(EXTRA_PREFIX)) continue
    const key = unescapeExtraKey(lower.slice(EXTRA_PREFIX.length))
    if (key.startsWith(RESERVED)) {
      throw new ReservedExtra(
        `extra ${JSON.stringify(key)} is the proxy's to tell, and cannot be impersonated`,
      )
    }
    const value = utf8FromBytes(raw[i + 1] as string)
    const values = extra.get(key)
    if (values === undefined) extra.set(key, [value])
    else values.push(value)
  }
  return extra
}

function impersonatedGroups(
  username: string,
  asked: readonly string[],
  account: { namespace: string } | undefined,
): string[] {
  // Groups that are asked for are the authority; a service account's own are known.
  const groups =
    asked.length === 0 && account !== undefined
      ? ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`]
      : [...asked]
  if (username === ANONYMOUS) {
    if (!groups.includes(ALL_UNAUTHENTICATED)) groups.push(ALL_UNAUTHENTICATED)
  } else if (!groups.includes(ALL_AUTHENTICATED) && !groups.includes(ALL_UNAUTHENTICATED)) {
    groups.push(ALL_AUTHENTICATED)
  }
  return groups
}

/** k8s.io/apiserver/pkg/authentication/serviceaccount SplitUsername. */
function splitServiceAccount(username: string): { namespace: string; name: string } | undefined {
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username)
  if (match === null) return undefined
  const [, namespace, name] = match as unknown as [string, string, string]
  return DNS_LABEL.test(namespace) && DNS_SUBDOMAIN.test(name) ? { namespace, name } : undefined
}

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const DNS_SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/
