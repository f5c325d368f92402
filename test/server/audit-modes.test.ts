import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { byAuditID, readAuditLog, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { PKI } from '../support/pki.js'
import { METRICS_FLAG, ProxyMetrics, type Samples } from '../support/proxy-metrics.js'
import { mountSmallDisk } from '../support/small-disk.js'
import { sendJSON, StandIn, type StandInOptions } from '../support/stand-in.js'
import { ok, status, WebhookReceiver, type ReceiverOptions } from '../support/webhook-receiver.js'
import { writeKubeconfig } from '../support/webhook.js'

const PODS = '/api/v1/namespaces/default/pods'
const POD = `${PODS}/p`
const MODES = ['blocking-strict', 'blocking', 'batch'] as const

function upstream(req: IncomingMessage, res: ServerResponse): void {
  if (req.url?.includes('watch=true')) {
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end('{"type":"ADDED","object":{}}\n')
  } else sendJSON(res, 200, { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'p' } })
}

async function start(t: Test, options: Partial<StandInOptions>): Promise<StandIn> {
  const standIn = await StandIn.start({
    upstream,
    ...options,
    flags: [METRICS_FLAG, ...(options.flags ?? [])],
  })
  t.teardown(() => standIn.stop())
  return standIn
}

function directory(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'audit-modes-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  return dir
}

/** A receiver, and the flags that send events to it. */
async function webhook(t: Test, options: ReceiverOptions = {}, cluster: object = {}, user: object = {}) {
  const receiver = await WebhookReceiver.start(options)
  t.teardown(() => receiver.stop())
  const config = writeKubeconfig(directory(t), { server: receiver.url, ...cluster }, user)
  const flags = [
    `--audit-webhook-config-file=${config}`,
    '--audit-webhook-initial-backoff=1ms',
    '--audit-webhook-batch-max-wait=10ms',
  ]
  return { receiver, flags }
}

/** Leaves no room on the disk; answers what gives it back. */
function fill(disk: string): () => void {
  const ballast = join(disk, 'ballast')
  const block = Buffer.alloc(4096)
  try {
    for (;;) writeFileSync(ballast, block, { flag: 'a' })
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOSPC') throw err
  }
  return () => rmSync(ballast)
}

const keyOf = (event: Pick<LoggedEvent, 'auditID' | 'stage'>): string => `${event.auditID} ${event.stage}`

/** The samples of the audit log's own metrics, but for how long things took. */
function auditSamples(samples: Samples): Record<string, number> {
  const isOurs = (key: string): boolean =>
    /^(apiserver_audit|kube_audit_proxy_audit)_/.test(key) && !key.includes('_duration_seconds')
  return Object.fromEntries([...samples].filter(([key]) => isOurs(key)))
}

/** What a sick backend does to requests in each mode; `heal` makes it well again. */
async function sickBackend(
  t: Test,
  standIn: StandIn,
  mode: (typeof MODES)[number],
  plugin: string,
  heal: () => void,
): Promise<void> {
  const metrics = new ProxyMetrics(standIn.proxy)
  const answer = await standIn.ask(POD, { headers: { 'audit-id': 'sick' } })
  const errors = `apiserver_audit_error_total{plugin="${plugin}"}`
  if (mode === 'blocking-strict') {
    t.equal(answer.status, 500)
    t.match(JSON.parse(answer.body.toString()), {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'InternalError',
      code: 500,
    })
    t.equal(answer.headers['audit-id'], 'sick')
    t.equal(standIn.seen.length, 0, 'nothing went upstream')
  } else {
    t.equal(answer.status, 200)
    t.equal(standIn.seen.length, 1)
  }
  const events = mode === 'blocking-strict' ? 1 : 2
  const samples = await metrics.until((s) => s.get(errors) === events)
  t.equal(samples.get('apiserver_audit_requests_rejected_total'), mode === 'blocking-strict' ? 1 : 0)
  t.equal(samples.get('apiserver_audit_event_total'), events)
  t.equal(samples.get('apiserver_audit_level_total{level="Metadata"}'), 1)

  heal()
  t.equal((await standIn.ask(POD, { headers: { 'audit-id': 'well' } })).status, 200)
  await standIn.proxy.stop()
  t.ok(
    standIn.proxy.logLines.some((line) => line.includes('audit events could not be recorded')),
    'the log says so',
  )
}

