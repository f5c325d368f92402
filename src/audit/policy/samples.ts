import { ALL_AUTHENTICATED, type UserInfo } from '../../request/user-info.js'
import { nonResourceRequest, type RequestInfo } from '../../request/request-info.js'
import type { GroupResources, PolicyRule } from './policy.js'

/** A request that a policy can be asked about. */
export interface SampleRequest {
  readonly user: UserInfo
  readonly info: RequestInfo
}

/** What a rule that does not say is about, among others. */
const ANY_USER = 'somebody'
const ANY_NAMESPACE = ['somewhere', '', 'kube-system']
const ANY_VERB = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection', 'post']
const ANY_RESOURCE: readonly GroupResources[] = [
  {
    group: '',
    resources: ['pods', 'pods/exec', 'secrets', 'configmaps', 'nodes', 'events'],
    resourceNames: [],
  },
  { group: 'apps', resources: ['deployments'], resourceNames: [] },
  { group: 'rbac.authorization.k8s.io', resources: ['clusterrolebindings'], resourceNames: [] },
  { group: 'example.com', resources: ['things', 'things/status'], resourceNames: [] },
]
const ANY_PATH = ['/', '/healthz', '/version', '/apis', '/something']

/** Verbs times targets; of a rule with more, each verb and each target is in one sample at least. */
const MAX_PRODUCT = 400

type Target = Pick<RequestInfo, 'apiGroup' | 'resource' | 'subresource' | 'name'> | { readonly path: string }

/**
 * Requests that a rule is about: every value of each of its lists is in one of them, and verbs and resources in all their
 * pairs, unless there are too many. Where the rule does not say, some that are usual stand for all.
 */
export function samplesOf(rule: PolicyRule): SampleRequest[] {
  const users = rule.users.length === 0 ? [ANY_USER] : rule.users
  const groups = rule.userGroups.length === 0 ? [ALL_AUTHENTICATED] : rule.userGroups
  const verbs = rule.verbs.length === 0 ? ANY_VERB : rule.verbs
  const namespaces = rule.namespaces.length === 0 ? ANY_NAMESPACE : rule.namespaces
  const targets = targetsOf(rule)
  const samples: SampleRequest[] = []
  const add = (user?: string, group?: string, verb?: string, target?: Target, namespace?: string): void => {
    const [firstTarget] = targets
    const at = target ?? firstTarget
    if (at === undefined) return
    samples.push({
      user: {
        username: user ?? users[0] ?? '',
        groups: [...new Set([group ?? groups[0] ?? '', ALL_AUTHENTICATED])],
      },
      info: requestOf(verb ?? verbs[0] ?? '', at, namespace ?? namespaces[0] ?? ''),
    })
  }
  if (verbs.length * targets.length <= MAX_PRODUCT) {
    for (const verb of verbs) for (const target of targets) add(undefined, undefined, verb, target)
  } else {
    for (const verb of verbs) add(undefined, undefined, verb)
    for (const target of targets) add(undefined, undefined, undefined, target)
  }
  for (const user of users) add(user)
  for (const group of groups) add(undefined, group)
  for (const namespace of namespaces) add(undefined, undefined, undefined, undefined, namespace)
  return samples
}

function targetsOf({ resources, namespaces, nonResourceURLs }: PolicyRule): Target[] {
  const paths = nonResourceURLs.map((path) => ({ path: path.replace(/\*$/, 'something') }))
  if (paths.length > 0) return paths
  const named = (resources.length === 0 ? ANY_RESOURCE : resources).flatMap(resourceTargets)
  if (resources.length > 0 || namespaces.length > 0) return named
  return [...named, ...ANY_PATH.map((path) => ({ path }))]
}

function resourceTargets({ group, resources, resourceNames }: GroupResources): Target[] {
  const patterns = resources.length === 0 ? ['*'] : resources
  const names = resourceNames.length === 0 ? [''] : resourceNames
  return patterns.flatMap((pattern) => {
    const [resource = '', subresource = ''] = pattern
      .split('/', 2)
      .map((part) => (part === '*' ? 'things' : part))
    const apiGroup = group === '*' ? 'example.com' : group
    return names.map((name) => ({ apiGroup, resource, subresource, name }))
  })
}

function requestOf(verb: string, target: Target, namespace: string): RequestInfo {
  if ('path' in target) return nonResourceRequest(verb, target.path.replace(/^(?!\/)/, '/'))
  const apiPrefix = target.apiGroup === '' ? 'api' : 'apis'
  return { ...target, isResourceRequest: true, path: '', verb, apiPrefix, apiVersion: 'v1', namespace }
}
