import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { byAuditID, readAuditLog } from '../support/audit-log.js'
import { METRICS_FLAG, ProxyMetrics, sumOf } from '../support/proxy-metrics.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

t.setTimeout(300_000)

const standIn = await StandIn.start({
  upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList' }),
  flags: ['--workers=2', METRICS_FLAG, '--audit-log-mode=blocking'],
})
t.teardown(() => standIn.stop())
const { proxy } = standIn
const metrics = new ProxyMetrics(proxy)

/** The workers that are alive. */
function workers(): number[] {
  const isAlive = (pid: number) =>
    existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return proxy.logLines
    .filter((line) => line.includes('"msg":"worker started"'))
    .map((line) => (JSON.parse(line) as { worker: number }).worker)
    .filter(isAlive)
}

/** Kills both workers, and answers what is said of that, when there is a new one. */
async function killBoth(): Promise<string[]> {
  const from = proxy.logLines.length
  for (const pid of workers()) process.kill(pid, 'SIGKILL')
  const first = await proxy.logged('a worker has died', from)
  const second = await proxy.logged('a worker has died', first + 1)
  await proxy.logged('"msg":"worker started"', from)
  return [first, second].map((line) => proxy.logLines[line] ?? '')
}

const bothServe = () => metrics.until((all) => all.get('kube_audit_proxy_workers') === 2, 120)
const counted = async () => sumOf(await metrics.scrape(), 'apiserver_audit_level_total')

await t.test('of workers that die together, one is replaced at once each time', async (t) => {
  for (let round = 0; round < 2; round++) {
    await bothServe()
    const deaths = await killBoth()
    const atOnce = deaths.filter((line) => line.includes('"msg":"a worker has died and is replaced"'))
    t.ok(atOnce.length >= 1, deaths.join('\n'))
    t.equal((await standIn.ask('/api/v1/pods')).status, 200)
  }
})

await t.test('what a killed worker has counted still counts, and no sum goes back', async (t) => {
  const seen: number[] = []
  let kept = 0
  // What it had counted a second before: a machine that has no time to ask for that gets another chance.
  for (let round = 0; round < 4 && kept < 10; round++) {
    await bothServe()
    const before = await counted()
    await Promise.all(Array.from({ length: 10 }, () => standIn.ask('/api/v1/pods')))
    await sleep(2500)
    let isOver = false
    const killed = killBoth().finally(() => (isOver = true))
    while (!isOver) {
      seen.push(await counted())
      await sleep(50)
    }
    await killed
    seen.push(await counted())
    kept = (seen.at(-1) ?? 0) - before
  }
  t.equal(kept, 10)
  const sorted = [...seen].sort((a, b) => a - b)
  t.strictSame(seen, sorted)
})

await t.test(
  'a primary that is killed: what is answered is stored, and workers end with one line',
  async (t) => {
    await bothServe()
    const answered: string[] = []
    let isOver = false
    const client = async (n: number): Promise<void> => {
      const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
      for (let i = 0; !isOver; i++) {
        const headers = { 'audit-id': `${n}-${i}` }
        const asked = standIn.ask('/api/v1/pods', { ...standIn.as(), agent, headers })
        const answer = await asked.catch(() => undefined)
        if (answer?.status === 200) answered.push(headers['audit-id'])
        else isOver = true
      }
      agent.destroy()
    }
    const clients = Array.from({ length: 16 }, (_, n) => client(n))
    while (answered.length < 300 && !isOver) await once(standIn.upstream, 'request')
    t.equal(await proxy.stop('SIGKILL'), 'SIGKILL')
    await Promise.all(clients)
    const stored = byAuditID(readAuditLog(standIn.auditLog))
    t.strictSame(
      answered.filter((id) => !stored.has(id)),
      [],
    )
    const last = proxy.logLines.filter((line) => line.includes('the primary process is gone'))
    t.equal(last.length, 2, last.join('\n'))
    t.notMatch(proxy.logLines.join('\n'), /uncaught|EPIPE/)
  },
)