for (const mode of MODES) {
  await t.test(`${mode}: a webhook that fails`, async (t) => {
    const { receiver, flags } = await webhook(t)
    receiver.answer = status(500)
    const standIn = await start(t, { flags: [...flags, `--audit-webhook-mode=${mode}`] })
    await sickBackend(t, standIn, mode, 'webhook', () => (receiver.answer = ok))
    t.ok(receiver.auditIDs.includes('well'))
    const sick = mode === 'blocking-strict' ? ['RequestReceived'] : ['RequestReceived', 'ResponseComplete']
    const logged = byAuditID(readAuditLog(standIn.auditLog))
    t.strictSame(
      logged.get('sick')?.map((e) => e.stage),
      sick,
      'the log beside it has every event',
    )
  })

  await t.test(`${mode}: a log on a full disk`, async (t) => {
    const disk = mountSmallDisk(t, 64)
    if (disk === undefined) return
    const { receiver, flags } = await webhook(t)
    const file = join(disk, 'audit.log')
    const standIn = await start(t, {
      flags: [...flags, `--audit-log-path=${file}`, `--audit-log-mode=${mode}`],
    })
    await sickBackend(t, standIn, mode, 'log', fill(disk))
    t.strictSame(readAuditLog(file).map(keyOf), ['well RequestReceived', 'well ResponseComplete'])
    t.equal(
      receiver.auditIDs.filter((id) => id === 'sick').length,
      mode === 'blocking-strict' ? 1 : 2,
      'the webhook beside it has every event',
    )
  })

  await t.test(`${mode}: stages are in order in the log`, async (t) => {
    const standIn = await start(t, { flags: [`--audit-log-mode=${mode}`] })
    const paths = Array.from({ length: 120 }, (_, i) => (i % 3 === 0 ? `${PODS}?watch=true` : POD))
    await Promise.all(paths.map((path, i) => standIn.ask(path, { headers: { 'audit-id': `request-${i}` } })))
    t.equal(await standIn.proxy.stop(), 0)
    const logged = byAuditID(readAuditLog(standIn.auditLog))
    t.equal(logged.size, paths.length)
    for (const [i, path] of paths.entries()) {
      const events = logged.get(`request-${i}`) ?? []
      const started = path === POD ? [] : ['ResponseStarted']
      const expected = ['RequestReceived', ...started, 'ResponseComplete']
      const times = events.map((e) => e.stageTimestamp)
      if (String(events.map((e) => e.stage)) !== String(expected)) t.same(events, expected)
      if (String([...times].sort()) !== String(times)) t.same(times, 'in order')
    }
  })
}

await t.test('log and webhook both get each event', async (t) => {
  const { receiver, flags } = await webhook(t)
  const standIn = await start(t, { flags })
  await Promise.all(
    Array.from({ length: 100 }, (_, i) => standIn.ask(POD, { headers: { 'audit-id': `request-${i}` } })),
  )
  t.equal(await standIn.proxy.stop(), 0)
  const logged = readAuditLog(standIn.auditLog).map(keyOf)
  const received = receiver.requests.flatMap(({ items }) => items.map(keyOf))
  t.equal(logged.length, 200)
  t.equal(new Set(logged).size, 200)
  t.strictSame(received.sort(), logged.sort())
})

await t.test('a webhook with a client certificate, in each version', async (t) => {
  const pki = new PKI(directory(t))
  const ca = pki.ca('receiver-ca')
  const serving = pki.issue(ca, { name: 'receiver', cn: 'receiver', ip: ['127.0.0.1'], usage: 'server' })
  const sender = pki.issue(ca, { name: 'sender', cn: 'audit-sender', usage: 'client' })
  for (const version of ['v1', 'v1beta1', 'v1alpha1']) {
    const { receiver, flags } = await webhook(
      t,
      { serving, clientCA: ca.cert },
      { 'certificate-authority': ca.certFile },
      { 'client-certificate': sender.certFile, 'client-key': sender.keyFile },
    )
    const standIn = await start(t, {
      flags: [...flags, '--audit-webhook-mode=blocking', `--audit-webhook-version=audit.k8s.io/${version}`],
    })
    t.equal((await standIn.ask(POD)).status, 200)
    await receiver.watch.until(() => receiver.requests.length === 2)
    t.strictSame(
      receiver.requests.map(({ items }) => items.map((item) => item.stage)),
      [['RequestReceived'], ['ResponseComplete']],
    )
    for (const list of receiver.requests) {
      t.equal(list.clientName, 'audit-sender')
      t.match(JSON.parse(list.body), { kind: 'EventList', apiVersion: `audit.k8s.io/${version}` })
    }
  }
})

