import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { TestCluster } from '../support/cluster.js'
import { ClusterProxy, grant } from '../support/cluster-proxy.js'
import { compareLogs } from '../support/compare-logs.js'
import { certificate } from '../support/kubeconfig.js'
import { kubectls, runKubectl, type KubectlResult } from '../support/kubectl.js'
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

for (const { path, version, skip } of kubectls()) {
  await t.test(`kubectl ${version}: exec, attach, port-forward and logs`, { skip, timeout: 180_000 }, (t) =>
    work(t, path),
  )
}

async function work(t: Test, path: string): Promise<void> {
  const cluster = await TestCluster.start({
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
  type Who = keyof typeof kubeconfigs
  const args = (who: Who, more: readonly string[]): string[] => [
    `--kubeconfig=${kubeconfigs[who]}`,
    `--cache-dir=${join(proxy.dir, `cache-${who}`)}`,
    `--namespace=${NAMESPACE}`,
    ...more,
  ]
  const kubectl = (more: readonly string[], stdin = '', who: Who = 'admin'): Promise<KubectlResult> =>
    runKubectl(path, args(who, more), stdin)

  await t.test('exec', async (t) => {
    t.strictSame(await kubectl(['exec', 'web', '--', 'echo', 'hello', 'world']), {
      code: 0,
      out: 'hello world\n',
      err: '',
    })
    t.match(await kubectl(['exec', 'web', '--', 'exit', '7']), { code: 7 })
    const input = 'line\n'.repeat(100_000)
    const cat = await kubectl(['exec', '-i', 'web', '--', 'cat'], input)
    t.equal(cat.code, 0, cat.err)
    t.ok(cat.out === input, 'what went in comes out')
  })

  await t.test('attach', async (t) => {
    const attached = await kubectl(['attach', '-i', 'web'], 'typed\n')
    t.match(attached, { code: 0, out: 'typed\n' })
  })

  await t.test('what is refused', async (t) => {
    t.match(await kubectl(['exec', 'web', '--', 'echo'], '', 'alice'), {
      code: 1,
      err: /pods "web" is forbidden: User "alice" cannot/,
    })
    t.match(await kubectl(['exec', 'web', '--', 'echo'], '', 'stranger'), {
      code: 1,
      err: /Unauthorized|logged in/,
    })
  })

  await t.test('port-forward', async (t) => {
    const child = spawn(path, args('admin', ['port-forward', '--address=127.0.0.1', 'pod/web', ':80']))
    t.teardown(() => child.kill('SIGKILL'))
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const port = Number(/^Forwarding from 127\.0\.0\.1:(\d+) -> 80$/.exec(line)?.[1])
    for (let i = 0; i < 3; i++) {
      const socket = connect(port, '127.0.0.1')
      socket.write(`message ${i}`)
      t.equal(await readUntil(socket, (text) => text.length >= 9), `MESSAGE ${i}`)
      const ended = once(socket.resume(), 'close')
      socket.end()
      await ended
    }
    await stop(child)
  })

  await t.test('logs -f', async (t) => {
    const followed = once(kubelet.logs, 'follow') as Promise<[ServerResponse]>
    const child = spawn(path, args('admin', ['logs', '-f', 'web']))
    t.teardown(() => child.kill('SIGKILL'))
    const [log] = await followed
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    for (let i = 0; i < 3; i++) {
      log.write(`line ${i}\n`)
      t.equal((await lines.next()).value, `line ${i}`, 'each line at once')
    }
    const exited = once(child, 'exit')
    log.end()
    t.strictSame(await exited, [0, null])
  })

  await t.test('the events are those of kube-apiserver', async (t) => {
    t.equal(await proxy.stop(), 0)
    const { compared } = await compareLogs(t, {
      ours: proxy.auditLog,
      theirs: cluster.auditLog,
      identity,
      // kubectl since 1.31 asks for SPDY inside of a WebSocket first, which a kubelet does not know.
      refusedByKubelet: (events) =>
        events[0]?.verb === 'get' &&
        events[0].objectRef?.['subresource'] === 'portforward' &&
        events.at(-1)?.responseStatus?.code === 403,
    })
    // What a newer kubectl asks twice, for a WebSocket and then for SPDY, is one.
    const asked = new Set(compared.map(([event]) => event?.requestURI))
    t.equal(asked.size, 7, 'three times exec, attach, a refused exec, port-forward, logs')
  })
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGINT')
  await exited
}
