import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readAuditLog } from '../../support/audit-log.js'
import { sinkManifest } from '../../support/audit-sink.js'
import { sendJSON, StandIn } from '../../support/stand-in.js'
import { WebhookReceiver, type ReceivedList } from '../../support/webhook-receiver.js'

const POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: None, nonResourceURLs: ["/healthz*"]}, {level: Metadata}]
`
const POD = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'n' } }

interface SentEvent {
  readonly auditID: string
  readonly level: string
  readonly stage: string
  readonly requestObject?: object
  readonly responseObject?: object
}

const eventsIn = (lists: readonly ReceivedList[], auditID: string) =>
  lists
    .flatMap(({ body }) => (JSON.parse(body) as { items: SentEvent[] }).items)
    .filter((event) => event.auditID === auditID)

async function start(t: Test, files: Record<string, string> = {}) {
  const dir = t.testdir(files)
  const standIn = await StandIn.start({
    policy: POLICY,
    upstream: (_req, res) => sendJSON(res, 200, POD),
    flags: [`--audit-sink-directory=${dir}`, '--audit-webhook-batch-max-wait=1ms', '--shutdown-timeout=4s'],
  })
  t.teardown(() => standIn.stop())
  const ask = (auditID: string, path = '/api/v1/namespaces/n/pods') =>
    standIn.ask(
      path,
      { method: 'POST', headers: { 'audit-id': auditID, 'content-type': 'application/json' } },
      JSON.stringify(POD),
    )
  return { dir, standIn, ask, logged: (text: string, from?: number) => standIn.proxy.logged(text, from) }
}

async function receiver(t: Test): Promise<WebhookReceiver> {
  const receiver = await WebhookReceiver.start()
  t.teardown(() => receiver.stop())
  return receiver
}

await t.test('sinks come, change and go, each with what it asks for', async (t) => {
  const [whole, brief] = [await receiver(t), await receiver(t)]
  const { dir, standIn, ask, logged } = await start(t)
  const wholeFile = join(dir, 'whole.json')
  const stages = ['RequestReceived', 'ResponseComplete']
  writeFileSync(wholeFile, sinkManifest('whole', whole.url, { policy: { level: 'RequestResponse', stages } }))
  writeFileSync(join(dir, 'brief.yaml'), sinkManifest('brief', brief.url))
  await logged('"sink":"whole"')
  await logged('"sink":"brief"')

  await ask('first')
  await ask('health', '/healthz')
  await whole.watch.until(() => eventsIn(whole.requests, 'health').length === 2)
  await brief.watch.until(() => eventsIn(brief.requests, 'health').length === 1)
  t.match(eventsIn(whole.requests, 'first'), [
    { level: 'RequestResponse', stage: 'RequestReceived' },
    { level: 'RequestResponse', stage: 'ResponseComplete', requestObject: POD, responseObject: POD },
  ])
  const [event, ...others] = eventsIn(brief.requests, 'first')
  t.match(event, { level: 'Metadata', stage: 'ResponseComplete' })
  t.notOk(event?.requestObject ?? event?.responseObject)
  t.strictSame(others, [])
  const logged_ = () => readAuditLog(standIn.auditLog).filter(({ auditID }) => auditID === 'first')
  t.match(logged_(), [{ level: 'Metadata', stage: 'ResponseComplete' }], 'the log is what the policy says')
  t.notOk(logged_()[0]?.requestObject)
  t.notOk(readAuditLog(standIn.auditLog).some(({ auditID }) => auditID === 'health'))

  // It asks for less.
  let from = standIn.proxy.logLines.length
  writeFileSync(wholeFile, sinkManifest('whole', whole.url))
  await logged('audit sink changed', from)
  await ask('second')
  await whole.watch.until(() => eventsIn(whole.requests, 'second').length > 0)
  t.match(eventsIn(whole.requests, 'second'), [{ level: 'Metadata', stage: 'ResponseComplete' }])

  from = standIn.proxy.logLines.length
  rmSync(wholeFile)
  await logged('audit sink removed', from)
  await ask('third')
  await brief.watch.until(() => eventsIn(brief.requests, 'third').length > 0)
  t.strictSame(eventsIn(whole.requests, 'third'), [])
})

await t.test('what is buffered for a sink that goes is delivered', async (t) => {
  const sink = await receiver(t)
  const { dir, standIn, ask, logged } = await start(t, {
    'slow.json': sinkManifest('slow', sink.url, {
      webhook: { throttle: { qps: 1, burst: 1 }, clientConfig: { url: sink.url } },
    }),
  })
  for (let i = 0; i < 5; i++) await ask(`event-${i}`)
  const from = standIn.proxy.logLines.length
  rmSync(join(dir, 'slow.json'))
  await logged('audit sink removed', from)
  await sink.watch.until(() => sink.auditIDs.length === 5)
  t.strictSame(sink.auditIDs.toSorted(), ['event-0', 'event-1', 'event-2', 'event-3', 'event-4'])
})

await t.test('a sick sink disturbs no other, and a broken manifest changes nothing', async (t) => {
  const [sick, well] = [await receiver(t), await receiver(t)]
  sick.answer = () => undefined
  const { dir, standIn, ask, logged } = await start(t, {
    'sick.json': sinkManifest('sick', sick.url),
    'dead.json': sinkManifest('dead', 'https://127.0.0.1:1'),
    'well.json': sinkManifest('well', well.url),
    'notes.txt': 'this is no manifest',
  })
  t.equal((await ask('one')).status, 200)
  await sick.watch.until(() => sick.requests.length > 0)
  await well.watch.until(() => eventsIn(well.requests, 'one').length > 0)

  const from = standIn.proxy.logLines.length
  writeFileSync(join(dir, 'well.json'), '{"kind": "AuditSink"}')
  const line = await logged('cannot reload', from)
  t.match(standIn.proxy.logLines[line], /well\.json: apiVersion .*expected auditregistration/)
  await ask('two')
  await well.watch.until(() => eventsIn(well.requests, 'two').length > 0)
  t.equal(standIn.proxy.logLines.slice(from).filter((line) => line.includes('"level":"error"')).length, 1)
})

await t.test('a manifest that cannot be used stops the start', async (t) => {
  const failure = { message: /exited with 2:\n.*a\.yaml: apiVersion/ }
  await t.rejects(start(t, { 'a.yaml': 'kind: AuditSink' }), failure)
})
