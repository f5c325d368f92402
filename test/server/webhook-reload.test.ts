import { copyFileSync, renameSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { kubeconfigText } from '../support/kubeconfig.js'
import { PKI, type Issued } from '../support/pki.js'
import { METRICS_FLAG, ProxyMetrics } from '../support/proxy-metrics.js'
import { sendJSON, StandIn } from '../support/stand-in.js'
import { ok, status, WebhookReceiver, type ReceiverOptions } from '../support/webhook-receiver.js'

const NAME = 'audit-webhook-config-file'
const RELOADED = `"file":"${NAME}","msg":"configuration reloaded"`
const BATCHES = [
  '--audit-webhook-batch-max-size=4',
  '--audit-webhook-batch-max-wait=5ms',
  '--audit-webhook-batch-throttle-enable=false',
  '--audit-webhook-initial-backoff=10ms',
]

const pki = new PKI(t.testdir())
const ca = pki.ca('receiver-ca')
const otherCA = pki.ca('other-receiver-ca')
const serving = pki.issue(ca, { name: 'receiver', cn: 'receiver', ip: ['127.0.0.1'], usage: 'server' })

async function receiver(t: Test, options: ReceiverOptions = {}, port = 0): Promise<WebhookReceiver> {
  const started = await WebhookReceiver.start({ serving, ...options }, port)
  t.teardown(() => started.stop())
  return started
}

interface Config {
  readonly url: string
  /** Names of files beside the kubeconfig. */
  readonly user?: Readonly<Record<string, string>>
}

/** The real proxy with a webhook whose kubeconfig, and all that it names, is in a directory of the test's own. */
async function start(
  t: Test,
  config: Config,
  flags: readonly string[] = [],
  prepare?: (dir: string) => void,
) {
  const dir = t.testdir()
  const file = (name: string) => join(dir, name)
  const replace = (name: string, content: string) => {
    writeFileSync(file(`${name}.new`), content, { mode: 0o600 })
    renameSync(file(`${name}.new`), file(name))
  }
  const write = ({ url, user = {} }: Config) => {
    const cluster = { server: url, 'certificate-authority': 'ca.crt' }
    replace('webhook.kubeconfig', kubeconfigText(cluster, user))
  }
  replace('ca.crt', ca.cert)
  prepare?.(dir)
  write(config)
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList' }),
    flags: [METRICS_FLAG, `--${NAME}=${file('webhook.kubeconfig')}`, ...BATCHES, ...flags],
  })
  t.teardown(() => standIn.stop())
  const { proxy } = standIn
  const metrics = new ProxyMetrics(proxy)
  let asked = 0
  return {
    standIn,
    proxy,
    write,
    replace,
    file,
    /** One request of its own name, which is two events. */
    ask: async () => {
      const id = `request-${asked++}`
      await standIn.ask('/api/v1/pods', { headers: { 'audit-id': id } })
      return id
    },
    asked: () => asked,
    /** Does it, and waits until the proxy has said that line. */
    after: async (change: () => void, line = RELOADED) => {
      const from = proxy.logLines.length
      change()
      await proxy.logged(line, from)
    },
    reloads: async (result: string) =>
      (await metrics.scrape()).get(`kube_audit_proxy_config_reload_total{file="${NAME}",result="${result}"}`),
  }
}

/** Waits until all events of so many requests have come, and sees that each came once. */
async function allOnce(t: Test, receivers: readonly WebhookReceiver[], requests: number): Promise<void> {
  const keys = () =>
    receivers.flatMap(({ requests }) =>
      requests.flatMap(({ items }) => items.map((e) => `${e.auditID} ${e.stage}`)),
    )
  const complete = () => new Set(keys()).size >= 2 * requests
  await Promise.race(receivers.map(({ watch }) => watch.until(complete)))
  t.equal(keys().length, 2 * requests, 'each event once')
}

function install(from: Issued, dir: string): void {
  copyFileSync(from.keyFile, join(dir, 'client.key'))
  copyFileSync(from.certFile, join(dir, 'client.crt'))
}

for (const flags of [[], ['--workers=2']]) {
  await t.test(['the URL', ...flags].join(' '), async (t) => {
    const [first, second] = [await receiver(t), await receiver(t)]
    const { standIn, ask, asked, after, write, reloads } = await start(t, first, flags)
    let stopped = false
    const load = Array.from({ length: 4 }, async () => {
      while (!stopped) await ask()
    })
    await first.watch.until(() => first.requests.length >= 3)
    await after(() => write(second))
    await second.watch.until(() => second.requests.length >= 3)
    stopped = true
    await Promise.all(load)
    t.equal(await reloads('success'), 1)
    t.equal(await standIn.proxy.stop(), 0)
    await allOnce(t, [first, second], asked())
    t.ok(first.requests.length >= 3 && second.requests.length >= 3)
    t.notOk(standIn.proxy.logLines.some((line) => line.includes('could not be recorded')))
  })
}

