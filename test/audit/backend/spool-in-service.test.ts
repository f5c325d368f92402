import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { METRICS_FLAG, ProxyMetrics } from '../../support/proxy-metrics.js'
import { mountSmallDisk } from '../../support/small-disk.js'
import { sendJSON, StandIn } from '../../support/stand-in.js'
import { ok, status, WebhookReceiver } from '../../support/webhook-receiver.js'
import { writeKubeconfig } from '../../support/webhook.js'

/** A proxy with a spool, and the receiver of its webhook. */
async function start(
  t: Test,
  { spool, kubeconfig }: { spool: string; kubeconfig: string },
  flags: readonly string[] = [],
) {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList', apiVersion: 'v1', items: [] }),
    flags: [
      METRICS_FLAG,
      '--healthz-bind-address=127.0.0.1:0',
      '--readyz-audit-grace-period=1ms',
      `--audit-webhook-config-file=${kubeconfig}`,
      `--audit-webhook-spool-directory=${spool}`,
      '--audit-webhook-batch-max-wait=0s',
      ...flags,
    ],
  })
  t.teardown(() => standIn.stop())
  return standIn
}

async function setUp(t: Test, disk?: string) {
  const receiver = await WebhookReceiver.start({})
  t.teardown(() => receiver.stop())
  const directory = t.testdir()
  const kubeconfig = writeKubeconfig(directory, { server: receiver.url })
  return { receiver, files: { spool: join(disk ?? directory, 'spool'), kubeconfig } }
}

void t.test('an empty last segment, as a power cut leaves it', async (t) => {
  const { receiver, files } = await setUp(t)
  const { spool } = files
  mkdirSync(spool)
  writeFileSync(join(spool, '0000000000000007.segment'), '')
  const standIn = await start(t, files)
  const answers = await Promise.all(Array.from({ length: 20 }, () => standIn.ask('/api/v1/pods')))
  t.ok(answers.every(({ status }) => status === 200))
  await receiver.watch.until(() => receiver.auditIDs.length === 40)
  const samples = await new ProxyMetrics(standIn.proxy).scrape()
  t.equal(samples.get('kube_audit_proxy_audit_spool_damaged_segments_total{plugin="webhook"}'), 1)
  t.equal(samples.get('apiserver_audit_error_total{plugin="webhook"}'), 0)
  const line = standIn.proxy.logLines.find((line) => line.includes('0000000000000007.segment: empty'))
  t.match(line, '0000000000000007.segment.broken')
  t.equal(await standIn.proxy.stop(), 0)
  t.strictSame(
    readdirSync(spool).filter((name) => name.includes('.segment')),
    ['0000000000000007.segment.broken'],
  )
})

void t.test('a spool that takes no events is not ready, while the receiver is well', async (t) => {
  const disk = mountSmallDisk(t, 64)
  if (disk === undefined) return
  const { files } = await setUp(t, disk)
  const standIn = await start(t, files)
  const ready = async () =>
    (await fetch(`http://127.0.0.1:${standIn.proxy.healthzPort}/readyz?verbose`)).text()
  t.match(await ready(), '[+]audit-backend-webhook-spool ok')
  t.throws(() => writeFileSync(join(disk, 'filler'), Buffer.alloc(100_000)), { code: 'ENOSPC' })
  let page = ''
  while (!page.includes('[-]audit-backend-webhook-spool failed')) {
    t.equal((await standIn.ask('/api/v1/pods')).status, 200)
    page = await ready()
    await sleep(10)
  }
  t.match(page, '[+]audit-backend-webhook ok')
})

void t.test('blocking, with workers: what is answered outlives the proxy', async (t) => {
  const { receiver, files } = await setUp(t)
  receiver.answer = status(503)
  const standIn = await start(t, files, ['--audit-webhook-mode=blocking', '--workers=2'])
  const answered: string[] = []
  let isOver = false
  const client = async (n: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const headers = { 'audit-id': `${n}-${i}` }
      const answer = await standIn.ask('/api/v1/pods', { headers }).catch(() => undefined)
      if (answer?.status === 200) answered.push(headers['audit-id'])
      else isOver = true
    }
  }
  const clients = Array.from({ length: 8 }, (_, n) => client(n))
  while (answered.length < 100 && !isOver) await once(standIn.upstream, 'request')
  t.equal(await standIn.proxy.stop('SIGKILL'), 'SIGKILL')
  await Promise.all(clients)

  receiver.requests.length = 0
  receiver.answer = ok
  await standIn.startProxy()
  await standIn.proxy.stop()
  const arrived = new Set(receiver.auditIDs)
  t.ok(answered.length >= 100)
  t.strictSame(
    answered.filter((id) => !arrived.has(id)),
    [],
  )
})
