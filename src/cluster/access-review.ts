import type { UserInfo } from '../request/user-info.js'
import { createReview, type ReviewClient } from './reviews.js'

const PATH = '/apis/authorization.k8s.io/v1/subjectaccessreviews'

/** k8s.io/api/authorization/v1 ResourceAttributes, without what is empty. */
export interface ResourceAttributes {
  readonly verb: string
  readonly group: string
  readonly version?: string | undefined
  readonly resource: string
  readonly subresource?: string | undefined
  readonly namespace?: string | undefined
  readonly name?: string | undefined
  readonly fieldSelector?: { readonly rawSelector: string } | undefined
  readonly labelSelector?: { readonly rawSelector: string } | undefined
}

/** k8s.io/api/authorization/v1 NonResourceAttributes. */
export interface NonResourceAttributes {
  readonly verb: string
  readonly path: string
}

/** What somebody wants to do: k8s.io/api/authorization/v1 SubjectAccessReviewSpec. */
export interface AccessReview {
  readonly user: UserInfo
  readonly resourceAttributes?: ResourceAttributes
  readonly nonResourceAttributes?: NonResourceAttributes
}

/** k8s.io/api/authorization/v1 SubjectAccessReviewStatus. */
export interface AccessVerdict {
  readonly allowed: boolean
  /** Why, in the authorizers' words; mostly empty. */
  readonly reason: string
  /** What went wrong on the way; empty where nothing did. */
  readonly evaluationError: string
}

/**
 * Asks the apiserver whether a user may do something. Only an explicit `allowed` is a yes.
 * @throws ReviewError where the apiserver does not answer
 */
export async function reviewAccess(client: ReviewClient, review: AccessReview): Promise<AccessVerdict> {
  const { user, ...attributes } = review
  const answer = await createReview(client, PATH, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: {
      user: user.username,
      uid: user.uid,
      groups: user.groups,
      extra: user.extra,
      ...attributes,
    },
  })
  const { status } = answer as { status?: Record<string, unknown> }
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    allowed: status?.['allowed'] === true && status['denied'] !== true,
    reason: text(status?.['reason']),
    evaluationError: text(status?.['evaluationError']),
  }
}
