import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { byAuditID, readAuditLog, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { TestCluster } from '../support/cluster.js'
import { StandInKubelet } from '../support/kubelet.js'
import { ProxyProcess } from '../support/proxy-process.js'
import { readUntil } from '../support/upgrade.js'

const KUBECTL = join(TestCluster.assets() ?? '', 'kubectl')
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

const skip = TestCluster.skip() || (!existsSync(KUBECTL) && 'no kubectl beside kube-apiserver')

await t.test('exec, attach, port-forward and logs', { skip, timeout: 180_000 }, async (t) => {
  const cluster = await TestCluster.start({
    auditPolicy: POLICY,
    flags: ['--kubelet-preferred-address-types=InternalIP'],
  })
  t.teardown(() => cluster.stop())
  const kubelet = await StandInKubelet.start(cluster, NAMESPACE)
  t.teardown(() => kubelet.stop())
  const { proxy, auditLog, kubeconfig } = await startProxy(t, cluster)
  const args = (who: string, more: readonly string[]): string[] => [
    `--kubeconfig=${kubeconfig(who)}`,
    `--namespace=${NAMESPACE}`,
    ...more,
  ]
  const kubectl = (
    more: readonly string[],
    stdin = '',
    who = 'admin',
  ): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      const child = execFile(KUBECTL, args(who, more), (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err })
      })
      child.stdin?.end(stdin)
    })

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
    const child = spawn(KUBECTL, args('admin', ['port-forward', '--address=127.0.0.1', 'pod/web', ':80']))
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
    const child = spawn(KUBECTL, args('admin', ['logs', '-f', 'web']))
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
    const ours = byAuditID(readAuditLog(auditLog))
    const reached = [...ours].filter(([, events]) => events[0]?.responseStatus?.code !== 401)
    const theirs = await waitForEvents(cluster.auditLog, (events) => {
      const groups = byAuditID(events)
      const whole = (id: string): boolean => groups.get(id)?.at(-1)?.stage === 'ResponseComplete'
      return reached.every(([id]) => whole(id)) ? groups : undefined
    })
    // A newer kubectl asks twice where the apiserver is older: for a WebSocket, then for SPDY.
    const asked = new Set(reached.map(([, events]) => events[0]?.requestURI))
    t.equal(asked.size, 7, 'three times exec, attach, a refused exec, port-forward, logs')
    for (const [id, events] of reached) {
      t.strictSame(events.map(essence), theirs.get(id)?.map(essence), String(events[0]?.requestURI))
    }
  })
})

function essence(event: LoggedEvent): object {
  const { stage, verb, requestURI, user, objectRef, responseStatus } = event
  const { code, reason } = responseStatus ?? {}
  return { stage, verb, requestURI, user, objectRef, code, reason }
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGINT')
  await exited
}

/** The proxy in front of the cluster, and a kubeconfig for each user: admin, alice (who may read pods), and a stranger. */
async function startProxy(
  t: Test,
  cluster: TestCluster,
): Promise<{ proxy: ProxyProcess; auditLog: string; kubeconfig: (who: string) => string }> {
  const dir = t.testdir()
  const issue = (name: string, cn: string): object => {
    const { certFile, keyFile } = cluster.pki.issue(cluster.ca, { name, cn, usage: 'client' })
    return { 'client-certificate': certFile, 'client-key': keyFile }
  }
  const write = (name: string, server: string, user: object): string => {
    const file = join(dir, `${name}.kubeconfig`)
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server, 'certificate-authority': cluster.ca.certFile } }],
      users: [{ name: 'u', user }],
    }
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
    return file
  }
  const grants: [string, object[], object][] = [
    [
      'kube-audit-proxy',
      [{ apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] }],
      { kind: 'User', name: 'kube-audit-proxy', apiGroup: 'rbac.authorization.k8s.io' },
    ],
    [
      'pod-reader',
      [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
      { kind: 'User', name: 'alice', apiGroup: 'rbac.authorization.k8s.io' },
    ],
  ]
  for (const [name, rules, subject] of grants) {
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
    for (const [resource, object] of [
      ['clusterroles', { metadata: { name }, rules }],
      ['clusterrolebindings', { metadata: { name }, roleRef, subjects: [subject] }],
    ] as const) {
      const { status, body } = await cluster.request(`/apis/rbac.authorization.k8s.io/v1/${resource}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(object),
      })
      if (status !== 201) throw new Error(body.toString())
    }
  }
  const serving = cluster.pki.issue(cluster.ca, {
    name: 'proxy',
    cn: 'proxy',
    ip: ['127.0.0.1'],
    usage: 'server',
  })
  const policyFile = join(dir, 'policy.yaml')
  writeFileSync(policyFile, POLICY)
  const auditLog = join(dir, 'audit.log')
  const proxy = await ProxyProcess.start([
    `--kubeconfig=${write('upstream', cluster.url, issue('self', 'kube-audit-proxy'))}`,
    `--tls-cert-file=${serving.certFile}`,
    `--tls-private-key-file=${serving.keyFile}`,
    `--client-ca-file=${cluster.ca.certFile}`,
    `--audit-policy-file=${policyFile}`,
    `--audit-log-path=${auditLog}`,
    `--proxy-client-cert-file=${cluster.frontProxyClient.certFile}`,
    `--proxy-client-key-file=${cluster.frontProxyClient.keyFile}`,
  ])
  t.teardown(() => proxy.stop('SIGKILL'))
  const { certFile, keyFile } = cluster.admin
  const users: Record<string, object> = {
    admin: { 'client-certificate': certFile, 'client-key': keyFile },
    alice: issue('alice', 'alice'),
    stranger: { token: 'nosuchtoken' },
  }
  return { proxy, auditLog, kubeconfig: (who) => write(who, proxy.url, users[who] ?? {}) }
}
