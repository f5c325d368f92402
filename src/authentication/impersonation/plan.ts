import type { AccessReview, ResourceAttributes } from '../../cluster/access-review.js'
import type { UserInfo } from '../../request/user-info.js'
import { extraProblem } from './extra-keys.js'
import { impersonatedUser, onlyUsername } from './headers.js'
import { nodeOf, NODES, serviceAccountOf } from './names.js'

/** What must hold for a mode of impersonation to be granted. */
export type Requirement =
  | { readonly kind: 'allowed'; readonly review: AccessReview }
  /** All at once, or else each. */
  | { readonly kind: 'allowed-all'; readonly all: AccessReview; readonly each: readonly AccessReview[] }
  /** Nobody may do that in this mode. */
  | { readonly kind: 'never'; readonly review: AccessReview; readonly reason: string }

/** One way in which an impersonation may be granted. */
export interface ModePlan {
  readonly mode: Mode
  /** In the order in which they are asked; the first that does not hold refuses. */
  readonly requirements: readonly Requirement[]
  /** Who the request then acts as. */
  readonly target: UserInfo
}

type ConstrainedMode = 'associated-node' | 'arbitrary-node' | 'serviceaccount' | 'user-info'
export type Mode = ConstrainedMode | 'legacy'

/** What a request wants to do, as its own authorization would ask. */
export type RequestAttributes = Omit<AccessReview, 'user'>

const AUTHENTICATION = { group: 'authentication.k8s.io', version: 'v1' } as const
/** From as many groups or extras on, a constrained mode asks for all at once first. */
const MANY = 4
const MASTERS = 'system:masters'
/** In the extra of a service account's token. */
const NODE_NAME = 'authentication.kubernetes.io/node-name'
const NODE_KEYS = 'authentication.kubernetes.io/associated-node-keys'

/**
 * The ways to grant an impersonation on a server with constrained impersonation, in its order: the first that grants it
 * does, and where none does, the first refusal is the answer
 * (k8s.io/apiserver/pkg/endpoints/filters/impersonation/mode.go allImpersonationModes).
 *
 * @param asked what the headers say
 */
export function constrainedPlans(
  requestor: UserInfo,
  asked: UserInfo,
  request: RequestAttributes,
): readonly ModePlan[] {
  const plans: ModePlan[] = []
  const node = nodeOf(asked.username)
  const account = serviceAccountOf(asked.username)
  const add = (mode: ConstrainedMode, who = requestor, name?: string): void => {
    plans.push(constrainedPlan(mode, who, asked, request, name))
  }
  if (node !== undefined && onlyUsername(asked)) {
    // All names, because the server remembers the answer for all nodes; and none of the extra that differs by node.
    if (isAssociated(requestor, node)) add('associated-node', withoutExtra(requestor), '*')
    add('arbitrary-node')
  }
  if (account !== undefined && onlyUsername(asked)) add('serviceaccount')
  if (node === undefined && account === undefined) add('user-info')
  plans.push(legacyPlan(requestor, asked, { group: '', version: 'v1' }, ['uid', 'groups', 'extra']))
  return plans
}

/**
 * The one way to grant an impersonation on a server without constrained impersonation
 * (k8s.io/apiserver/pkg/endpoints/filters/impersonation/impersonation.go WithImpersonation).
 */
export function unconstrainedPlan(requestor: UserInfo, asked: UserInfo): ModePlan {
  return legacyPlan(requestor, asked, { group: '' }, ['groups', 'extra', 'uid'])
}

type Part = 'uid' | 'groups' | 'extra'

/** The two implementations differ in the version that they ask for, and in the order. */
function legacyPlan(
  requestor: UserInfo,
  asked: UserInfo,
  core: { readonly group: ''; readonly version?: 'v1' },
  parts: readonly Part[],
): ModePlan {
  const account = serviceAccountOf(asked.username)
  const verb = 'impersonate'
  const reviews: Record<Part, readonly AccessReview[]> = {
    uid: uidReviews(requestor, verb, asked),
    groups: (asked.groups ?? []).map((name) =>
      review(requestor, verb, { ...core, resource: 'groups', name }),
    ),
    extra: extraReviews(requestor, verb, asked),
  }
  const named: AccessReview =
    account === undefined
      ? review(requestor, verb, { ...core, resource: 'users', name: asked.username })
      : review(requestor, verb, { ...core, resource: 'serviceaccounts', ...account })
  return {
    mode: 'legacy',
    requirements: [named, ...parts.flatMap((part) => reviews[part])].map(allowed),
    target: impersonatedUser(asked),
  }
}

