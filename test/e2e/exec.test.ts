import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { apiservers, type Apiserver } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'
import { ClusterProxy, grant } from '../support/cluster-proxy.js'
import { compareLogs } from '../support/compare-logs.js'
import { certificate } from '../support/kubeconfig.js'
import { kubectls, runKubectl, type Kubectl, type KubectlResult } from '../support/kubectl.js'
import { noKubeletStreams, startKubeletStreams } from '../support/kubelet-streams.js'
import { StandInKubelet } from '../support/kubelet.js'
import { readUntil } from '../support/upgrade.js'

// Clusters are started and used, one after the other.
t.setTimeout(600_000)

const NAMESPACE = 'e2e'

/** What people do to running pods, and nothing else. */
const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: RequestResponse
  userGroups: ["system:masters"]
  users: ["kubernetes-admin"]
  resources: [{group: "", resources: [pods/exec, pods/attach, pods/portforward, pods/log]}]
- level: RequestResponse
  users: ["alice"]
  resources: [{group: "", resources: [pods/exec]}]
- level: None
`

/** kubectl since 1.31 asks for WebSockets; with these it speaks SPDY, as older ones do. */
const SPDY = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }

type Who = 'admin' | 'alice' | 'stranger'

/** One kubectl and who uses it. */
class Session {
  constructor(
    readonly path: string,
    readonly kubeconfigs: Readonly<Record<Who, string>>,
    readonly dir: string,
    readonly env: NodeJS.ProcessEnv,
  ) {}

  run(args: readonly string[], stdin = '', who: Who = 'admin'): Promise<KubectlResult> {
    return runKubectl(this.path, this.#args(args, who), stdin, this.env)
  }

  /** Starts it, to be stopped. */
  spawn(t: Test, args: readonly string[]): ChildProcess & { stdout: NodeJS.ReadableStream } {
    const child = spawn(this.path, this.#args(args, 'admin'), { env: { ...process.env, ...this.env } })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  }

  #args(args: readonly string[], who: Who): string[] {
    const flags = [`--kubeconfig=${this.kubeconfigs[who]}`, `--cache-dir=${join(this.dir, `cache-${who}`)}`]
    return [...flags, `--namespace=${NAMESPACE}`, ...args]
  }
}

for (const apiserver of apiservers()) {
  for (const kubectl of kubectls(apiserver)) {
    const name = `kube-apiserver ${apiserver.version}, kubectl ${kubectl.version}: exec, attach, port-forward, cp and logs`
    await t.test(name, { skip: kubectl.skip, timeout: 240_000 }, (t) => work(t, apiserver, kubectl))
  }
}

async function work(t: Test, apiserver: Apiserver, kubectl: Kubectl): Promise<void> {
  const cluster = await TestCluster.start({
    apiserver,
    auditPolicy: POLICY,
    flags: ['--kubelet-preferred-address-types=InternalIP'],
  })
  t.teardown(() => cluster.stop())
  const kubelet = await StandInKubelet.start(cluster, NAMESPACE)
  t.teardown(() => kubelet.stop())
  await grant(
    cluster,
    'pod-reader',
    [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
    [{ kind: 'User', name: 'alice' }],
  )
  const identity = 'request header'
  const proxy = await ClusterProxy.start(t, cluster, { policy: POLICY, identity })
  const alice = cluster.pki.issue(cluster.ca, { name: 'alice', cn: 'alice', usage: 'client' })
  const kubeconfigs = {
    admin: proxy.kubeconfig('admin', certificate(cluster.admin)),
    alice: proxy.kubeconfig('alice', certificate(alice)),
    stranger: proxy.kubeconfig('stranger', { token: 'nosuchtoken' }),
  }
  const session = (env: NodeJS.ProcessEnv): Session => new Session(kubectl.path, kubeconfigs, proxy.dir, env)

  await t.test('a stand-in for a kubelet', (t) => standIn(t, session({}), kubelet))
  await t.test('what is refused', async (t) => {
    const args = ['exec', 'web', '--', 'echo']
    t.match(await session({}).run(args, '', 'alice'), {
      code: 1,
      err: /pods "web" is forbidden: User "alice" cannot/,
    })
    t.match(await session({}).run(args, '', 'stranger'), { code: 1, err: /Unauthorized|logged in/ })
  })
  const noKubelet = noKubeletStreams(apiserver)
  await t.test("the kubelet's own streams", { skip: noKubelet }, async (t) => {
    await startKubeletStreams(t, cluster, apiserver, NAMESPACE)
    await t.test('as kubectl likes it best', (t) => real(t, session({})))
    await t.test('over SPDY', (t) => real(t, session(SPDY)))
  })

  await t.test('the events are those of kube-apiserver', async (t) => {
    t.equal(await proxy.stop(), 0)
    const logs = { ours: proxy.auditLog, theirs: cluster.auditLog, identity } as const
    const { compared } = await compareLogs(t, logs)
    const done = new Set(
      compared.map(([event]) => `${event?.objectRef?.['name']} ${event?.objectRef?.['subresource']}`),
    )
    const every = ['attach', 'exec', 'log', 'portforward']
    const pods = noKubelet === false ? ['real', 'web'] : ['web']
    t.strictSame(
      [...done].sort(),
      pods.flatMap((pod) => every.map((name) => `${pod} ${name}`)),
    )
  })
}

async function standIn(t: Test, session: Session, kubelet: StandInKubelet): Promise<void> {
  t.strictSame(await session.run(['exec', 'web', '--', 'echo', 'hello', 'world']), {
    code: 0,
    out: 'hello world\n',
    err: '',
  })
  t.match(await session.run(['exec', 'web', '--', 'exit', '7']), { code: 7 })
  const input = 'line\n'.repeat(100_000)
  const cat = await session.run(['exec', '-i', 'web', '--', 'cat'], input)
  t.equal(cat.code, 0, cat.err)
  t.ok(cat.out === input, 'what went in comes out')
  t.match(await session.run(['attach', '-i', 'web'], 'typed\n'), { code: 0, out: 'typed\n' })
  await portForward(t, session, 'web', 80)

  const followed = once(kubelet.logs, 'follow') as Promise<[ServerResponse]>
  const child = session.spawn(t, ['logs', '-f', 'web'])
  const [log] = await followed
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  for (let i = 0; i < 3; i++) {
    log.write(`line ${i}\n`)
    t.equal((await lines.next()).value, `line ${i}`, 'each line of a log at once')
  }
  const exited = once(child, 'exit')
  log.end()
  t.strictSame(await exited, [0, null])
}

/** The same, and what only a real process can show. */
async function real(t: Test, session: Session): Promise<void> {
  const shell = ['exec', 'real', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7']
  t.match(await session.run(shell), { code: 7, out: 'out\n', err: /^err\n/ }, 'both outputs, and the code')
  const input = randomBytes(1 << 20).toString('base64')
  const cat = await session.run(['exec', '-i', 'real', '--', 'cat'], input)
  t.equal(cat.code, 0, cat.err)
  t.ok(cat.out === input, 'what went in comes out')
  t.match(await session.run(['attach', '-i', 'real'], 'typed\n'), { code: 0, out: 'typed\n' })

  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data) => socket.write(data.toString().toUpperCase()))
  })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  await portForward(t, session, 'real', (server.address() as AddressInfo).port)

  const dir = t.testdir({ sent: input })
  const copied = await session.run(['cp', join(dir, 'sent'), `real:${join(dir, 'there')}`])
  t.equal(copied.code, 0, copied.err)
  t.ok(readFileSync(join(dir, 'there'), 'utf8') === input, 'cp to the pod')
  writeFileSync(join(dir, 'there'), 'changed there')
  const back = await session.run(['cp', `real:${join(dir, 'there')}`, join(dir, 'back')])
  t.equal(back.code, 0, back.err)
  t.equal(readFileSync(join(dir, 'back'), 'utf8'), 'changed there', 'cp from the pod')

  t.match(await session.run(['logs', 'real']), { code: 0, out: 'line 1\nline 2\nline 3\n' })
  const child = session.spawn(t, ['logs', '-f', 'real'])
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  for (let i = 1; i <= 5; i++) t.equal((await lines.next()).value, `line ${i}`, 'a log that does not end')
  await stop(child)
}

/** Something listens on the pod's port that answers in upper case. */
async function portForward(t: Test, session: Session, pod: string, port: number): Promise<void> {
  const child = session.spawn(t, ['port-forward', '--address=127.0.0.1', `pod/${pod}`, `:${port}`])
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const [, local, remote] = /^Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)$/.exec(line) ?? []
  t.equal(Number(remote), port, line)
  for (let i = 0; i < 3; i++) {
    const socket = connect(Number(local), '127.0.0.1')
    socket.write(`message ${i}`)
    t.equal(await readUntil(socket, (text) => text.length >= 9), `MESSAGE ${i}`)
    const ended = once(socket.resume(), 'close')
    socket.end()
    await ended
  }
  await stop(child)
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGINT')
  await exited
}
