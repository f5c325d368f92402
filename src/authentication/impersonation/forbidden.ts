import type { AccessReview } from '../../cluster/access-review.js'
import { quote } from '../../go-quote.js'
import type { UserInfo } from '../../request/user-info.js'
import { sanitize } from './refused.js'

/** metav1.StatusDetails of a 403, without what is empty. */
export interface ForbiddenDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
}

/** The user may not act as the one that was asked for: 403, with the message and details that kube-apiserver gives. */
export class ImpersonationForbidden extends Error {
  override name = 'ImpersonationForbidden'

  constructor(
    message: string,
    readonly details: ForbiddenDetails,
  ) {
    super(message)
  }
}

/** Impersonate-* headers that name no user: 400. */
export class ImpersonationInvalid extends Error {
  override name = 'ImpersonationInvalid'
}

/**
 * k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go ForbiddenStatusError, over
 * k8s.io/apimachinery/pkg/api/errors NewForbidden.
 *
 * @param reason of the authorizers; empty where they gave none
 */
export function forbidden(review: AccessReview, reason: string): ImpersonationForbidden {
  const { group = '', resource: kind = '', name = '' } = review.resourceAttributes ?? {}
  const what = group === '' ? kind : `${kind}.${group}`
  const prefix = what === '' ? 'forbidden' : `${what}${name === '' ? '' : ` ${quote(name)}`} is forbidden`
  const message = `${prefix}: ${sanitize(cannot(review))}${reason === '' ? '' : `: ${reason}`}`
  return new ImpersonationForbidden(message, {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    ...(kind === '' ? {} : { kind }),
  })
}

function cannot({ user, resourceAttributes, nonResourceAttributes }: AccessReview): string {
  const who = `User ${quote(user.username)} cannot`
  if (resourceAttributes === undefined) {
    const { verb = '', path = '' } = nonResourceAttributes ?? {}
    return `${who} ${verb} path ${quote(path)}`
  }
  const { verb, group, resource, subresource, namespace } = resourceAttributes
  const what = subresource === undefined ? resource : `${resource}/${subresource}`
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace ${quote(namespace)}`
  return `${who} ${verb} resource ${quote(what)} in API group ${quote(group)} ${where}`
}

/** What processImpersonationHeaders says of headers without a user: Go's %#v of what they ask for. */
export function withoutUser({ username, uid = '', groups, extra }: UserInfo): ImpersonationInvalid {
  const list = (values: readonly string[] | undefined): string =>
    values === undefined ? '[]string(nil)' : `[]string{${values.map(quote).join(', ')}}`
  const entries = Object.entries(extra ?? {}).sort(([a], [b]) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )
  const map =
    extra === undefined
      ? 'map[string][]string(nil)'
      : `map[string][]string{${entries.map(([key, values]) => `${quote(key)}:${list(values)}`).join(', ')}}`
  return new ImpersonationInvalid(
    `requested &user.DefaultInfo{Name:${quote(username)}, UID:${quote(uid)}, Groups:${list(groups)}, Extra:${map}} ` +
      'without impersonating a user name',
  )
}