/** @param name of the node, where it is not the one that was asked for */
function constrainedPlan(
  mode: ConstrainedMode,
  requestor: UserInfo,
  asked: UserInfo,
  request: RequestAttributes,
  name?: string,
): ModePlan {
  const verb = `impersonate:${mode}`
  const node = nodeOf(asked.username)
  const account = serviceAccountOf(asked.username)
  const named: Pick<ResourceAttributes, 'resource' | 'namespace' | 'name'> =
    node !== undefined
      ? { resource: 'nodes', name: name ?? node }
      : account !== undefined
        ? { resource: 'serviceaccounts', ...account }
        : { resource: 'users', name: asked.username }
  return {
    mode,
    requirements: [
      allowed(onRequest(mode, requestor, request)),
      allowed(review(requestor, verb, { ...AUTHENTICATION, ...named })),
      ...uidReviews(requestor, verb, asked).map(allowed),
      ...constrainedGroups(requestor, verb, asked),
      ...constrainedExtra(requestor, verb, asked),
    ],
    target: impersonatedUser(asked, node === undefined ? undefined : [NODES]),
  }
}

/** Whether the user may do what the request does while impersonating in that mode. */
function onRequest(mode: ConstrainedMode, user: UserInfo, request: RequestAttributes): AccessReview {
  const { resourceAttributes, nonResourceAttributes } = request
  const on = (verb: string): string => `impersonate-on:${mode}:${verb}`
  if (resourceAttributes !== undefined)
    return { user, resourceAttributes: { ...resourceAttributes, verb: on(resourceAttributes.verb) } }
  const { verb = '', path = '' } = nonResourceAttributes ?? {}
  return { user, nonResourceAttributes: { verb: on(verb), path } }
}

function uidReviews(user: UserInfo, verb: string, { uid }: UserInfo): AccessReview[] {
  return uid === undefined ? [] : [review(user, verb, { ...AUTHENTICATION, resource: 'uids', name: uid })]
}

function extraReviews(user: UserInfo, verb: string, { extra }: UserInfo): AccessReview[] {
  return Object.entries(extra ?? {}).flatMap(([subresource, values]) =>
    values.map((name) =>
      review(user, verb, { ...AUTHENTICATION, resource: 'userextras', subresource, name }),
    ),
  )
}

function constrainedGroups(user: UserInfo, verb: string, { groups = [] }: UserInfo): Requirement[] {
  if (groups.length === 0) return []
  const of = (name: string): AccessReview =>
    review(user, verb, { ...AUTHENTICATION, resource: 'groups', name })
  if (groups.includes('')) return [never(of(''), 'impersonating the empty string group is not allowed')]
  if (groups.includes(MASTERS))
    return [never(of(MASTERS), `impersonating the ${MASTERS} group is not allowed`)]
  return allOrEach(groups.length >= MANY, of('*'), groups.map(of))
}

function constrainedExtra(user: UserInfo, verb: string, asked: UserInfo): Requirement[] {
  const { extra } = asked
  if (extra === undefined) return []
  const of = (attributes: { subresource?: string; name: string }): AccessReview =>
    review(user, verb, { ...AUTHENTICATION, resource: 'userextras', ...attributes })
  const problem = extraProblem(extra)
  if (problem !== undefined) return [never(of({ name: '' }), problem)]
  const each = extraReviews(user, verb, asked)
  return allOrEach(each.length >= MANY, of({ subresource: '*', name: '*' }), each)
}

function allOrEach(many: boolean, all: AccessReview, each: readonly AccessReview[]): Requirement[] {
  return many ? [{ kind: 'allowed-all', all, each }] : each.map(allowed)
}

function allowed(review: AccessReview): Requirement {
  return { kind: 'allowed', review }
}

function never(review: AccessReview, reason: string): Requirement {
  return { kind: 'never', review, reason }
}

function review(user: UserInfo, verb: string, attributes: Omit<ResourceAttributes, 'verb'>): AccessReview {
  return { user, resourceAttributes: { verb, ...attributes } }
}

/** requesterAssociatedWithRequestedNodeUsername: a service account whose token is bound to that node. */
function isAssociated({ username, extra }: UserInfo, node: string): boolean {
  const nodes = extra?.[NODE_NAME]
  return serviceAccountOf(username) !== undefined && nodes?.length === 1 && nodes[0] === node
}

/** associatedNodeImpersonationRequestorUserInfo: of the extra, its keys. */
function withoutExtra(user: UserInfo): UserInfo {
  const keys = Object.keys(user.extra ?? {}).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return { ...user, extra: { [NODE_KEYS]: keys } }
}
