import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { TestCluster } from './cluster.js'
import { certificate, writeKubeconfigFile } from './kubeconfig.js'
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
    const upstream = writeKubeconfigFile(
      join(dir, 'upstream.kubeconfig'),
      { server: cluster.url, 'certificate-authority': cluster.ca.certFile },
      certificate(self),
    )
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

  readonly #cluster: TestCluster
  readonly #flags: readonly string[]

  private constructor(
    cluster: TestCluster,
    readonly dir: string,
    readonly auditLog: string,
    flags: readonly string[],
    public process: ProxyProcess,
  ) {
    this.#cluster = cluster
    this.#flags = flags
  }

  get url(): string {
    return this.process.url
  }

  stop(): Promise<number | string> {
    return this.process.stop()
  }

  /** Starts it again where it was, after it has ended. */
  async startAgain(): Promise<void> {
    this.process = await ProxyProcess.start([...this.#flags, `--secure-port=${this.process.port}`])
  }

  /** Writes a kubeconfig with which a user reaches the proxy; answers the file. */
  kubeconfig(name: string, user: object): string {
    const cluster = { server: this.url, 'certificate-authority': this.#cluster.ca.certFile }
    return writeKubeconfigFile(join(this.dir, `${name}.kubeconfig`), cluster, user)
  }
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
    await cluster.create(`/apis/${apiGroup}/v1/${resource}`, object)
  }
}
