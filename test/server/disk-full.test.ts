import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readAuditLog } from '../support/audit-log.js'
import { METRICS_FLAG, ProxyMetrics } from '../support/proxy-metrics.js'
import { mountSmallDisk } from '../support/small-disk.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const ROUND = 200

for (const mode of ['blocking', 'batch']) {
  await t.test(`${mode}: a disk that is full for a while`, async (t) => {
    const disk = mountSmallDisk(t, 1024)
    if (disk === undefined) return
    const file = join(disk, 'audit.log')
    const ballast = join(disk, 'ballast')
    // Less than what the events of one round need.
    writeFileSync(ballast, Buffer.alloc((1024 - 100) * 1024))
    const standIn = await StandIn.start({
      upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList', apiVersion: 'v1', items: [] }),
      flags: [METRICS_FLAG, `--audit-log-path=${file}`, `--audit-log-mode=${mode}`],
    })
    t.teardown(() => standIn.stop())
    const metrics = new ProxyMetrics(standIn.proxy)
    const expected: string[] = []

    /** Requests, some at a time; answers how many events they are together with all before. */
    const requests = async (): Promise<number> => {
      const ids = Array.from({ length: ROUND }, (_, i) => `request-${expected.length / 2 + i}`)
      for (const id of ids) expected.push(`${id} RequestReceived`, `${id} ResponseComplete`)
      const clients = Array.from({ length: 8 }, async () => {
        for (let id = ids.shift(); id !== undefined; id = ids.shift()) {
          const answer = await standIn.ask('/api/v1/pods', { headers: { 'audit-id': id } })
          if (answer.status !== 200) t.equal(answer.status, 200)
        }
      })
      await Promise.all(clients)
      return expected.length
    }
    const stored = () => new Set(readAuditLog(file).map((e) => `${e.auditID} ${e.stage}`))
    const lost = 'apiserver_audit_error_total{plugin="log"}'
    /** The metric, when every event is either in the file or counted there. */
    const settled = async (events: number): Promise<number> => {
      const samples = await metrics.until((s) => stored().size + (s.get(lost) ?? 0) >= events)
      return samples.get(lost) ?? 0
    }

    const lostWhileFull = await settled(await requests())
    t.ok(lostWhileFull > 0, 'events are lost')
    t.ok(stored().size > 0, 'but not those before')

    rmSync(ballast)
    const before = stored()
    t.equal(await settled(await requests()), lostWhileFull, 'with room again, none is lost')
    const after = stored()
    t.equal(after.size, before.size + 2 * ROUND)

    t.equal(await standIn.proxy.stop(), 0)
    const events = readAuditLog(file)
    t.equal(events.length, after.size, 'no event twice')
    const gap = expected.filter((key) => !after.has(key))
    t.equal(gap.length, lostWhileFull, 'the metric is the gap in the file')
    const counted = standIn.proxy.logLines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => msg === 'audit events could not be recorded')
      .reduce((sum, { count }) => sum + Number(count), 0)
    t.equal(counted, lostWhileFull, 'and so are the lines of the log together')
  })
}
