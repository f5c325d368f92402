import { ALL_AUTHENTICATED, type UserInfo } from '../../src/request/user-info.js'
import { appliesTo, type Attributes, type Authorizer } from './authorization.js'
import { isObject, objectField, stringField, stringsField, type Json, type JsonObject } from './json.js'
import { StatusError } from './status.js'

export const AUTHENTICATION_GROUP = 'authentication.k8s.io'
export const AUTHORIZATION_GROUP = 'authorization.k8s.io'

/** What a review needs to find its answer. */
export interface ReviewContext {
  /** Who asks. */
  readonly user: UserInfo
  readonly authorizer: Authorizer
  readonly userOfToken: (token: string) => UserInfo | undefined
}

/** A kind of object that is created to ask a question and is not kept. */
export interface Review {
  readonly group: string
  readonly resource: string
  readonly kind: string
  readonly answer: (spec: JsonObject, context: ReviewContext) => JsonObject
}

export const REVIEWS: readonly Review[] = [
  { group: AUTHENTICATION_GROUP, resource: 'tokenreviews', kind: 'TokenReview', answer: reviewToken },
  {
    group: AUTHENTICATION_GROUP,
    resource: 'selfsubjectreviews',
    kind: 'SelfSubjectReview',
    answer: (_spec, { user }) => ({ userInfo: userJson(user) }),
  },
  {
    group: AUTHORIZATION_GROUP,
    resource: 'subjectaccessreviews',
    kind: 'SubjectAccessReview',
    answer: (spec, { authorizer }) => reviewAccess(subject(spec), spec, authorizer),
  },
  {
    group: AUTHORIZATION_GROUP,
    resource: 'selfsubjectaccessreviews',
    kind: 'SelfSubjectAccessReview',
    answer: (spec, { user, authorizer }) => reviewAccess(user, spec, authorizer),
  },
  {
    group: AUTHORIZATION_GROUP,
    resource: 'selfsubjectrulesreviews',
    kind: 'SelfSubjectRulesReview',
    answer: listRules,
  },
]

/**
 * Answers a review's body with the review and its status.
 * @throws StatusError 400 where the body is no such review
 */
export function answerReview(review: Review, body: Json | undefined, context: ReviewContext): JsonObject {
  if (!isObject(body) || body.kind !== review.kind || body.apiVersion !== `${review.group}/v1`) {
    throw StatusError.badRequest(`the body is no ${review.kind} of ${review.group}/v1`)
  }
  return { ...body, metadata: {}, status: review.answer(objectField(body, 'spec'), context) }
}

function reviewToken(spec: JsonObject, { userOfToken }: ReviewContext): JsonObject {
  const user = userOfToken(stringField(spec, 'token'))
  if (user === undefined) return { user: {}, error: 'invalid bearer token' }
  return { authenticated: true, user: userJson(user) }
}

function subject(spec: JsonObject): UserInfo {
  const username = stringField(spec, 'user')
  const groups = stringsField(spec, 'groups')
  if (username === '' && groups.length === 0) {
    throw StatusError.invalid(AUTHORIZATION_GROUP, 'SubjectAccessReview', '', 'spec.user', 'Required value')
  }
  return { username, groups }
}

function reviewAccess(user: UserInfo, spec: JsonObject, authorizer: Authorizer): JsonObject {
  const allowed = authorizer.allowed(user, attributesOf(spec))
  return { allowed, reason: allowed ? 'a rule of the demonstration allows it' : '' }
}

function attributesOf(spec: JsonObject): Attributes {
  if (isObject(spec.nonResourceAttributes)) {
    const { nonResourceAttributes: attributes } = spec
    return { verb: stringField(attributes, 'verb'), path: stringField(attributes, 'path') }
  }
  if (!isObject(spec.resourceAttributes)) {
    throw StatusError.badRequest(
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    )
  }
  const { resourceAttributes: attributes } = spec
  return {
    verb: stringField(attributes, 'verb'),
    group: stringField(attributes, 'group'),
    resource: stringField(attributes, 'resource'),
    subresource: stringField(attributes, 'subresource'),
    namespace: stringField(attributes, 'namespace'),
    name: stringField(attributes, 'name'),
  }
}

function listRules(spec: JsonObject, { user, authorizer }: ReviewContext): JsonObject {
  const namespace = stringField(spec, 'namespace')
  const rules = authorizer.rules.filter(
    (rule) => appliesTo(rule, user) && rule.namespaces?.includes(namespace) !== false,
  )
  return {
    resourceRules: rules.flatMap(({ verbs, apiGroups, resources }) =>
      resources === undefined
        ? []
        : [{ verbs: [...verbs], apiGroups: [...(apiGroups ?? [])], resources: [...resources] }],
    ),
    nonResourceRules: rules.flatMap(({ verbs, paths }) =>
      paths === undefined ? [] : [{ verbs: [...verbs], nonResourceURLs: [...paths] }],
    ),
    incomplete: false,
  }
}

function userJson(user: UserInfo): JsonObject {
  const groups = user.groups ?? []
  return {
    username: user.username,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: groups.includes(ALL_AUTHENTICATED) ? [...groups] : [...groups, ALL_AUTHENTICATED],
  }
}
