import type { UserInfo } from '../request/user-info.js'
import { createReview, type ReviewClient } from './reviews.js'

const PATH = '/apis/authorization.k8s.io/v1/subjectaccessreviews'

/** What somebody wants to do to what: k8s.io/api/authorization/v1 ResourceAttributes. */
export interface ResourceAttributes {
  readonly verb: string
  readonly group: string
  readonly version?: string | undefined
  readonly resource: string
  readonly subresource?: string | undefined
  readonly namespace?: string | undefined
  readonly name?: string | undefined
}

/**
 * Asks the apiserver whether a user may do something. Only an explicit `allowed` is a yes.
 * @throws ReviewError where the apiserver does not answer
 */
export async function isAllowed(
  client: ReviewClient,
  user: UserInfo,
  resourceAttributes: ResourceAttributes,
): Promise<boolean> {
  const answer = await createReview(client, PATH, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: {
      user: user.username,
      uid: user.uid,
      groups: user.groups,
      extra: user.extra,
      resourceAttributes,
    },
  })
  const { status } = answer as { status?: { allowed?: unknown; denied?: unknown } }
  return status?.allowed === true && status.denied !== true
}
