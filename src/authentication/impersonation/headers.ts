import type { ClientHeaders } from '../../request/client-headers.js'
import { utf8FromBytes } from '../../request/escape.js'
import { unescapeExtraKey } from '../../request/extra-key.js'
import { ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS, type UserInfo } from '../../request/user-info.js'
import { nodeOf, NODES, serviceAccountGroups, serviceAccountOf } from './names.js'

export interface Impersonation {
  /** What the headers say, and nothing else. The name is empty where they name nobody, which is an error. */
  readonly asked: UserInfo
  /** Who the request then acts as, on a server with constrained impersonation. */
  readonly target: UserInfo
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
 * (k8s.io/apiserver/pkg/endpoints/filters/impersonation/constrained_impersonation.go processImpersonationHeaders).
 *
 * @throws ReservedExtra where they pretend to be the proxy's own
 */
export function readImpersonation(headers: ClientHeaders): Impersonation | undefined {
  if (!headers.hasPrefix('impersonate-')) return undefined
  const username = headers.get('impersonate-user') ?? ''
  const groups = headers.values('impersonate-group')
  const uid = headers.get('impersonate-uid') ?? ''
  const extra = readExtra(headers.raw)
  if (username === '' && groups.length === 0 && uid === '' && extra.size === 0) return undefined
  const asked: UserInfo = {
    username,
    ...(uid === '' ? {} : { uid }),
    ...(groups.length === 0 ? {} : { groups }),
    ...(extra.size === 0 ? {} : { extra: Object.fromEntries(extra) }),
  }
  return { asked, target: impersonatedUser(asked, isNode(asked) ? [NODES] : undefined) }
}

/**
 * The user that somebody acts as who asked for `asked` and may.
 *
 * @param known the groups that such a user has; undefined where they are those that were asked for
 */
export function impersonatedUser(asked: UserInfo, known?: readonly string[]): UserInfo {
  const { username } = asked
  const account = serviceAccountOf(username)
  const requested = asked.groups ?? []
  const groups = [
    ...(known ??
      // Groups that are asked for are the authority; a service account's own are known.
      (requested.length === 0 && account !== undefined
        ? serviceAccountGroups(account.namespace)
        : requested)),
  ]
  if (username === ANONYMOUS) {
    if (!groups.includes(ALL_UNAUTHENTICATED)) groups.push(ALL_UNAUTHENTICATED)
  } else if (!groups.includes(ALL_AUTHENTICATED) && !groups.includes(ALL_UNAUTHENTICATED)) {
    groups.push(ALL_AUTHENTICATED)
  }
  return { ...asked, groups }
}

/** True where nothing but a node's name was asked for, which brings a node's group in the modes for nodes. */
export function isNode(asked: UserInfo): boolean {
  return onlyUsername(asked) && nodeOf(asked.username) !== undefined
}

/** onlyUsernameSet in k8s.io/apiserver/pkg/endpoints/filters/impersonation/mode.go. */
export function onlyUsername({ uid, groups, extra }: UserInfo): boolean {
  return uid === undefined && groups === undefined && extra === undefined
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
