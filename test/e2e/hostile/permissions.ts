import type { TestCluster } from '../../support/cluster.js'
import { CONFIG_MAPS, EXISTING, SECRET, SECRET_BASE64, SECRETS } from '../../support/hostile/body-case.js'

/** What alice may change, and so is recorded with its bodies. */
const WRITABLE = [
  ...['configmaps', 'secrets', 'serviceaccounts/token', 'deployments'],
  ...['customresourcedefinitions', 'tokenreviews'],
]

/** What the proxy itself may do, what the users may, and eve's right to act as mallory. */
export async function grant(cluster: TestCluster): Promise<void> {
  const user = (name: string): object => ({ kind: 'User', name, apiGroup: 'rbac.authorization.k8s.io' })
  const group = (name: string): object => ({ kind: 'Group', name, apiGroup: 'rbac.authorization.k8s.io' })
  const users = ['users', 'groups', 'serviceaccounts']
  const roles: [name: string, rules: object[], subjects: object[]][] = [
    [
      'proxy',
      [
        { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
        { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
        { apiGroups: [''], resources: users, verbs: ['impersonate'] },
        { apiGroups: ['authentication.k8s.io'], resources: ['*'], verbs: ['impersonate'] },
      ],
      [user('kube-audit-proxy')],
    ],
    [
      'reader',
      [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
      [group('dev'), group('viewers'), group('system:serviceaccounts:default'), user('mallory')],
    ],
    ['writer', [{ apiGroups: ['*'], resources: WRITABLE, verbs: ['*'] }], [group('qa')]],
    [
      'as-mallory',
      [{ apiGroups: [''], resources: ['users'], resourceNames: ['mallory'], verbs: ['impersonate'] }],
      [user('eve')],
    ],
  ]
  const api = '/apis/rbac.authorization.k8s.io/v1'
  for (const [name, rules, subjects] of roles) {
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
    await cluster.create(`${api}/clusterroles`, { metadata: { name }, rules })
    await cluster.create(`${api}/clusterrolebindings`, { metadata: { name }, roleRef, subjects })
  }
}

/** What alice's requests are about. */
export async function fill(cluster: TestCluster): Promise<void> {
  const metadata = { name: EXISTING, annotations: { a: 'b' } }
  await cluster.create(CONFIG_MAPS, { metadata, data: { k: 'v' } })
  const applied = JSON.stringify({ kind: 'Secret', stringData: { k: SECRET } })
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': applied }
  await cluster.create(SECRETS, { metadata: { ...metadata, annotations }, data: { k: SECRET_BASE64 } })
}

/** A token of a service account that it makes. */
export async function robotToken(cluster: TestCluster): Promise<string> {
  const accounts = '/api/v1/namespaces/default/serviceaccounts'
  await cluster.create(accounts, { metadata: { name: 'robot' } })
  const made = await cluster.create(`${accounts}/robot/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {},
  })
  return (made as { status: { token: string } }).status.token
}
