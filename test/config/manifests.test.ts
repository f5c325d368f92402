import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { FLAGS } from '../support/flags.js'
import { parseArguments } from '../../src/cli/pflag.js'
import { loadKubeconfig } from '../../src/kubeconfig/load.js'
import { atLeast, newestApiserver } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'
import { waitForEvents } from '../support/audit-log.js'
import { memoryLog } from '../support/log.js'
import { PKI, type Issued } from '../support/pki.js'
import { ProxyProcess } from '../support/proxy-process.js'

const CONFIG = fileURLToPath(new URL('../../../config/', import.meta.url))
const MANIFESTS = join(CONFIG, 'kubernetes')
const NAMESPACE = 'kube-audit-proxy'

interface Manifest {
  apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec?: Record<string, unknown>
}

function manifests(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(join(MANIFESTS, file), 'utf8')).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS() as Manifest
  })
}

const FILES = readdirSync(MANIFESTS).filter((name) => name !== 'kustomization.yaml')

void t.test('every manifest is named, and in the namespace', async (t) => {
  const CLUSTER_WIDE = ['Namespace', 'ClusterRole', 'ClusterRoleBinding']
  for (const file of FILES) {
    for (const { kind, metadata } of manifests(file)) {
      t.match(metadata.name, /^kube-audit-proxy/, `${file} ${kind}`)
      t.equal(metadata.namespace, CLUSTER_WIDE.includes(kind) ? undefined : NAMESPACE, `${file} ${kind}`)
    }
  }
  const text = readFileSync(join(MANIFESTS, 'kustomization.yaml'), 'utf8')
  const named = [...text.matchAll(/- (\S+\.yaml)$/gm)].map((match) => match[1])
  t.same(named.sort(), FILES, 'kustomization.yaml has all, those that are not for everybody commented out')
})

void t.test('the Deployment', async (t) => {
  const [deployment] = manifests('deployment.yaml')
  const { replicas, template } = deployment?.spec as { replicas: number; template: { spec: any } } // eslint-disable-line @typescript-eslint/no-explicit-any
  const pod = template.spec
  const [container] = pod.containers
  t.ok(replicas > 1)
  const { settings, args } = parseArguments(container.args, FLAGS)
  t.same(args, [])
  t.notOk(settings.has('kubeconfig'), 'the service account is used')
  const port = (name: string) =>
    container.ports.find((port: { name: string }) => port.name === name).containerPort as number
  t.equal(settings.get('secure-port')?.value, port('https'))
  t.equal(settings.get('healthz-bind-address')?.value, `:${port('healthz')}`)
  t.equal(settings.get('metrics-bind-address')?.value, `:${port('metrics')}`)
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
    t.equal(container[probe].httpGet.port, 'healthz', probe)
  const milliseconds = Number(settings.get('shutdown-delay-duration')?.value) + 60_000
  t.ok(pod.terminationGracePeriodSeconds * 1000 > milliseconds, 'time enough to shut down')
  t.match(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true })
  for (const { mountPath } of container.volumeMounts)
    t.ok(
      container.args.some((arg: string) => arg.includes(`=${mountPath}/`)),
      `${mountPath} is used`,
    )
})

void t.test('the webhook kubeconfig', async (t) => {
  const dir = t.testdir({ token: 'sesame' })
  const ca = new PKI(dir).ca('ca')
  const text = readFileSync(join(CONFIG, 'webhook-kubeconfig.yaml'), 'utf8')
  const file = join(dir, 'kubeconfig')
  writeFileSync(
    file,
    text
      .replace('/etc/kube-audit-proxy/webhook-ca.crt', ca.certFile)
      .replace('/etc/kube-audit-proxy/webhook-token', 'token'),
  )
  const connection = loadKubeconfig(file, { log: memoryLog().log, env: {} })
  t.equal(connection.server.href, 'https://audit.example.com/kubernetes/events')
  t.equal(connection.tls.ca, ca.cert)
  t.equal(await connection.credentials.authorization(), 'Bearer sesame')
})

