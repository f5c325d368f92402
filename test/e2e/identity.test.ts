import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { byAuditID, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { apiservers } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'
import { certificate, writeKubeconfigFile } from '../support/kubeconfig.js'
import { OIDCIssuer } from '../support/oidc-issuer.js'
import { PKI, type Issued } from '../support/pki.js'
import { ProxyProcess } from '../support/proxy-process.js'
import { legacyClaims, newSigningKey, signToken } from '../support/tokens.js'

// Clusters are started and used, one after the other.
t.setTimeout(600_000)

const POLICY = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n'
const TOKENS = 'bobtoken,bob,uid-bob,"viewers,qa"'
const PATH = '/api/v1/namespaces/default/pods'
const BOOTSTRAP = '--enable-bootstrap-token-auth'
const EXTRAS = [
  'authentication.kubernetes.io/credential-id',
  'scopes',
  'kube-audit-proxy.io/original-user',
  'kube-audit-proxy.io/original-groups',
]

interface Credential {
  readonly certificate?: Issued
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}

type Identity = LoggedEvent['user']

for (const apiserver of apiservers()) {
  const name = 'whom kube-apiserver logs, the proxy logs'
  await t.test(`${name}: ${apiserver.version}`, { skip: apiserver.skip, timeout: 240_000 }, async (t) => {
    const dir = t.testdir()
    const pki = new PKI(join(dir, 'pki'))
    const ca = pki.ca('issuer-ca')
    const issuer = await OIDCIssuer.start(
      pki.issue(ca, { name: 'issuer', cn: 'issuer', ip: ['127.0.0.1'], usage: 'server' }),
      newSigningKey(),
    )
    t.teardown(() => issuer.stop())
    const oidc = [
      `--oidc-issuer-url=${issuer.url}`,
      '--oidc-client-id=kubernetes',
      `--oidc-ca-file=${ca.certFile}`,
      '--oidc-groups-claim=groups',
      '--oidc-groups-prefix=idp:',
    ]
    const cluster = await TestCluster.start({
      apiserver,
      auditPolicy: POLICY,
      tokens: [TOKENS],
      flags: [...oidc, BOOTSTRAP],
    })
    t.teardown(() => cluster.stop())
    await grant(cluster)

    const outerCA = pki.ca('outer-ca')
    const outer = pki.issue(outerCA, { name: 'outer', cn: 'outer', usage: 'client' })
    const alice = cluster.pki.issue(cluster.ca, { name: 'alice', cn: 'alice', o: ['dev'], usage: 'client' })
    const accounts = await serviceAccountTokens(cluster)
    const credentials: Record<string, Credential> = {
      'client certificate': { certificate: alice },
      'client certificate of an administrator': { certificate: cluster.admin },
      'token file': { token: 'bobtoken' },
      'bound token of a pod': { token: accounts.bound },
      'legacy token': { token: accounts.legacy },
      'bootstrap token': { token: await bootstrapToken(cluster) },
      'OpenID Connect': { token: await issuer.token() },
      'trusted proxy': {
        certificate: outer,
        headers: { 'x-remote-user': 'carol', 'x-remote-group': 'ops', 'x-remote-extra-scopes': 'view' },
      },
      anonymous: {},
      'client certificate that impersonates': {
        certificate: alice,
        headers: {
          'impersonate-user': 'dave',
          'impersonate-group': 'night',
          'impersonate-extra-scopes': 'all',
        },
      },
      'token that impersonates': { token: 'bobtoken', headers: { 'impersonate-user': 'dave' } },
      'client certificate that must not impersonate': {
        certificate: alice,
        headers: { 'impersonate-user': 'root' },
      },
      'bad token': { token: 'nosuchtoken' },
      'bad token: signed, but of an account that is gone': { token: accounts.gone },
    }
    await oidcIsUp(cluster, credentials['OpenID Connect']?.token as string)

    const local = [
      ...oidc,
      `--token-auth-file=${file(dir, 'tokens.csv', `${TOKENS}\n`)}`,
      `--service-account-key-file=${cluster.serviceAccountKey.certFile}`,
      `--service-account-issuer=${cluster.serviceAccountIssuer}`,
      `--api-audiences=${cluster.serviceAccountIssuer}`,
    ]
    for (const mode of ['request header', 'impersonation'] as const) {
      for (const tokens of ['verified here', 'by TokenReview'] as const) {
        await t.test(`${mode}, tokens ${tokens}`, async (t) => {
          const log = join(dir, `${mode}-${tokens}.log`)
          const flags = [
            `--requestheader-client-ca-file=${outerCA.certFile}`,
            '--requestheader-allowed-names=outer',
            BOOTSTRAP,
            ...(tokens === 'verified here' ? local : []),
          ]
          const proxy = await startProxy(t, cluster, {
            dir,
            log,
            flags,
            impersonates: mode === 'impersonation',
          })
          for (const [name, credential] of Object.entries(credentials)) {
            const auditID = randomUUID()
            const status = await ask(proxy.port, cluster.ca.cert, credential, auditID)
            const ours = await lastEvent(log, auditID)
            t.equal(ours.responseStatus?.code, status, name)
            if (name.includes('must not')) {
              t.equal(status, 403, name)
              t.equal(ours.impersonatedUser, undefined, name)
              continue
            }
            if (name.startsWith('bad token')) {
              t.equal(status, 401, name)
              t.strictSame(ours.user, {}, name)
              continue
            }
            const theirs = await lastEvent(cluster.auditLog, auditID)
            t.strictSame(effective(ours), effective(theirs), name)
            if (mode === 'request header' || credential.certificate === undefined) {
              t.strictSame(ours.user, theirs.user, `${name}: who asked`)
            }
            t.not(effective(ours).username, 'kube-audit-proxy', name)
          }
        })
      }
    }
  })
}

/** Whom a request acts as. */
function effective({ user, impersonatedUser }: LoggedEvent): Identity {
  return impersonatedUser ?? user
}

async function lastEvent(log: string, auditID: string): Promise<LoggedEvent> {
  return waitForEvents(log, (events) =>
    byAuditID(events)
      .get(auditID)
      ?.find(({ stage, user }) => stage === 'ResponseComplete' || user.username === undefined),
  )
}

async function ask(port: number, ca: string, credential: Credential, auditID: string): Promise<number> {
  const { certificate, token, headers } = credential
  const req = https.get({
    port,
    host: '127.0.0.1',
    ca,
    agent: false,
    path: PATH,
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    headers: {
      ...headers,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      'audit-id': auditID,
    },
  })
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  res.resume()
  await once(res, 'end')
  return res.statusCode ?? 0
}

async function startProxy(
  t: Test,
  cluster: TestCluster,
  options: { dir: string; log: string; flags: readonly string[]; impersonates: boolean },
): Promise<ProxyProcess> {
  const { pki, ca } = cluster
  const id = randomUUID()
  const serving = pki.issue(ca, { name: `serving-${id}`, cn: 'proxy', ip: ['127.0.0.1'], usage: 'server' })
  const self = pki.issue(ca, { name: `self-${id}`, cn: 'kube-audit-proxy', usage: 'client' })
  const kubeconfig = writeKubeconfigFile(
    join(options.dir, `${id}.kubeconfig`),
    { server: cluster.url, 'certificate-authority': ca.certFile },
    certificate(self),
  )
  const { certFile, keyFile } = cluster.frontProxyClient
  const proxy = await ProxyProcess.start([
    `--kubeconfig=${kubeconfig}`,
    `--tls-cert-file=${serving.certFile}`,
    `--tls-private-key-file=${serving.keyFile}`,
    `--client-ca-file=${ca.certFile}`,
    `--audit-policy-file=${file(options.dir, 'policy.yaml', POLICY)}`,
    `--audit-log-path=${options.log}`,
    ...(options.impersonates
      ? []
      : [`--proxy-client-cert-file=${certFile}`, `--proxy-client-key-file=${keyFile}`]),
    ...options.flags,
  ])
  t.teardown(() => proxy.stop())
  return proxy
}

/** A token of the TokenRequest API that is bound to a pod, one that lives in a Secret, and one like that of an account that was deleted. */
async function serviceAccountTokens(
  cluster: TestCluster,
): Promise<{ bound: string; legacy: string; gone: string }> {
  const base = '/api/v1/namespaces/default'
  const account = (await cluster.create(`${base}/serviceaccounts`, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'robot' },
  })) as { metadata: { uid: string } }
  await cluster.create(`${base}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'worker' },
    spec: { serviceAccountName: 'robot', containers: [{ name: 'c', image: 'i' }] },
  })
  const issued = (await cluster.create(`${base}/serviceaccounts/robot/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'worker' } },
  })) as { status: { token: string } }

  const { uid } = account.metadata
  const privateKey = createPrivateKey(cluster.serviceAccountKey.key)
  const key = {
    algorithm: 'ES256',
    id: '',
    privateKey,
    publicKey: createPublicKey(privateKey),
    publicPEM: '',
  }
  const legacy = await signToken(
    key,
    legacyClaims({ 'kubernetes.io/serviceaccount/service-account.uid': uid }),
    { kid: undefined },
  )
  await cluster.create(`${base}/secrets`, {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/service-account-token',
    metadata: {
      name: 'robot-token-1',
      annotations: {
        'kubernetes.io/service-account.name': 'robot',
        'kubernetes.io/service-account.uid': uid,
      },
    },
    stringData: { token: legacy },
  })
  const gone = await signToken(
    key,
    legacyClaims({ 'kubernetes.io/serviceaccount/service-account.uid': randomUUID() }),
    { kid: undefined },
  )
  return { bound: issued.status.token, legacy, gone }
}

