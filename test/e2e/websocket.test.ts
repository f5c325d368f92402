import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import t, { type Test } from 'tap'
import { apiservers, type Apiserver } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'
import { ClusterProxy, grant, type IdentityMode } from '../support/cluster-proxy.js'
import { compareLogs } from '../support/compare-logs.js'
import { noKubeletStreams, startKubeletStreams } from '../support/kubelet-streams.js'
import type { Issued } from '../support/pki.js'
import { behaviourOf } from '../support/version-differences.js'
import { WebSocketEnd } from '../support/websocket.js'

// Clusters are started and used, one after the other.
t.setTimeout(600_000)

const NAMESPACE = 'e2e'
const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: RequestResponse
  resources: [{group: "", resources: [pods/exec, pods/attach, pods/portforward]}]
- level: None
`

/** The channels of v4.channel.k8s.io and v5.channel.k8s.io, and what v5 has more: the end of one of them. */
const [STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE] = [0, 1, 2, 3, 4, 255]
const SUCCESS = { status: 'Success' }

/** A client of the proxy. */
class Client {
  constructor(
    readonly port: number,
    readonly ca: string,
    readonly certificate: Issued,
  ) {}

  /** Asks for a session with the pod, and reads its output until it ends. */
  async session(query: string, protocol: string, input: readonly Buffer[]): Promise<Map<number, string>> {
    const end = await WebSocketEnd.open(this.#request(`exec?${query}`), [protocol])
    for (const message of input) end.send(message)
    const channels = new Map<number, string>()
    for (let message = await end.next(); message !== undefined; message = await end.next()) {
      const [channel = 0] = message
      channels.set(channel, (channels.get(channel) ?? '') + message.subarray(1).toString())
    }
    end.close()
    return channels
  }

  /** The code that answers a request for a WebSocket. */
  async code(path: string): Promise<number> {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'Sec-WebSocket-Protocol': 'v5.channel.k8s.io',
    }
    const req = https.get({ ...this.#request(path), headers })
    const answers = ['response', 'upgrade'].map((event) => once(req, event) as Promise<[IncomingMessage]>)
    const [res] = await Promise.race(answers)
    res.socket.destroy()
    return res.statusCode ?? 0
  }

  #request(path: string): RequestOptions {
    const { cert, key } = this.certificate
    const pod = `/api/v1/namespaces/${NAMESPACE}/pods/real`
    return {
      host: '127.0.0.1',
      port: this.port,
      ca: this.ca,
      cert,
      key,
      agent: false,
      path: `${pod}/${path}`,
    }
  }
}

for (const apiserver of apiservers()) {
  for (const identity of ['request header', 'impersonation'] as const) {
    const name = `kube-apiserver ${apiserver.version}: WebSockets to a kubelet, identities by ${identity}`
    const skip = noKubeletStreams(apiserver)
    await t.test(name, { skip, timeout: 180_000 }, (t) => work(t, apiserver, identity))
  }
}

async function work(t: Test, apiserver: Apiserver, identity: IdentityMode): Promise<void> {
  const cluster = await TestCluster.start({
    apiserver,
    auditPolicy: POLICY,
    flags: ['--kubelet-preferred-address-types=InternalIP'],
  })
  t.teardown(() => cluster.stop())
  await startKubeletStreams(t, cluster, apiserver, NAMESPACE)
  const proxy = await ClusterProxy.start(t, cluster, { policy: POLICY, identity })
  const { pki, ca } = cluster
  const client = (certificate: Issued): Client => new Client(proxy.process.port, cluster.ca.cert, certificate)
  const admin = client(cluster.admin)
  const fails = shell('read line; echo "$line"; echo err >&2; exit 7')

  for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io']) {
    await t.test(protocol, async (t) => {
      const output = await admin.session(`${fails}&stdin=true&stdout=true&stderr=true`, protocol, [
        message(STDIN, 'in\n'),
      ])
      t.equal(output.get(STDOUT), 'in\n')
      t.equal(output.get(STDERR), 'err\n')
      t.match(JSON.parse(output.get(ERROR) ?? '{}'), {
        status: 'Failure',
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '7' }] },
      })

      // It ends only when its terminal has the new size.
      const sized = shell('until [ "$(stty size)" = "37 91" ]; do sleep 0.05; done; stty size')
      const terminal = await admin.session(`${sized}&stdin=true&stdout=true&tty=true`, protocol, [
        message(RESIZE, '{"Width":91,"Height":37}'),
      ])
      t.match(terminal.get(STDOUT), /^37 91\r\n/)
      t.match(JSON.parse(terminal.get(ERROR) ?? '{}'), SUCCESS)
    })
  }

  await t.test('v5.channel.k8s.io ends the input alone', async (t) => {
    const output = await admin.session('command=cat&stdin=true&stdout=true', 'v5.channel.k8s.io', [
      ...Array.from({ length: 50 }, () => message(STDIN, 'x'.repeat(10_000))),
      Buffer.from([CLOSE, STDIN]),
    ])
    t.equal(output.get(STDOUT)?.length, 500_000)
    t.match(JSON.parse(output.get(ERROR) ?? '{}'), SUCCESS)
  })

  await t.test('who may get and not create', async (t) => {
    const rules = [
      { apiGroups: [''], resources: ['pods/exec', 'pods/attach', 'pods/portforward'], verbs: ['get'] },
    ]
    await grant(cluster, 'getter', rules, [{ kind: 'User', name: 'dora' }])
    const dora = client(pki.issue(ca, { name: 'dora', cn: 'dora', usage: 'client' }))
    const code = behaviourOf(apiserver).webSocketsNeedCreate ? 403 : 101
    for (const path of ['exec?command=true&stdout=true', 'attach?stdout=true']) {
      t.equal(await dora.code(path), code, path)
    }
    t.equal(await admin.code('exec?command=true&stdout=true'), 101)
  })

  await t.test('the events are those of kube-apiserver', async (t) => {
    t.equal(await proxy.stop(), 0)
    const { compared } = await compareLogs(t, { ours: proxy.auditLog, theirs: cluster.auditLog, identity })
    t.equal(compared.length, 8)
  })
}

function shell(script: string): string {
  return ['sh', '-c', script].map((word) => `command=${encodeURIComponent(word)}`).join('&')
}

function message(channel: number, text: string): Buffer {
  return Buffer.concat([Buffer.from([channel]), Buffer.from(text)])
}
