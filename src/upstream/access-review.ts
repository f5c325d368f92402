import type { ImpersonationCheck } from '../authentication/impersonation.js'
import type { ResponseStatus } from '../audit/event.js'
import type { UserInfo } from '../authentication/user.js'
import { createReview, type ReviewClient } from './reviews.js'

const PATH = '/apis/authorization.k8s.io/v1/subjectaccessreviews'

/**
 * Asks the apiserver whether a user may impersonate one thing. Only an explicit `allowed` is a yes.
 * @throws ReviewError where the apiserver does not answer
 */
export async function mayImpersonate(
  client: ReviewClient,
  user: UserInfo,
  check: ImpersonationCheck,
): Promise<boolean> {
  const answer = await createReview(client, PATH, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: {
      user: user.username,
      uid: user.uid,
      groups: user.groups,
      extra: user.extra,
      resourceAttributes: {
        verb: 'impersonate',
        group: check.group,
        version: check.version,
        resource: check.resource,
        subresource: check.subresource,
        namespace: check.namespace,
        name: check.name,
      },
    },
  })
  const { status } = answer as { status?: { allowed?: unknown; denied?: unknown } }
  return status?.allowed === true && status.denied !== true
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