async function bootstrapToken(cluster: TestCluster): Promise<string> {
  await cluster.create('/api/v1/namespaces/kube-system/secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'bootstrap.kubernetes.io/token',
    metadata: { name: 'bootstrap-token-abcdef' },
    stringData: {
      'token-id': 'abcdef',
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
    },
  })
  return 'abcdef.0123456789abcdef'
}

/** kube-apiserver asks the provider for its keys some seconds after it has started. */
async function oidcIsUp(cluster: TestCluster, token: string): Promise<void> {
  for (const until = Date.now() + 60_000; Date.now() < until;) {
    if ((await ask(cluster.port, cluster.ca.cert, { token }, randomUUID())) !== 401) return
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new Error('kube-apiserver does not know the OpenID Connect token')
}

/** What docs/threat-model.md lists for the proxy's own identity, and who may impersonate dave. */
async function grant(cluster: TestCluster): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const roles: [string, string[], object[]][] = [
    [
      'kube-audit-proxy',
      ['kube-audit-proxy'],
      [
        { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'] },
        { verbs: ['create'], apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'] },
        { verbs: ['impersonate'], apiGroups: [''], resources: ['users', 'groups', 'serviceaccounts'] },
        {
          verbs: ['impersonate'],
          apiGroups: ['authentication.k8s.io'],
          resources: EXTRAS.map((key) => `userextras/${key}`),
        },
      ],
    ],
    [
      'on-call',
      ['alice', 'bob'],
      [
        { verbs: ['impersonate'], apiGroups: [''], resources: ['users'], resourceNames: ['dave'] },
        { verbs: ['impersonate'], apiGroups: [''], resources: ['groups'], resourceNames: ['night'] },
        { verbs: ['impersonate'], apiGroups: ['authentication.k8s.io'], resources: ['userextras/scopes'] },
      ],
    ],
  ]
  for (const [name, users, rules] of roles) {
    const apiVersion = 'rbac.authorization.k8s.io/v1'
    await cluster.create(`${rbac}/clusterroles`, {
      apiVersion,
      kind: 'ClusterRole',
      metadata: { name },
      rules,
    })
    await cluster.create(`${rbac}/clusterrolebindings`, {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: users.map((user) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user })),
    })
  }
}

function file(dir: string, name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}