void t.test('in a real cluster', { skip: TestCluster.skip(), timeout: 180_000 }, async (t) => {
  const cluster = await TestCluster.start({ tokens: ['sesame,alice,uid-alice,"dev"'] })
  t.teardown(() => cluster.stop())
  const apply = await applier(cluster)

  await t.test('kube-apiserver accepts all of them', async (t) => {
    await apply(manifests('namespace.yaml'))
    for (const file of FILES.filter((file) => !['namespace.yaml', 'servicemonitor.yaml'].includes(file))) {
      for (const [manifest, status, body] of await apply(manifests(file), '?dryRun=All'))
        t.equal(status, 201, `${file} ${manifest.kind}: ${body}`)
    }
  })

  const proxy = async (t: Test, flags: string[] = []) => {
    const dir = t.testdir()
    const issued = await cluster.request(
      `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${NAMESPACE}/token`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }),
      },
    )
    const { token } = JSON.parse(issued.body.toString()).status
    const kubeconfig = join(dir, 'kubeconfig')
    const config = parse(readFileSync(cluster.kubeconfigFile, 'utf8'))
    config.users[0].user = { token }
    writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 })
    writeFileSync(
      join(dir, 'policy'),
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n',
    )
    const serving = cluster.pki.issue(cluster.ca, {
      name: `serving-${t.name.length}`,
      cn: 'proxy',
      ip: ['127.0.0.1'],
    })
    const started = await ProxyProcess.start([
      `--kubeconfig=${kubeconfig}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--audit-policy-file=${join(dir, 'policy')}`,
      `--audit-log-path=${join(dir, 'audit.log')}`,
      ...flags,
    ])
    t.teardown(() => started.stop())
    const ask = async (options: https.RequestOptions) => {
      const url = `${started.url}/api/v1/nodes`
      const req = https.request(url, { ca: cluster.ca.cert, agent: false, ...options }).end()
      const [res] = (await once(req, 'response')) as [IncomingMessage]
      let text = ''
      for await (const chunk of res) text += String(chunk)
      return { status: res.statusCode, text }
    }
    return { ask, auditLog: join(dir, 'audit.log') }
  }
  const as = ({ cert, key }: Issued, headers = {}): https.RequestOptions => ({ cert, key, headers })
  const client = (name: string, cn: string, o: string) =>
    cluster.pki.issue(cluster.ca, { name, cn, o: [o], usage: 'client' })
  const bob = client('bob', 'bob', 'dev')
  const stranger = client('eve', 'eve', 'dev')
  const master = client('master', 'bob', 'system:masters')

  await t.test('rbac.yaml is enough for bearer tokens', async (t) => {
    await apply(manifests('rbac.yaml'))
    const { ask, auditLog } = await proxy(t)
    const { status, text } = await ask({ headers: { authorization: 'Bearer sesame' } })
    t.equal(status, 403)
    t.match(text, /User \\"alice\\" cannot list resource \\"nodes\\"/)
    const user = await waitForEvents(
      auditLog,
      (events) => events.find((e) => e.stage === 'ResponseComplete')?.user,
    )
    t.match(user, { username: 'alice', groups: ['dev', 'system:authenticated'] })
  })

  await t.test('and not for client certificates', async (t) => {
    const { ask } = await proxy(t, [`--client-ca-file=${cluster.ca.certFile}`])
    const { status, text } = await ask(as(bob))
    t.ok(status === 403 || status === 500, `${status}`)
    t.notMatch(text, /"items"/)
    t.notMatch(text, /User \\"bob\\" cannot list/)
  })

  await t.test('for which rbac-impersonation.yaml is there, by name', async (t) => {
    await apply(manifests('rbac-impersonation.yaml'))
    const { ask, auditLog } = await proxy(t, [`--client-ca-file=${cluster.ca.certFile}`])
    t.match((await ask(as(bob))).text, /User \\"bob\\" cannot list resource \\"nodes\\"/)
    const other = await ask(as(bob, { 'impersonate-user': 'alice' }))
    t.match(other.text, /User \\"bob\\" cannot impersonate/, 'who may --as whom is for the apiserver to say')
    for (const [who, name] of [
      [cluster.admin, 'user \\\\"kubernetes-admin\\\\" of the groups \\\\"system:masters\\\\"'],
      [stranger, 'user \\\\"eve\\\\" of the groups \\\\"dev\\\\"'],
      [master, 'user \\\\"bob\\\\" of the groups \\\\"system:masters\\\\"'],
    ] as const) {
      const { status, text } = await ask(as(who))
      t.equal(status, 403, name)
      t.match(text, new RegExp(`does not let kube-audit-proxy act as ${name}`))
      t.match(text, /User \\"system:serviceaccount:kube-audit-proxy:kube-audit-proxy\\" cannot impersonate/)
    }
    const refused = await waitForEvents(auditLog, (events) =>
      events.find((e) => e.stage === 'ResponseComplete' && e.user.username === 'kubernetes-admin'),
    )
    t.match(refused, {
      responseStatus: { code: 403 },
      annotations: {
        'kube-audit-proxy.io/not-impersonated': 'the apiserver did not let the proxy act as the user',
      },
    })
  })

  const skip = !atLeast(newestApiserver(), '1.36') && 'it has no constrained impersonation'
  await t.test('or rbac-impersonation-constrained.yaml, for all but masters', { skip }, async (t) => {
    await remove(cluster, manifests('rbac-impersonation.yaml'))
    await apply(manifests('rbac-impersonation-constrained.yaml'))
    const { ask } = await proxy(t, [`--client-ca-file=${cluster.ca.certFile}`])
    t.match((await ask(as(stranger))).text, /User \\"eve\\" cannot list resource \\"nodes\\"/)
    const node = client('n1', 'system:node:n1', 'system:nodes')
    for (const who of [cluster.admin, master, node]) {
      const { status, text } = await ask(as(who))
      t.equal(status, 403)
      t.match(text, /does not let kube-audit-proxy act as user/)
    }
    t.match((await ask(as(master))).text, /impersonating the system:masters group is not allowed/)
  })
})

