import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import type { Backend } from '../../../src/audit/backend/backend.js'
import { parseAuditSink } from '../../../src/audit/sink/audit-sink.js'
import { DynamicBackend } from '../../../src/audit/sink/dynamic.js'
import { SinkLog } from '../../../src/audit/sink/sink-log.js'
import { SinkSet } from '../../../src/audit/sink/sink-set.js'
import { never } from '../../support/audit.js'
import { sinkManifest } from '../../support/audit-sink.js'
import { memoryLog } from '../../support/log.js'
import { METRICS_FLAG, ProxyMetrics, sumOf } from '../../support/proxy-metrics.js'
import { sendJSON, StandIn } from '../../support/stand-in.js'
import { WebhookReceiver } from '../../support/webhook-receiver.js'

const SINK = parseAuditSink(sinkManifest('one', 'https://audit.app'), 'one')
const sinkOf = (name: string, url: string) => ({ ...SINK, name, url: new URL(url) })

void t.test('sinks that change without end leave few behind, and their names are forgotten', async (t) => {
  const { log, lines } = memoryLog()
  const set = new SinkSet(new SinkLog(log))
  let open = 0
  let most = 0
  const gone: string[] = []
  const counts: number[] = []
  const dynamic = new DynamicBackend(set, {
    newBackend(_sink, count): Backend {
      most = Math.max(most, ++open)
      return {
        name: 'hangs',
        processEvents: () => true,
        shutdown(deadline) {
          counts.push(count())
          return new Promise((resolve) => {
            const giveUp = () => {
              open--
              resolve()
            }
            if (deadline.aborted) giveUp()
            else deadline.addEventListener('abort', giveUp, { once: true })
          })
        },
      }
    },
    onGone: (name) => gone.push(name),
  })
  for (let i = 0; i < 1000; i++) set.set('test', sinkOf('changes', `https://audit.app/${i}`))
  for (let i = 0; i < 1000; i++) {
    set.set('test', sinkOf(`comes-${i}`, 'https://audit.app'))
    set.delete('test', `comes-${i}`)
    // As between two pieces of a watch.
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(most <= 12, `${most} at a time`)
  t.ok(Math.max(...counts) <= 12)
  t.ok(lines.length < 400, `${lines.length} lines`)
  const deadline = new AbortController()
  const down = dynamic.shutdown(deadline.signal)
  deadline.abort()
  await down
  t.equal(open, 0)
  t.equal(new Set(gone).size, 1000, 'all but the one that is still there')
  await dynamic.shutdown(never)
})

void t.test('with workers: a cluster that has thousands of sinks', async (t) => {
  const receiver = await WebhookReceiver.start({})
  t.teardown(() => receiver.stop())
  const TOTAL = 2000
  const items = Array.from({ length: TOTAL }, (_, i) => {
    const manifest = sinkManifest(`sink-${i}`, receiver.url, { policy: { stages: ['ResponseComplete'] } })
    return JSON.parse(manifest) as object
  })
  const upstream = (req: IncomingMessage, res: ServerResponse) => {
    const url = new URL(req.url ?? '', 'https://host')
    if (!url.pathname.endsWith('/auditsinks')) return sendJSON(res, 200, { kind: 'PodList' })
    if (url.searchParams.has('watch')) return void res.writeHead(200).flushHeaders()
    sendJSON(res, 200, { kind: 'AuditSinkList', metadata: { resourceVersion: '1' }, items })
  }
  const standIn = await StandIn.start({
    upstream,
    flags: [
      '--workers=2',
      '--audit-dynamic-configuration',
      '--audit-webhook-batch-max-wait=0s',
      METRICS_FLAG,
    ],
  })
  t.teardown(() => standIn.stop())
  const metrics = new ProxyMetrics(standIn.proxy)
  const samples = await metrics.until((all) => all.get('kube_audit_proxy_audit_sinks') === 100)
  t.equal(samples.get('kube_audit_proxy_audit_sinks_refused_total'), TOTAL - 100)
  t.equal((await standIn.ask('/api/v1/pods')).status, 200)
  await receiver.watch.until(() => receiver.auditIDs.length === 100)
  t.equal(await standIn.proxy.stop(), 0)
  t.equal(new Set(receiver.auditIDs).size, 1, 'the event of one request, for each sink that is served')
  t.equal(sumOf(samples, 'apiserver_audit_error_total'), 0)
})
