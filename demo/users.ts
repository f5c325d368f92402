import type { Rule } from './apiserver/authorization.js'

/** Someone who acts in the demonstration. */
export interface Actor {
  readonly name: string
  /** What the narration calls them. */
  readonly role: string
  readonly groups: readonly string[]
  /** How they prove who they are. */
  readonly credential: 'certificate' | 'token'
}

export const ALICE: Actor = {
  name: 'alice',
  role: 'administrator, with a client certificate',
  groups: ['system:masters'],
  credential: 'certificate',
}
export const BOB: Actor = {
  name: 'bob',
  role: 'developer, with a client certificate',
  groups: ['developers'],
  credential: 'certificate',
}
export const CAROL: Actor = {
  name: 'carol',
  role: 'viewer, with a bearer token',
  groups: ['viewers'],
  credential: 'token',
}
export const ACTORS = [ALICE, BOB, CAROL]

/** The user as whom the proxy asks for reviews. */
export const PROXY_USER = 'kube-audit-proxy'
/** The namespace in which developers work. */
export const TEAM_NAMESPACE = 'team-a'

const READ = ['get', 'list', 'watch']

/** Who may do what. Nobody but administrators reads secrets. */
export const RULES: readonly Rule[] = [
  { groups: ['system:masters'], verbs: ['*'], apiGroups: ['*'], resources: ['*'], paths: ['*'] },
  {
    groups: ['developers'],
    verbs: ['*'],
    apiGroups: ['', 'apps'],
    resources: [
      'configmaps',
      'events',
      'pods',
      'pods/log',
      'pods/exec',
      'serviceaccounts',
      'deployments',
      'deployments/scale',
    ],
    namespaces: [TEAM_NAMESPACE],
  },
  { groups: ['developers'], verbs: READ, apiGroups: [''], resources: ['namespaces'] },
  {
    groups: ['viewers'],
    verbs: READ,
    apiGroups: ['', 'apps'],
    resources: [
      'configmaps',
      'events',
      'namespaces',
      'pods',
      'pods/log',
      'serviceaccounts',
      'deployments',
      'deployments/scale',
    ],
  },
  // As the roles system:auth-delegator, system:discovery, system:basic-user and system:public-info-viewer.
  {
    users: [PROXY_USER],
    verbs: ['create'],
    apiGroups: ['authentication.k8s.io', 'authorization.k8s.io'],
    resources: ['tokenreviews', 'subjectaccessreviews'],
  },
  {
    groups: ['system:authenticated'],
    verbs: ['get'],
    paths: ['/', '/api', '/api/*', '/apis', '/apis/*', '/openapi/*'],
  },
  {
    groups: ['system:authenticated'],
    verbs: ['create'],
    apiGroups: ['authentication.k8s.io', 'authorization.k8s.io'],
    resources: ['selfsubjectreviews', 'selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
  },
  {
    groups: ['system:authenticated', 'system:unauthenticated'],
    verbs: ['get'],
    paths: ['/healthz', '/livez', '/readyz', '/version'],
  },
]
