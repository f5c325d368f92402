import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { byAuditID, readAuditLog, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { TestCluster } from '../support/cluster.js'
import type { Issued } from '../support/pki.js'
import { ProxyProcess } from '../support/proxy-process.js'

/** Everything, bodies too, but for what the apiserver does for itself and what the proxy asks of it. */
const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: ["system:apiserver"]
- level: None
  users: ["kube-audit-proxy"]
  resources:
  - {group: authentication.k8s.io, resources: [tokenreviews]}
  - {group: authorization.k8s.io, resources: [subjectaccessreviews]}
- level: RequestResponse
`

const TOKENS = ['bobtoken,bob,uid-bob,"viewers"']

type Who = 'admin' | 'alice' | 'bob' | 'robot'

/** What kubectl does in one mode of identity, and what both logs say of it. */
class Session {
  readonly kubeconfigs = new Map<Who, string>()

  constructor(
    readonly cluster: TestCluster,
    readonly proxy: ProxyProcess,
    readonly dir: string,
    readonly auditLog: string,
  ) {}

  addUser(who: Who, user: object): void {
    const file = join(this.dir, `${who}.kubeconfig`)
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: who } }],
      clusters: [
        { name: 'c', cluster: { server: this.proxy.url, 'certificate-authority': this.cluster.ca.certFile } },
      ],
      users: [{ name: who, user }],
    }
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
    this.kubeconfigs.set(who, file)
  }

  args(who: Who, args: readonly string[]): string[] {
    return [
      `--kubeconfig=${this.kubeconfigs.get(who)}`,
      `--cache-dir=${join(this.dir, `cache-${who}`)}`,
      ...args,
    ]
  }

  kubectl(
    who: Who,
    args: readonly string[],
    stdin = '',
  ): Promise<{ code: number; out: string; err: string }> {
    return new Promise((resolve) => {
      const child = execFile(KUBECTL, this.args(who, args), (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err })
      })
      child.stdin?.end(stdin)
    })
  }
}

const KUBECTL = join(TestCluster.assets() ?? '', 'kubectl')

const user = (i: Issued): object => ({ 'client-certificate': i.certFile, 'client-key': i.keyFile })

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: e2e}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
`

for (const mode of ['request header', 'impersonation'] as const) {
  const skip = TestCluster.skip() || (!existsSync(KUBECTL) && 'no kubectl beside kube-apiserver')
  await t.test(`kubectl through the proxy, identities by ${mode}`, { skip, timeout: 180_000 }, async (t) => {
    const cluster = await TestCluster.start({ auditPolicy: POLICY, tokens: TOKENS })
    t.teardown(() => cluster.stop())
    const dir = t.testdir()
    const issue = (name: string, cn: string, o: string[]): Issued =>
      cluster.pki.issue(cluster.ca, { name, cn, o, usage: 'client' })
    const self = issue('self', 'kube-audit-proxy', [])
    const serving = cluster.pki.issue(cluster.ca, {
      name: 'proxy-serving',
      cn: 'kube-audit-proxy',
      ip: ['127.0.0.1'],
      usage: 'server',
    })
    await grant(cluster)
    const kubeconfig = join(dir, 'upstream.kubeconfig')
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'c',
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        clusters: [
          { name: 'c', cluster: { server: cluster.url, 'certificate-authority': cluster.ca.certFile } },
        ],
        users: [{ name: 'u', user: user(self) }],
      }),
      { mode: 0o600 },
    )
    const policyFile = join(dir, 'policy.yaml')
    writeFileSync(policyFile, POLICY)
    const auditLog = join(dir, 'audit.log')
    const proxy = await ProxyProcess.start([
      `--kubeconfig=${kubeconfig}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--client-ca-file=${cluster.ca.certFile}`,
      `--audit-policy-file=${policyFile}`,
      `--audit-log-path=${auditLog}`,
      '--audit-redact=false',
      ...(mode === 'request header'
        ? [
            `--proxy-client-cert-file=${cluster.frontProxyClient.certFile}`,
            `--proxy-client-key-file=${cluster.frontProxyClient.keyFile}`,
          ]
        : []),
    ])
    t.teardown(() => proxy.stop('SIGKILL'))
    const session = new Session(cluster, proxy, dir, auditLog)
    session.addUser('admin', user(cluster.admin))
    session.addUser('alice', user(issue('alice', 'alice', ['dev', 'qa'])))
    session.addUser('bob', { token: 'bobtoken' })

    await work(t, session)

    t.equal(await proxy.stop(), 0, 'SIGTERM ends it with exit code 0')
    await compare(t, session, mode)
  })
}