await t.test('a batch under way ends where it began, the next goes to the new receiver', async (t) => {
  const [first, second] = [await receiver(t), await receiver(t)]
  const held: ServerResponse[] = []
  first.answer = (response) => void held.push(response)
  const { standIn, ask, after, write, reloads } = await start(t, first)
  const before = await ask()
  await first.watch.until(() => new Set(first.auditIDs).has(before))
  await after(() => write(second))
  const next = await ask()
  await second.watch.until(() => second.auditIDs.filter((id) => id === next).length === 2)
  t.notOk(second.auditIDs.includes(before), 'nothing is sent again')
  t.equal(await reloads('success'), 1)
  for (const response of held) response.end()
  first.answer = ok
  await allOnce(t, [first, second], 2)
  t.equal(await standIn.proxy.stop(), 0)
  await allOnce(t, [first, second], 2)
})

for (const [name, flags] of [
  ['in memory', []],
  ['in a spool', (dir: string) => [`--audit-webhook-spool-directory=${dir}`]],
] as const) {
  await t.test(`what the old receiver does not take, the new one gets (${name})`, async (t) => {
    const [first, second] = [await receiver(t), await receiver(t)]
    first.answer = status(500)
    const spool =
      typeof flags === 'function' ? flags(join(pki.read('receiver').certFile, '..', 'spool')) : flags
    const { ask, after, write } = await start(t, first, [
      ...spool,
      // Of five attempts the second is after the change.
      '--audit-webhook-initial-backoff=3s',
    ])
    await ask()
    await first.watch.until(() => first.requests.length > 0)
    await after(() => write(second))
    await allOnce(t, [second], 1)
  })
}

await t.test('the certificate authority', async (t) => {
  const first = await receiver(t)
  const { standIn, ask, after, replace, reloads } = await start(t, first)
  await ask()
  await allOnce(t, [first], 1)
  const { port } = first
  await first.stop()
  const other = pki.issue(otherCA, { name: 'receiver-2', cn: 'receiver', ip: ['127.0.0.1'], usage: 'server' })
  const second = await receiver(t, { serving: other }, port)
  await after(() => replace('ca.crt', otherCA.cert))
  await ask()
  await second.watch.until(() => second.auditIDs.length === 2)
  t.equal(await reloads('success'), 1)

  await after(() => replace('ca.crt', 'no certificate\n'), 'cannot reload')
  await ask()
  await second.watch.until(() => second.auditIDs.length === 4)
  t.equal(await reloads('failure'), 1)
  const errors = standIn.proxy.logLines.filter((line) => line.includes('"level":"error"'))
  t.equal(errors.length, 1)
  t.match(errors[0], /clusters\[test\]\.cluster\.certificate-authority: .*ca\.crt: no certificate found/)
})

await t.test('the client certificate', async (t) => {
  const [one, two] = ['one', 'two'].map((cn) => pki.issue(ca, { name: `client-${cn}`, cn, usage: 'client' }))
  const to = await receiver(t, { clientCA: ca.cert })
  const user = { 'client-certificate': 'client.crt', 'client-key': 'client.key' }
  const { ask, after, file, reloads } = await start(t, { url: to.url, user }, [], (dir) => install(one!, dir))
  await ask()
  await allOnce(t, [to], 1)
  t.equal(to.requests.at(-1)?.clientName, 'one')

  // Somebody is in the middle of replacing both.
  await after(() => copyFileSync(two!.certFile, file('client.crt')), 'cannot reload')
  await ask()
  await allOnce(t, [to], 2)
  t.equal(to.requests.at(-1)?.clientName, 'one')
  t.equal(await reloads('failure'), 1)

  await after(() => copyFileSync(two!.keyFile, file('client.key')))
  await ask()
  await allOnce(t, [to], 3)
  t.equal(to.requests.at(-1)?.clientName, 'two')
})

await t.test('the token', async (t) => {
  const to = await receiver(t)
  const user = { tokenFile: 'token' }
  const { ask, after, replace } = await start(t, { url: to.url, user }, [], (dir) =>
    writeFileSync(join(dir, 'token'), 'first-token', { mode: 0o600 }),
  )
  await ask()
  await allOnce(t, [to], 1)
  t.equal(to.requests.at(-1)?.headers.authorization, 'Bearer first-token')
  await after(() => replace('token', 'second-token'))
  await ask()
  await allOnce(t, [to], 2)
  t.equal(to.requests.at(-1)?.headers.authorization, 'Bearer second-token')
})

await t.test('a file that cannot be used, and SIGHUP', async (t) => {
  const [first, second] = [await receiver(t), await receiver(t)]
  const { proxy, ask, after, replace, write, file, reloads } = await start(t, first)
  await after(
    () => replace('webhook.kubeconfig', 'clusters: [{name: x, cluster: {server: "ftp://x"'),
    'cannot reload',
  )
  await ask()
  await allOnce(t, [first], 1)
  await after(() => proxy.child.kill('SIGHUP'), 'cannot reload')
  const errors = proxy.logLines.filter((line) => line.includes('"level":"error"'))
  t.equal(errors.length, 2, 'one line each time')
  for (const line of errors) {
    t.match(line, `"file":"${NAME}"`)
    t.match(line, `what was in force stays: ${file('webhook.kubeconfig')}: line 1: `)
  }
  t.equal(await reloads('failure'), 2)
  t.equal(await reloads('success'), 0)

  await after(() => write(second))
  await ask()
  await allOnce(t, [second], 1)
  await after(() => proxy.child.kill('SIGHUP'))
  await ask()
  await allOnce(t, [second], 2)
  t.equal(await reloads('success'), 2)
  t.equal(await proxy.stop(), 0)
})
