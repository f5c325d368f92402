import type { ResponseStatus } from '../audit/event.js'
import { isAllowed } from '../cluster/access-review.js'
import type { ReviewClient } from '../cluster/reviews.js'
import type { UserInfo } from '../request/user-info.js'
import type { ImpersonationCheck } from './impersonation.js'

/**
 * Asks the apiserver whether a user may impersonate one thing.
 * @throws ReviewError where the apiserver does not answer
 */
export function mayImpersonate(
  client: ReviewClient,
  user: UserInfo,
  { group, version, resource, subresource, namespace, name }: ImpersonationCheck,
): Promise<boolean> {
  const verb = 'impersonate'
  return isAllowed(client, user, { verb, group, version, resource, subresource, namespace, name })
}

/** The message of the 403 that kube-apiserver gives (endpoints/handlers/responsewriters/errors.go forbiddenMessage). */
export function impersonationForbidden(user: UserInfo, check: ImpersonationCheck): string {
  const resource = check.subresource === undefined ? check.resource : `${check.resource}/${check.subresource}`
  const group = check.group === '' ? '' : `.${check.group}`
  const scope =
    check.namespace === undefined
      ? 'at the cluster scope'
      : `in the namespace ${JSON.stringify(check.namespace)}`
  return (
    `${check.resource}${group} ${JSON.stringify(check.name)} is forbidden: User ${JSON.stringify(user.username)} ` +
    `cannot impersonate resource ${JSON.stringify(resource)} in API group ${JSON.stringify(check.group)} ${scope}`
  )
}

/**
 * True where a response refuses one of the things that the user asked to impersonate. The words alone do not say so: the
 * client has put some of them there, by the path it asked for. So what was refused must be that very thing by `details`.
 */
export function refusesImpersonation(
  status: ResponseStatus,
  user: UserInfo,
  checks: readonly ImpersonationCheck[],
): boolean {
  const { code, message, details } = status
  if (code !== 403 || message === undefined || details === undefined) return false
  const refused = JSON.parse(details) as { kind?: unknown; group?: unknown; name?: unknown }
  const asked = checks.some(
    ({ resource, group, name }) =>
      refused.kind === resource && (refused.group ?? '') === group && refused.name === name,
  )
  // What else of the message is the client's is in quotes, in which a quote is escaped.
  return (
    asked &&
    message.includes(` is forbidden: User ${JSON.stringify(user.username)} cannot impersonate resource "`)
  )
}
