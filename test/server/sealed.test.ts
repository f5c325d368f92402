import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { METRICS_FLAG, ProxyMetrics } from '../support/proxy-metrics.js'
import { findings, problems, shown, TestKey, verified } from '../support/sealed-log.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

for (const workers of [2]) {
  await t.test(`a proxy with ${workers} processes for requests, killed and started again`, async (t) => {
    const file = join(t.testdir(), 'audit.log')
    const key = new TestKey(t.testdirName)
    const start = () =>
      StandIn.start({
        upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList', apiVersion: 'v1', items: [] }),
        flags: [
          METRICS_FLAG,
          `--workers=${workers}`,
          `--audit-log-path=${file}`,
          `--audit-seal-key-file=${key.file}`,
          '--audit-seal-interval=50ms',
          '--audit-seal-anchor=stdout',
        ],
      })
    let anchors = ''
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const standIn = await start()
      t.teardown(() => standIn.stop())
      for (let i = 0; i < 8; i++) t.equal((await standIn.ask('/api/v1/pods')).status, 200)
      const age = 'kube_audit_proxy_audit_seal_checkpoint_age_seconds{plugin="log"}'
      const samples = await new ProxyMetrics(standIn.proxy).until((s) => s.has(age))
      t.equal(samples.get('kube_audit_proxy_audit_seal_failures_total{plugin="log"}'), 0)
      await standIn.proxy.stop(signal)
      anchors += standIn.proxy.stdout
    }
    const anchored = join(t.testdirName, 'anchors')
    writeFileSync(anchored, anchors)
    const report = await verified(file, key, anchored)
    t.same(problems(report), [], shown(report))
    t.equal(report.chains.length, 1)
    t.equal(report.files[0]?.sealedLines, readFileSync(file, 'utf8').trimEnd().split('\n').length)
    t.notOk(findings(report).some(({ kind }) => kind === 'unsealed'))
  })
}