/** What the proxy's own identity may do, in both modes, and what the users may. */
async function grant(cluster: TestCluster): Promise<void> {
  const roles: [string, string, object[], object[]][] = [
    [
      'kube-audit-proxy',
      'kube-audit-proxy',
      [
        { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
        { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
        { apiGroups: [''], resources: ['users', 'groups', 'serviceaccounts'], verbs: ['impersonate'] },
        { apiGroups: ['authentication.k8s.io'], resources: ['*'], verbs: ['impersonate'] },
      ],
      [{ kind: 'User', name: 'kube-audit-proxy', apiGroup: 'rbac.authorization.k8s.io' }],
    ],
    [
      'reader',
      'reader',
      [{ apiGroups: [''], resources: ['configmaps', 'pods', 'namespaces'], verbs: ['get', 'list', 'watch'] }],
      [
        { kind: 'Group', name: 'dev', apiGroup: 'rbac.authorization.k8s.io' },
        { kind: 'Group', name: 'viewers', apiGroup: 'rbac.authorization.k8s.io' },
        { kind: 'ServiceAccount', name: 'robot', namespace: 'e2e' },
      ],
    ],
  ]
  for (const [role, binding, rules, subjects] of roles) {
    const headers = { 'content-type': 'application/json' }
    const api = '/apis/rbac.authorization.k8s.io/v1'
    const made = [
      await cluster.request(`${api}/clusterroles`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ metadata: { name: role }, rules }),
      }),
      await cluster.request(`${api}/clusterrolebindings`, {
        method: 'POST',
        headers,
        body: JSON.stringify({
          metadata: { name: binding },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
          subjects,
        }),
      }),
    ]
    for (const { status, body } of made) if (status !== 201) throw new Error(body.toString())
  }
}

/** What people do with kubectl. */
async function work(t: Test, session: Session): Promise<void> {
  const ok = async (who: Who, args: string[], stdin?: string): Promise<string> => {
    const { code, out, err } = await session.kubectl(who, args, stdin)
    t.equal(code, 0, `${who}: kubectl ${args.join(' ')} ${code === 0 ? '' : err}`)
    return out
  }
  const refused = async (who: Who, args: string[], words: RegExp): Promise<void> => {
    const { code, err } = await session.kubectl(who, args)
    t.not(code, 0, `${who}: kubectl ${args.join(' ')} is refused`)
    t.match(err, words)
  }
  await ok('admin', ['create', 'namespace', 'e2e'])
  await ok('admin', ['create', 'serviceaccount', 'robot', '-n', 'e2e'])
  await ok('admin', ['create', 'configmap', 'one', '-n', 'e2e', '--from-literal=k=v'])
  t.match(await ok('admin', ['get', 'configmap', 'one', '-n', 'e2e', '-o', 'yaml']), /k: v/)
  t.match(await ok('alice', ['get', 'configmaps', '-n', 'e2e']), /^one /m)
  await watchOne(t, session)
  t.match(await ok('admin', ['apply', '-f', '-'], DEPLOYMENT), /created/)
  t.match(
    await ok('admin', ['apply', '-f', '-'], DEPLOYMENT.replace('image: nginx', 'image: nginx:2')),
    /configured/,
  )
  await ok('admin', ['patch', 'configmap', 'one', '-n', 'e2e', '--type=merge', '-p', '{"data":{"k":"w"}}'])
  await ok('admin', ['scale', 'deployment/web', '-n', 'e2e', '--replicas=3'])
  t.equal((await session.kubectl('alice', ['auth', 'can-i', 'list', 'pods'])).out.trim(), 'yes')
  t.equal((await session.kubectl('alice', ['auth', 'can-i', 'delete', 'pods'])).out.trim(), 'no')
  await refused('alice', ['get', 'secrets', '-n', 'e2e'], /User "alice" cannot list resource "secrets"/)
  t.match(await ok('bob', ['get', 'configmaps', '-n', 'e2e']), /^one /m)
  await refused('bob', ['delete', 'configmap', 'one', '-n', 'e2e'], /User "bob" cannot delete/)
  await ok('admin', ['get', 'pods', '-n', 'e2e', '--as=alice', '--as-group=dev'])
  await refused('admin', ['get', 'secrets', '-n', 'e2e', '--as=carol'], /User "carol" cannot list/)
  await refused(
    'alice',
    ['get', 'pods', '-n', 'e2e', '--as=kubernetes-admin'],
    /User "alice" cannot impersonate/,
  )

  session.addUser('robot', { token: await serviceAccountToken(session.cluster) })
  t.match(await ok('robot', ['get', 'configmaps', '-n', 'e2e']), /^one /m)
  await refused(
    'robot',
    ['get', 'secrets', '-n', 'e2e'],
    /User "system:serviceaccount:e2e:robot" cannot list/,
  )
  session.addUser('bob', { token: 'nosuchtoken' })
  await refused('bob', ['get', 'configmaps', '-n', 'e2e'], /Unauthorized|logged in/)

  await ok('admin', ['delete', 'configmap', 'one', '-n', 'e2e'])
  await ok('admin', ['delete', 'deployment', 'web', '-n', 'e2e', '--wait=false'])
}