/** Removes what was created of manifests that are for the whole cluster. */
async function remove(cluster: TestCluster, all: readonly Manifest[]): Promise<void> {
  for (const { apiVersion, kind, metadata } of all) {
    const path = `/apis/${apiVersion}/${kind.toLowerCase()}s/${metadata.name}`
    const { status, body } = await cluster.request(path, { method: 'DELETE' })
    if (status !== 200) throw new Error(`DELETE ${path}: ${status}: ${body.toString()}`)
  }
}

/** What creates manifests; with a query perhaps only as a trial. Answers the status and body for each. */
async function applier(cluster: TestCluster) {
  const get = async (path: string) => {
    const { status, body } = await cluster.request(path)
    return status === 200 ? JSON.parse(body.toString()) : undefined
  }
  return async (all: readonly Manifest[], query = ''): Promise<[Manifest, number, string][]> => {
    const answers: [Manifest, number, string][] = []
    for (const manifest of all) {
      let path = manifest.apiVersion.includes('/')
        ? `/apis/${manifest.apiVersion}`
        : `/api/${manifest.apiVersion}`
      let resources = await get(path)
      if (resources === undefined && manifest.kind === 'PodDisruptionBudget') {
        // As the file says of Kubernetes before 1.21.
        manifest.apiVersion = 'policy/v1beta1'
        path = '/apis/policy/v1beta1'
        resources = await get(path)
      }
      const { name, namespaced } = resources.resources.find((r: { kind: string }) => r.kind === manifest.kind)
      const scope = namespaced ? `/namespaces/${manifest.metadata.namespace}` : ''
      const { status, body } = await cluster.request(`${path}${scope}/${name}${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(manifest),
      })
      answers.push([manifest, status, body.toString()])
    }
    return answers
  }
}
