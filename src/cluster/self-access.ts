import { createReview, type ReviewClient } from './reviews.js'

const PATH = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'

/** One thing that somebody may be allowed to do, as `kubectl auth can-i` asks for it. */
export interface Access {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  readonly name?: string
}

/**
 * Asks the apiserver whether the proxy itself may do something.
 *
 * @throws ReviewError where the apiserver does not answer
 */
export async function mayI(client: ReviewClient, access: Access): Promise<boolean> {
  const answer = await createReview(client, PATH, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: access },
  })
  const { status } = answer as { status?: { allowed?: unknown; denied?: unknown } }
  return status?.allowed === true && status.denied !== true
}
