import {
  Attach,
  CoreV1Api,
  Exec,
  KubeConfig,
  Log,
  makeInformer,
  PatchStrategy,
  PortForward,
  setHeaderOptions,
  Watch,
  type V1ConfigMap,
  type V1Status,
} from '@kubernetes/client-node'
import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { apiservers } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'
import { ClusterProxy } from '../support/cluster-proxy.js'
import { compareLogs } from '../support/compare-logs.js'
import { certificate } from '../support/kubeconfig.js'
import { StandInKubelet } from '../support/kubelet.js'
import { behaviourOf, type Behaviour } from '../support/version-differences.js'
import { Watch as Until } from '../support/watch.js'

// Clusters are started and used, one after the other.
t.setTimeout(600_000)

const NAMESPACE = 'e2e'
const CONFIG_MAPS = `/api/v1/namespaces/${NAMESPACE}/configmaps`

/** By resource only: where the proxy impersonates, kube-apiserver goes by the proxy's own user. */
const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: RequestResponse
  namespaces: ["${NAMESPACE}"]
  resources: [{group: "", resources: [configmaps, pods/exec, pods/attach, pods/portforward, pods/log]}]
- level: None
`

const configMap = (name: string, value: string): V1ConfigMap => ({
  metadata: { name },
  data: { key: value },
})

/** What a node says whose kubelet speaks WebSockets itself. */
const WEBSOCKETS = ['ExtendWebSocketsToKubelet']

const RUNS = apiservers().flatMap((apiserver) =>
  (['request header', 'impersonation'] as const).map((identity) => ({ apiserver, identity })),
)

for (const { apiserver, identity } of RUNS) {
  const { version, skip } = apiserver
  const name = `kube-apiserver ${version}: @kubernetes/client-node through the proxy, identities by ${identity}`
  await t.test(name, { skip, timeout: 180_000 }, async (t) => {
    const cluster = await TestCluster.start({
      apiserver,
      auditPolicy: POLICY,
      flags: ['--kubelet-preferred-address-types=InternalIP'],
    })
    t.teardown(() => cluster.stop())
    const kubelet = await StandInKubelet.start(cluster, NAMESPACE, WEBSOCKETS)
    t.teardown(() => kubelet.stop())
    const flags = ['--audit-redact=false']
    const proxy = await ClusterProxy.start(t, cluster, { policy: POLICY, identity, flags })
    const config = new KubeConfig()
    config.loadFromFile(proxy.kubeconfig('admin', certificate(cluster.admin)))

    await objects(t, config)
    await watch(t, config)
    await pods(t, config, kubelet, behaviourOf(apiserver))
    await informer(t, config, proxy)

    t.equal(await proxy.stop(), 0, 'SIGTERM ends it with exit code 0')
    const { compared, refused } = await compareLogs(t, {
      ours: proxy.auditLog,
      theirs: cluster.auditLog,
      identity,
    })
    t.equal(refused.length, 0)
    const verbs = new Set(
      compared.map(([event]) => `${event?.verb} ${event?.objectRef?.['subresource'] ?? ''}`),
    )
    t.strictSame(
      [...verbs].sort(),
      [
        ...['create ', 'delete ', 'get ', 'get attach', 'get exec', 'get log', 'get portforward'],
        ...['list ', 'patch ', 'update ', 'watch '],
      ],
      'everything was audited',
    )
  })
}

async function objects(t: Test, config: KubeConfig): Promise<void> {
  const api = config.makeApiClient(CoreV1Api)
  const namespace = NAMESPACE
  await t.test('create, get, list, update, patch, delete', async (t) => {
    const created = await api.createNamespacedConfigMap({ namespace, body: configMap('one', '1') })
    t.match(created, { metadata: { name: 'one', namespace }, data: { key: '1' } })
    t.match(await api.readNamespacedConfigMap({ namespace, name: 'one' }), { data: { key: '1' } })
    const { items } = await api.listNamespacedConfigMap({ namespace })
    t.ok(items.some(({ metadata }) => metadata?.name === 'one'))
    const body = { ...created, data: { key: '2' } }
    t.match(await api.replaceNamespacedConfigMap({ namespace, name: 'one', body }), { data: { key: '2' } })
    await t.rejects(api.replaceNamespacedConfigMap({ namespace, name: 'one', body }), { code: 409 })
    for (const [strategy, patch] of [
      [PatchStrategy.JsonPatch, [{ op: 'replace', path: '/data/key', value: 'patched' }]],
      [PatchStrategy.MergePatch, { data: { key: 'patched' } }],
      [PatchStrategy.StrategicMergePatch, { data: { key: 'patched' } }],
    ] as const) {
      const patched = await api.patchNamespacedConfigMap(
        { namespace, name: 'one', body: patch },
        setHeaderOptions('Content-Type', strategy),
      )
      t.match(patched, { data: { key: 'patched' } }, strategy)
    }
    t.match(await api.deleteNamespacedConfigMap({ namespace, name: 'one' }), { status: 'Success' })
    await t.rejects(api.readNamespacedConfigMap({ namespace, name: 'one' }), { code: 404 })
  })
}

async function watch(t: Test, config: KubeConfig): Promise<void> {
  const api = config.makeApiClient(CoreV1Api)
  const namespace = NAMESPACE
  await t.test('watch', async (t) => {
    const { metadata } = await api.listNamespacedConfigMap({ namespace })
    const seen: string[] = []
    const changed = new Until()
    const ended = new EventEmitter()
    const over = once(ended, 'end')
    const controller = await new Watch(config).watch(
      CONFIG_MAPS,
      { resourceVersion: metadata?.resourceVersion },
      (type: string, object: V1ConfigMap) => {
        seen.push(`${type} ${object.metadata?.name}`)
        changed.changed()
      },
      () => ended.emit('end'),
    )
    await api.createNamespacedConfigMap({ namespace, body: configMap('watched', '1') })
    await changed.until(() => seen.length === 1)
    await api.deleteNamespacedConfigMap({ namespace, name: 'watched' })
    await changed.until(() => seen.length === 2)
    t.strictSame(seen, ['ADDED watched', 'DELETED watched'])
    controller.abort()
    await over
  })
}

/** Follows one object through its life, and through the proxy's own end and new start. */
async function informer(t: Test, config: KubeConfig, proxy: ClusterProxy): Promise<void> {
  const api = config.makeApiClient(CoreV1Api)
  const namespace = NAMESPACE
  await t.test('informer', async (t) => {
    const seen: string[] = []
    const changed = new Until()
    const note = (text: string): void => {
      seen.push(text)
      changed.changed()
    }
    const informer = makeInformer(config, CONFIG_MAPS, () => api.listNamespacedConfigMap({ namespace }))
    t.teardown(() => informer.stop())
    for (const verb of ['add', 'update', 'delete'] as const) {
      informer.on(verb, (object) => note(`${verb} ${object.metadata?.name} ${object.data?.['key']}`))
    }
    const until = async (text: string): Promise<void> => {
      await changed.until(() => seen.at(-1) === text)
      t.pass(text)
    }
    await informer.start()
    await api.createNamespacedConfigMap({ namespace, body: configMap('followed', '1') })
    await until('add followed 1')
    const patch = (value: string): Promise<V1ConfigMap> =>
      api.patchNamespacedConfigMap(
        { namespace, name: 'followed', body: { data: { key: value } } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      )
    await patch('2')
    await until('update followed 2')

    // An error ends it: starting again is for its owner, as its documentation shows.
    let errors = 0
    const onError = (): void => {
      errors++
      changed.changed()
    }
    informer.on('error', onError)
    t.equal(await proxy.stop(), 0, 'a watch does not hold the proxy up')
    await changed.until(() => errors > 0)
    const failures = errors
    await proxy.startAgain()
    await patch('3')
    await informer.start()
    await until('update followed 3')
    await api.deleteNamespacedConfigMap({ namespace, name: 'followed' })
    await until('delete followed 3')
    t.equal(errors, failures, 'no error after the restart')
    t.strictSame(
      informer
        .list(namespace)
        .map(({ metadata }) => metadata?.name)
        .filter((name) => name === 'followed'),
      [],
    )
    await informer.stop()
  })
}

async function pods(
  t: Test,
  config: KubeConfig,
  kubelet: StandInKubelet,
  { handsOnWebSockets }: Behaviour,
): Promise<void> {
  const protocols = handsOnWebSockets ? ['v5.channel.k8s.io', 'v4.channel.k8s.io'] : ['SPDY/3.1']
  for (const protocol of protocols) {
    await t.test(`exec and attach, over ${protocol} at the kubelet`, async (t) => {
      kubelet.channelProtocols = [protocol]
      const before = kubelet.protocols.length
      t.strictSame(await exec(config, ['echo', 'hello', 'world']), ['hello world\n', { status: 'Success' }])
      t.match(await exec(config, ['exit', '7']), ['', { status: 'Failure', reason: 'NonZeroExitCode' }])

      const [stdin, stdout] = [new PassThrough(), new PassThrough()]
      const ended = text(stdout)
      const socket = await new Exec(config).exec(NAMESPACE, 'web', 'c', ['cat'], stdout, null, stdin, false)
      const closed = once(socket as unknown as EventTarget, 'close')
      const line = 'line\n'.repeat(1000)
      const echoed = read(stdout, line.length * 20)
      for (let i = 0; i < 20; i++) stdin.write(line)
      t.ok((await echoed) === line.repeat(20), 'what went in comes out')
      stdin.end()
      await closed
      if (!protocol.startsWith('v4')) t.equal(await ended, line.repeat(20), 'and the input can end by itself')

      const [typed, shown] = [new PassThrough(), new PassThrough()]
      const attached = await new Attach(config).attach(NAMESPACE, 'web', 'c', shown, null, typed, false)
      const detached = once(attached as unknown as EventTarget, 'close')
      const heard = read(shown, 6)
      typed.write('typed\n')
      t.equal(await heard, 'typed\n')
      typed.end()
      await detached
      t.strictSame(kubelet.protocols.slice(before), Array(4).fill(protocol))
    })
  }

  await t.test('port-forward', async (t) => {
    const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
    const socket = await new PortForward(config).portForward(NAMESPACE, 'web', [80], output, errors, input)
    const closed = once(socket as unknown as EventTarget, 'close')
    for (let i = 0; i < 3; i++) {
      const answer = read(output, 9)
      input.write(`message ${i}`)
      t.equal(await answer, `MESSAGE ${i}`)
    }
    input.end()
    await closed
    t.equal(errors.readableLength, 0)
  })

  await t.test('following a log', async (t) => {
    const followed = once(kubelet.logs, 'follow') as Promise<[ServerResponse]>
    const output = new PassThrough()
    const started = new Log(config).log(NAMESPACE, 'web', 'c', output, { follow: true })
    const [log] = await followed
    await started
    const lines = createInterface({ input: output })[Symbol.asyncIterator]()
    for (let i = 0; i < 3; i++) {
      log.write(`line ${i}\n`)
      t.equal((await lines.next()).value, `line ${i}`, 'each line at once')
    }
    log.end()
    t.equal((await lines.next()).done, true)
  })
}

/** What a command printed, and how it ended. */
async function exec(
  config: KubeConfig,
  command: string[],
): Promise<[string, Pick<V1Status, 'status' | 'reason'>]> {
  const stdout = new PassThrough()
  const output = text(stdout)
  const status = await new Promise<V1Status>((resolve, reject) => {
    new Exec(config).exec(NAMESPACE, 'web', 'c', command, stdout, null, null, false, resolve).catch(reject)
  })
  const { status: result, reason } = status
  return [await output, { status: result, ...(reason !== undefined && { reason }) }]
}

async function text(stream: PassThrough): Promise<string> {
  let all = ''
  stream.on('data', (chunk: Buffer) => (all += chunk.toString()))
  await once(stream, 'end')
  return all
}

/** The next so many bytes. */
function read(stream: PassThrough, length: number): Promise<string> {
  return new Promise((resolve) => {
    let all = ''
    const onData = (chunk: Buffer): void => {
      all += chunk.toString()
      if (all.length < length) return
      stream.off('data', onData)
      resolve(all)
    }
    stream.on('data', onData)
  })
}