await t.test('--audit-log-path=- is standard output', async (t) => {
  const standIn = await start(t, { flags: ['--audit-log-path=-'] })
  for (const id of ['a', 'b']) await standIn.ask(POD, { headers: { 'audit-id': id } })
  t.equal(await standIn.proxy.stop(), 0)
  const events = standIn.proxy.stdout
    .trimEnd()
    .split('\n')
    .map((line) => keyOf(JSON.parse(line) as LoggedEvent))
  t.strictSame(events, ['a RequestReceived', 'a ResponseComplete', 'b RequestReceived', 'b ResponseComplete'])
})

await t.test('--audit-log-format=legacy', async (t) => {
  const standIn = await start(t, { flags: ['--audit-log-format=legacy', '--audit-log-path=-'] })
  await standIn.ask(POD, { headers: { 'audit-id': 'a "quoted" id' } })
  t.equal(await standIn.proxy.stop(), 0)
  const line = (stage: string, response: string): RegExp =>
    new RegExp(
      String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) AUDIT: id="a \\"quoted\\" id" ` +
        String.raw`stage="${stage}" ip="127.0.0.1" method="get" user="admin" ` +
        String.raw`groups="\\"system:masters\\",\\"system:authenticated\\"" as="<self>" asgroups="<lookup>" ` +
        String.raw`namespace="default" uri="${POD}" response="${response}"$`,
    )
  const [received, complete, ...more] = standIn.proxy.stdout.trimEnd().split('\n')
  t.match(received, line('RequestReceived', '<deferred>'))
  t.match(complete, line('ResponseComplete', '200'))
  t.strictSame(more, [])
})

for (const version of ['v1', 'v1beta1', 'v1alpha1']) {
  await t.test(`--audit-log-version=audit.k8s.io/${version}`, async (t) => {
    const standIn = await start(t, { flags: [`--audit-log-version=audit.k8s.io/${version}`] })
    await standIn.ask('/apis/apps/v1/namespaces/default/deployments/d')
    t.equal(await standIn.proxy.stop(), 0)
    const [received, complete, ...more] = readAuditLog(standIn.auditLog)
    t.strictSame(more, [])
    const ref = { resource: 'deployments', namespace: 'default', name: 'd' }
    for (const event of [received, complete]) {
      t.equal(event?.apiVersion, `audit.k8s.io/${version}`)
      t.strictSame(
        event?.objectRef,
        version === 'v1alpha1'
          ? { ...ref, apiVersion: 'apps/v1' }
          : { ...ref, apiGroup: 'apps', apiVersion: 'v1' },
      )
      const old = version === 'v1' ? undefined : /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
      t.match(event, { metadata: old && { creationTimestamp: old }, timestamp: old })
    }
  })
}

await t.test('--audit-log-truncate-*', async (t) => {
  const big = {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name: 'big' },
    data: { x: 'y'.repeat(3000) },
  }
  const standIn = await start(t, {
    policy:
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: RequestResponse}]\n',
    upstream: (req, res) => {
      if (req.url?.endsWith('/big')) sendJSON(res, 200, big)
      else upstream(req, res)
    },
    flags: ['--audit-log-truncate-enabled', '--audit-log-truncate-max-event-size=2000'],
  })
  const metrics = new ProxyMetrics(standIn.proxy)
  const ask = (path: string, id: string) => standIn.ask(path, { headers: { 'audit-id': id } })
  t.strictSame(
    JSON.parse((await ask('/api/v1/namespaces/default/configmaps/big', 'big')).body.toString()),
    big,
  )
  await ask(POD, 'small')
  await ask(`${POD}?${'q'.repeat(2000)}`, 'hopeless')
  const samples = await metrics.scrape()
  t.match(auditSamples(samples), {
    'kube_audit_proxy_audit_truncated_total{reason="truncate"}': 2,
    'kube_audit_proxy_audit_dropped_events_total{plugin="truncate"}': 1,
    'apiserver_audit_error_total{plugin="truncate"}': 1,
    apiserver_audit_event_total: 3,
  })
  t.equal(await standIn.proxy.stop(), 0)
  const logged = byAuditID(readAuditLog(standIn.auditLog))
  t.strictSame([...logged.keys()], ['big', 'small'])
  const [event] = logged.get('big') ?? []
  t.match(event, { annotations: { 'audit.k8s.io/truncated': 'true' }, responseStatus: { code: 200 } })
  t.strictSame([event?.requestObject, event?.responseObject], [undefined, undefined])
  t.match(logged.get('small'), [{ responseObject: { kind: 'Pod' }, annotations: undefined }])
  t.ok(
    standIn.proxy.logLines.some((line) => line.includes('too large even after truncating')),
    'the log says what was dropped',
  )
})

await t.test('--audit-webhook-truncate-max-batch-size splits batches', async (t) => {
  const { receiver, flags } = await webhook(t)
  const standIn = await start(t, {
    flags: [
      ...flags,
      '--audit-webhook-batch-max-wait=1h',
      '--audit-webhook-truncate-enabled',
      '--audit-webhook-truncate-max-event-size=2000',
      '--audit-webhook-truncate-max-batch-size=5000',
    ],
  })
  await Promise.all(Array.from({ length: 50 }, () => standIn.ask(POD)))
  t.equal(await standIn.proxy.stop(), 0)
  t.equal(receiver.auditIDs.length, 100)
  t.ok(receiver.requests.length > 1)
  for (const { body } of receiver.requests) if (body.length > 5300) t.equal(body.length, 5300)
})

await t.test('metrics, to the last one', async (t) => {
  const { receiver, flags } = await webhook(t)
  const standIn = await start(t, {
    policy: `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: None, nonResourceURLs: [/version]}
- {level: RequestResponse, resources: [{group: "", resources: [configmaps]}]}
- {level: Request, resources: [{group: apps}]}
- {level: Metadata, omitStages: [RequestReceived]}
`,
    flags: [...flags, '--audit-webhook-batch-max-size=4', '--audit-webhook-batch-max-wait=1h'],
  })
  const metrics = new ProxyMetrics(standIn.proxy)
  const none = {
    apiserver_audit_event_total: 0,
    apiserver_audit_requests_rejected_total: 0,
    'kube_audit_proxy_audit_queue_events{plugin="webhook"}': 0,
    'kube_audit_proxy_audit_queue_bytes{plugin="webhook"}': 0,
    ...Object.fromEntries(
      ['log', 'webhook', 'buffered', 'encoding'].flatMap((plugin) => [
        [`apiserver_audit_error_total{plugin="${plugin}"}`, 0],
        [`kube_audit_proxy_audit_dropped_events_total{plugin="${plugin}"}`, 0],
      ]),
    ),
    'kube_audit_proxy_audit_truncated_total{reason="capture"}': 0,
    'kube_audit_proxy_audit_truncated_total{reason="truncate"}': 0,
  }
  t.strictSame(auditSamples(await metrics.scrape()), none)

  await standIn.ask('/version')
  await standIn.ask('/version')
  await standIn.ask(POD)
  await standIn.ask(`${PODS}?watch=true`)
  await standIn.ask('/api/v1/namespaces/default/configmaps/c')
  await standIn.ask('/apis/apps/v1/namespaces/default/deployments/d')
  // A bad credential is one event, of no user.
  t.equal(
    (await standIn.ask(POD, { headers: { authorization: 'Bearer wrong' } })).status,
    200,
    'the certificate counts',
  )
  t.equal(
    (await standIn.ask(POD, { ...standIn.as('nobody'), headers: { authorization: 'Bearer wrong' } })).status,
    401,
  )
  await receiver.watch.until(() => receiver.auditIDs.length === 8)
  const events = 1 + 2 + 2 + 2 + 1 + 1
  const samples = await metrics.until(
    (s) => s.get('kube_audit_proxy_audit_batches_total{plugin="webhook",result="success"}') === 2,
  )
  const bytes = samples.get('kube_audit_proxy_audit_queue_bytes{plugin="webhook"}') ?? 0
  t.ok(bytes > 256 && bytes < 1024, 'one event waits, as a line')
  t.strictSame(auditSamples(samples), {
    ...none,
    apiserver_audit_event_total: events,
    'apiserver_audit_level_total{level="None"}': 2,
    'apiserver_audit_level_total{level="Metadata"}': 4,
    'apiserver_audit_level_total{level="RequestResponse"}': 1,
    'apiserver_audit_level_total{level="Request"}': 1,
    'kube_audit_proxy_audit_batches_total{plugin="webhook",result="success"}': 2,
    'kube_audit_proxy_audit_queue_events{plugin="webhook"}': events - 8,
    'kube_audit_proxy_audit_queue_bytes{plugin="webhook"}': bytes,
  })
  t.equal(samples.get('kube_audit_proxy_audit_delivery_duration_seconds_count{plugin="webhook"}'), 2)
  const writes = samples.get('kube_audit_proxy_audit_delivery_duration_seconds_count{plugin="log"}') ?? 0
  t.ok(writes > 0 && writes <= events, 'events that come together are written together')
  const logged = await waitForEvents(standIn.auditLog, (e) => (e.length === events ? e : undefined))
  t.equal(logged.length, events)
  t.equal(statSync(standIn.auditLog).mode & 0o777, 0o600)
})
