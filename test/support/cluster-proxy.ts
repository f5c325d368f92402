import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { TestCluster } from './cluster.js'
import type { Issued } from './pki.js'
import { ProxyProcess } from './proxy-process.js'

/** How the proxy tells kube-apiserver who a client with a certificate is. */
export type IdentityMode = 'request header' | 'impersonation'

export interface ClusterProxyOptions {
  readonly policy: string
  readonly identity: IdentityMode
  readonly flags?: readonly string[]
}

export interface Subject {
  readonly kind: 'User' | 'Group' | 'ServiceAccount'
  readonly name: string
  readonly namespace?: string
}

/** The user that the proxy's own certificate names. */
const SELF = 'kube-audit-proxy'

/** What the proxy's own user may do, in either mode. */
const OWN_RULES = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
  { apiGroups: [''], resources: ['users', 'groups', 'serviceaccounts'], verbs: ['impersonate'] },
  { apiGroups: ['authentication.k8s.io'], resources: ['*'], verbs: ['impersonate'] },
]

/** The proxy in front of a test cluster, in a process of its own that ends with the test. */
export class ClusterProxy {
  static async start(t: Test, cluster: TestCluster, options: ClusterProxyOptions): Promise<ClusterProxy> {
    const dir = t.testdir()
    await grant(cluster, SELF, OWN_RULES, [{ kind: 'User', name: SELF }])
    const serving = cluster.pki.issue(cluster.ca, {
      name: 'proxy-serving',
      cn: SELF,
      ip: ['127.0.0.1'],
      usage: 'server',
    })
    const self = cluster.pki.issue(cluster.ca, { name: 'proxy-self', cn: SELF, usage: 'client' })
    const upstream = writeKubeconfig(dir, 'upstream', cluster, cluster.url, certificate(self))
    const policyFile = join(dir, 'policy.yaml')
    writeFileSync(policyFile, options.policy)
    const auditLog = join(dir, 'audit.log')
    const { certFile, keyFile } = cluster.frontProxyClient
    const flags = [
      `--kubeconfig=${upstream}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--client-ca-file=${cluster.ca.certFile}`,
      `--audit-policy-file=${policyFile}`,
      `--audit-log-path=${auditLog}`,
      ...(options.identity === 'request header'
        ? [`--proxy-client-cert-file=${certFile}`, `--proxy-client-key-file=${keyFile}`]
        : []),
      ...(options.flags ?? []),
    ]
    const proxy = new ClusterProxy(cluster, dir, auditLog, flags, await ProxyProcess.start(flags))
    t.teardown(() => proxy.process.stop('SIGKILL'))
    return proxy
  }

  private constructor(
    private readonly cluster: TestCluster,
    readonly dir: string,
    readonly auditLog: string,
    private readonly flags: readonly string[],
    public process: ProxyProcess,
  ) {}

  get url(): string {
    return this.process.url
  }

  stop(): Promise<number | string> {
    return this.process.stop()
  }

  /** Starts it again where it was, after it has ended. */
  async startAgain(): Promise<void> {
    this.process = await ProxyProcess.start([...this.flags, `--secure-port=${this.process.port}`])
  }

  /** Writes a kubeconfig with which a user reaches the proxy; answers the file. */
  kubeconfig(name: string, user: object): string {
    return writeKubeconfig(this.dir, name, this.cluster, this.url, user)
  }
}

/** A certificate as the user of a kubeconfig. */
export function certificate({ certFile, keyFile }: Issued): object {
  return { 'client-certificate': certFile, 'client-key': keyFile }
}

/** Makes a cluster role and binds it. */
export async function grant(
  cluster: TestCluster,
  name: string,
  rules: readonly object[],
  subjects: readonly Subject[],
): Promise<void> {
  const apiGroup = 'rbac.authorization.k8s.io'
  const roleRef = { apiGroup, kind: 'ClusterRole', name }
  const bound = subjects.map((s) => (s.kind === 'ServiceAccount' ? s : { ...s, apiGroup }))
  for (const [resource, object] of [
    ['clusterroles', { metadata: { name }, rules }],
    ['clusterrolebindings', { metadata: { name }, roleRef, subjects: bound }],
  ] as const) {
    const { status, body } = await cluster.request(`/apis/${apiGroup}/v1/${resource}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(object),
    })
    if (status !== 201) throw new Error(body.toString())
  }
}

function writeKubeconfig(
  dir: string,
  name: string,
  cluster: TestCluster,
  server: string,
  user: object,
): string {
  const file = join(dir, `${name}.kubeconfig`)
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: name } }],
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority': cluster.ca.certFile } }],
    users: [{ name, user }],
  }
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  return file
}
