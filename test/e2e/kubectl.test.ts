import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { apiservers } from '../support/apiservers.js'
import { everythingAt } from '../support/audit-policy.js'
import { TestCluster } from '../support/cluster.js'
import { ClusterProxy, grant } from '../support/cluster-proxy.js'
import { compareLogs } from '../support/compare-logs.js'
import { certificate } from '../support/kubeconfig.js'
import { kubectls, runKubectl, type KubectlResult } from '../support/kubectl.js'
import { commands } from './kubectl-commands.js'

/** Bodies too. */
const POLICY = everythingAt('RequestResponse')

// Clusters are started and used, one after the other.
t.setTimeout(600_000)

const TOKENS = ['bobtoken,bob,uid-bob,"viewers"']

type Who = 'admin' | 'alice' | 'bob' | 'robot'

/** One kubectl, as several users of one proxy. */
class Session {
  readonly kubeconfigs = new Map<Who, string>()

  constructor(
    readonly cluster: TestCluster,
    readonly proxy: ClusterProxy,
    readonly path: string,
  ) {}

  addUser(who: Who, user: object): void {
    this.kubeconfigs.set(who, this.proxy.kubeconfig(who, user))
  }

  args(who: Who, args: readonly string[]): string[] {
    return [
      `--kubeconfig=${this.kubeconfigs.get(who)}`,
      `--cache-dir=${join(this.proxy.dir, `cache-${who}`)}`,
      ...args,
    ]
  }

  kubectl(who: Who, args: readonly string[], stdin = ''): Promise<KubectlResult> {
    return runKubectl(this.path, this.args(who, args), stdin)
  }
}

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

const RUNS = apiservers().flatMap((apiserver) =>
  kubectls(apiserver).flatMap((kubectl) =>
    (['request header', 'impersonation'] as const).map((identity) => ({ apiserver, kubectl, identity })),
  ),
)

for (const { apiserver, kubectl, identity } of RUNS) {
  const { path, version, skip } = kubectl
  const name = `kube-apiserver ${apiserver.version}, kubectl ${version} through the proxy, identities by ${identity}`
  await t.test(name, { skip, timeout: 180_000 }, async (t) => {
    const cluster = await TestCluster.start({ apiserver, auditPolicy: POLICY, tokens: TOKENS })
    t.teardown(() => cluster.stop())
    const rules = [
      { apiGroups: [''], resources: ['configmaps', 'pods', 'namespaces'], verbs: ['get', 'list', 'watch'] },
    ]
    await grant(cluster, 'reader', rules, [
      { kind: 'Group', name: 'dev' },
      { kind: 'Group', name: 'viewers' },
      { kind: 'ServiceAccount', name: 'robot', namespace: 'e2e' },
    ])
    const flags = ['--audit-redact=false']
    const proxy = await ClusterProxy.start(t, cluster, { policy: POLICY, identity, flags })
    const session = new Session(cluster, proxy, path)
    const alice = cluster.pki.issue(cluster.ca, {
      name: 'alice',
      cn: 'alice',
      o: ['dev', 'qa'],
      usage: 'client',
    })
    session.addUser('admin', certificate(cluster.admin))
    session.addUser('alice', certificate(alice))
    session.addUser('bob', { token: 'bobtoken' })

    await work(t, session)
    await use(t, session, Number(version.split('.')[1]))
    await tidy(t, session)

    t.equal(await proxy.stop(), 0, 'SIGTERM ends it with exit code 0')
    const logs = { ours: proxy.auditLog, theirs: cluster.auditLog, identity }
    const { compared, refused } = await compareLogs(t, logs)
    t.ok(compared.length > 100, `${compared.length} requests are compared`)
    const forbidden = refused.some((events) => events.at(-1)?.responseStatus?.code === 403)
    t.equal(forbidden, identity === 'impersonation', 'whoever impersonates upstream refuses an --as')
  })
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
}

/** The commands that this kubectl knows. */
async function use(t: Test, session: Session, minor: number): Promise<void> {
  for (const { args, stdin, code = 0, prints, since = 0 } of commands(DEPLOYMENT)) {
    if (since > minor) continue
    const result = await session.kubectl('admin', ['--namespace=e2e', ...args], stdin)
    const all = result.out + result.err
    t.equal(result.code, code, `kubectl ${args.join(' ')} ${result.code === code ? '' : all}`)
    t.match(all, prints)
  }
}

async function tidy(t: Test, session: Session): Promise<void> {
  for (const object of ['configmap/one', 'deployment/web']) {
    const { code, err } = await session.kubectl('admin', ['delete', object, '-n', 'e2e', '--wait=false'])
    t.equal(code, 0, err)
  }
}

/** `kubectl get --watch`: the event of a change made meanwhile arrives while the watch is open. */
async function watchOne(t: Test, session: Session): Promise<void> {
  const watch = spawn(
    session.path,
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
  const made = await cluster.create('/api/v1/namespaces/e2e/serviceaccounts/robot/token', {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {},
  })
  return (made as { status: { token: string } }).status.token
}