/** `kubectl get --watch`: the event of a change made meanwhile arrives while the watch is open. */
async function watchOne(t: Test, session: Session): Promise<void> {
  const watch = spawn(
    KUBECTL,
    session.args('alice', ['get', 'configmaps', '-n', 'e2e', '--watch', '-o', 'name']),
  )
  t.teardown(() => watch.kill('SIGKILL'))
  const lines = createInterface({ input: watch.stdout })[Symbol.asyncIterator]()
  t.equal((await lines.next()).value, 'configmap/one')
  const { code } = await session.kubectl('admin', ['create', 'configmap', 'two', '-n', 'e2e'])
  t.equal(code, 0)
  t.equal((await lines.next()).value, 'configmap/two')
  const exited = once(watch, 'exit')
  watch.kill('SIGINT')
  await exited
}

async function serviceAccountToken(cluster: TestCluster): Promise<string> {
  const { status, body } = await cluster.request('/api/v1/namespaces/e2e/serviceaccounts/robot/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}',
  })
  if (status !== 201) throw new Error(body.toString())
  return (JSON.parse(body.toString()) as { status: { token: string } }).status.token
}

/** For every request that the proxy audited, kube-apiserver's own events under the same auditID say the same. */
async function compare(t: Test, session: Session, mode: string): Promise<void> {
  const ours = byAuditID(readAuditLog(session.auditLog))
  // A request that was not let through has no event upstream.
  const reached = [...ours].filter(([, events]) => events[0]?.responseStatus?.code !== 401)
  const refusedHere = mode === 'impersonation' ? reached.filter(([, e]) => impersonationRefused(e)) : []
  const expected = reached.filter((r) => !refusedHere.includes(r)).map(([id]) => id)
  const theirs = await waitForEvents(session.cluster.auditLog, (events) => {
    const groups = byAuditID(events)
    const whole = (id: string): boolean => groups.get(id)?.at(-1)?.stage === 'ResponseComplete'
    return expected.every(whole) ? groups : undefined
  })
  t.ok(expected.length > 40, `${expected.length} requests are compared`)
  if (mode === 'impersonation') t.ok(refusedHere.length > 0, 'the refused --as never reached the apiserver')
  for (const [id] of refusedHere) t.notOk(theirs.has(id))
  for (const id of expected) {
    const mine = ours.get(id) as LoggedEvent[]
    const native = theirs.get(id) as LoggedEvent[]
    const name = `${mine[0]?.user.username} ${mine[0]?.verb} ${mine[0]?.requestURI}`
    t.strictSame(mine.map(essence(mode)), native.map(nativeEssence(mode)), name)
  }
}

function impersonationRefused(events: LoggedEvent[]): boolean {
  return events.at(-1)?.responseStatus?.message?.includes('cannot impersonate') === true
}

type Essence = Record<string, unknown>

/** What must be equal. 1.20 has no message in responseStatus, and shows the client's object with its own defaults. */
function essence(mode: string) {
  return (e: LoggedEvent): Essence => ({
    level: e.level,
    stage: e.stage,
    requestURI: e.requestURI,
    verb: e.verb,
    // Where the proxy impersonates, the apiserver's user is the proxy, and whom it acts for comes with the later stages.
    identity:
      mode === 'request header'
        ? e.user
        : e.stage === 'RequestReceived'
          ? undefined
          : (e.impersonatedUser ?? e.user),
    impersonatedUser: mode === 'impersonation' ? undefined : e.impersonatedUser,
    sourceIP: e.sourceIPs?.[0],
    userAgent: e.userAgent,
    objectRef: e.objectRef,
    code: e.responseStatus?.code,
    status: e.responseStatus?.status,
    reason: e.responseStatus?.reason,
    // A body that the apiserver refused to look at is in our event only.
    requestObject: e.responseStatus?.code !== 403 && e.requestObject !== undefined,
    // kube-apiserver shows its discovery documents; of requests without a resource there are no bodies here.
    responseObject: e.objectRef === undefined ? undefined : e.responseObject,
  })
}

function nativeEssence(mode: string) {
  return (e: LoggedEvent): Essence => ({ ...essence(mode)(e), status: nativeStatus(e) })
}

/** 1.20 says of a watch that the client ended: Success, "Connection closed early". */
function nativeStatus(e: LoggedEvent): string | undefined {
  return e.responseStatus?.message === 'Connection closed early' ? undefined : e.responseStatus?.status
}
