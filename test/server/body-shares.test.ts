import { once } from 'node:events'
import https, { type RequestOptions } from 'node:https'
import type { ClientRequest } from 'node:http'
import t, { type Test } from 'tap'
import { completeEvents, type LoggedEvent } from '../support/audit-log.js'
import { METRICS_FLAG, ProxyMetrics } from '../support/proxy-metrics.js'
import { sendJSON, StandIn } from '../support/stand-in.js'
import { Watch } from '../support/watch.js'

const POLICY =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]\nomitStages: [RequestReceived]\n'
const MAPS = '/api/v1/namespaces/default/configmaps'
const MEMORY = 1 << 20
const JSON_TYPE = { 'content-type': 'application/json' }
const object = (bytes: number) =>
  `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m"},"data":{"k":"${'v'.repeat(bytes)}"}}`

/** A proxy whose upstream says how many bytes of bodies have come to it. */
async function start(t: Test, flags: readonly string[]) {
  const arrived = new Watch()
  let bytes = 0
  const standIn = await StandIn.start({
    policy: POLICY,
    flags: [METRICS_FLAG, ...flags],
    upstream: (req, res) => {
      req.on('error', () => undefined)
      req.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        arrived.changed()
      })
      req.on('end', () => sendJSON(res, 201, { kind: 'ConfigMap', apiVersion: 'v1', metadata: {} }))
    },
  })
  t.teardown(() => standIn.stop())
  const arrive = (more: number): Promise<void> => {
    const expected = bytes + more
    return arrived.until(() => bytes >= expected)
  }
  return { standIn, arrive, metrics: new ProxyMetrics(standIn.proxy) }
}

/** A write whose body stops before its end. */
function stall(as: RequestOptions, id: string, body: string): ClientRequest {
  const req = https.request({
    ...as,
    path: MAPS,
    method: 'POST',
    agent: false,
    headers: { ...JSON_TYPE, 'audit-id': id, 'content-length': body.length + 1 },
  })
  req.on('error', () => undefined)
  req.write(body)
  return req
}

await t.test('whoever stalls uploads takes no memory from others', async (t) => {
  const { standIn, arrive, metrics } = await start(t, [`--audit-max-capture-memory=${MEMORY}`])
  const mallory = standIn.as(standIn.client({ name: 'mallory', cn: 'mallory' }))
  const stalled: ClientRequest[] = []
  for (let i = 0; i < 8; i++) {
    const body = object(MEMORY / 5)
    const all = arrive(body.length)
    stalled.push(stall(mallory, `stalled-${i}`, body))
    await all
  }
  for (const bytes of [100, 30_000, MEMORY / 3]) {
    const id = `admin-${bytes}`
    await standIn.ask(MAPS, { method: 'POST', headers: { ...JSON_TYPE, 'audit-id': id } }, object(bytes))
    const event = (await completeEvents(standIn.auditLog, id)).at(-1) as LoggedEvent
    t.strictSame(event.requestObject, JSON.parse(object(bytes)), `the administrator's ${bytes} bytes`)
    t.equal(event.annotations, undefined)
  }
  for (const req of stalled) {
    const answered = once(req, 'response')
    req.end(' ')
    await answered
  }
  const left = []
  for (let i = 0; i < 8; i++) {
    const event = (await completeEvents(standIn.auditLog, `stalled-${i}`)).at(-1) as LoggedEvent
    t.equal(event.requestObject === undefined, event.annotations?.['audit.k8s.io/truncated'] === 'true')
    if (event.requestObject !== undefined) left.push(i)
  }
  t.ok(left.length > 0 && left.length < 5, 'whoever stalls keeps what is left')
  const truncated = (await metrics.scrape()).get('kube_audit_proxy_audit_truncated_total{reason="capture"}')
  t.equal(truncated, 8 - left.length)
})

const SLOW = `a: [${'1,'.repeat(30_000)}1]\n`

await t.test('a body that takes long to read is in its event, whenever that is stored', async (t) => {
  for (const mode of ['batch', 'blocking', 'blocking-strict']) {
    const { standIn } = await start(t, [`--audit-log-mode=${mode}`])
    const headers = { 'content-type': 'application/yaml', 'audit-id': 'slow' }
    await standIn.ask(MAPS, { method: 'POST', headers }, SLOW)
    if (mode === 'batch') await standIn.proxy.stop()
    const event = (await completeEvents(standIn.auditLog, 'slow')).at(-1) as LoggedEvent
    t.equal((event.requestObject as { a: number[] }).a.length, 30_001, mode)
  }
})
