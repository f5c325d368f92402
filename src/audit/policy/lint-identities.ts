import type { PolicyRule } from './policy.js'

/** Groups that Kubernetes itself gives users: k8s.io/apiserver/pkg/authentication/user, and RBAC's bootstrap policy. */
const GROUPS: readonly string[] = [
  'system:authenticated',
  'system:unauthenticated',
  'system:masters',
  'system:nodes',
  'system:monitoring',
  'system:serviceaccounts',
  'system:bootstrappers',
]

/** Users that Kubernetes itself has. */
const USERS: readonly string[] = [
  'system:anonymous',
  'system:admin',
  'system:apiserver',
  'system:aggregator',
  'system:kube-apiserver',
  'system:kube-scheduler',
  'system:kube-controller-manager',
  'system:cloud-controller-manager',
  'system:kube-proxy',
  'system:volume-scheduler',
]

/** What is the name of a ClusterRole and of nobody, and what was meant. */
const NOBODY: ReadonlyMap<string, string> = new Map([
  ['system:node', 'nodes are the users system:node:NAME and the group system:nodes'],
  ['system:node-proxier', 'kube-proxy is the user system:kube-proxy'],
  ['system:kube-dns', 'it is a service account: system:serviceaccount:kube-system:kube-dns'],
])

/** Groups among the users of a rule, users among its groups, and names that nobody has: they match nothing. */
export function identities({ users, userGroups }: PolicyRule): string[] {
  return [...users.flatMap(wrongUser), ...userGroups.flatMap(wrongGroup)]
}

function wrongUser(name: string): string[] {
  if (isGroup(name))
    return [
      `users has ${JSON.stringify(name)}, which is a group: it matches nothing there, and belongs in userGroups`,
    ]
  return nobody('users', name)
}

function wrongGroup(name: string): string[] {
  if (isUser(name))
    return [
      `userGroups has ${JSON.stringify(name)}, which is a user: it matches nothing there, and belongs in users`,
    ]
  return nobody('userGroups', name)
}

function isGroup(name: string): boolean {
  return GROUPS.includes(name) || /^system:(serviceaccounts|bootstrappers):[^:]+/.test(name)
}

function isUser(name: string): boolean {
  return USERS.includes(name) || /^system:(serviceaccount:[^:]+:[^:]+|node:.+|bootstrap:.+)$/.test(name)
}

function nobody(field: string, name: string): string[] {
  const instead = NOBODY.get(name)
  if (instead === undefined) {
    if (!/^system:serviceaccount(:[^:]*)?$/.test(name)) return []
    return [
      `${field} has ${JSON.stringify(name)}, which is nobody: a service account is the user system:serviceaccount:NAMESPACE:NAME, all of them are the group system:serviceaccounts`,
    ]
  }
  return [`${field} has ${JSON.stringify(name)}, which is nobody: ${instead}`]
}
