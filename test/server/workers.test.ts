import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { byAuditID, readAuditLog, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { METRICS_FLAG, ProxyMetrics, sumOf } from '../support/proxy-metrics.js'
import { ProxyProcess } from '../support/proxy-process.js'
import { mountSmallDisk } from '../support/small-disk.js'
import { sendJSON, StandIn, type StandInOptions } from '../support/stand-in.js'

t.setTimeout(180_000)

const WATCH = '/api/v1/configmaps?watch=true'

async function start(t: Test, options: Partial<StandInOptions> = {}): Promise<StandIn> {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList' }),
    ...options,
    flags: ['--workers=2', ...(options.flags ?? [])],
  })
  t.teardown(() => standIn.stop())
  return standIn
}

/** The process ids of the workers, as the log says them, oldest first. */
function workerPids(standIn: StandIn): number[] {
  return standIn.proxy.logLines
    .filter((line) => line.includes('"msg":"worker started"'))
    .map((line) => (JSON.parse(line) as { worker: number }).worker)
}

/** Whether the process is there and is not a zombie. */
function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
}

/** The worker that has a connection to the client's port. */
async function workerOf(standIn: StandIn, localPort: number): Promise<number> {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  const tcp = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  const inode = tcp.find(
    (f) => f[1]?.endsWith(`:${hex(standIn.proxy.port)}`) && f[2]?.endsWith(`:${hex(localPort)}`),
  )?.[9]
  const owner = workerPids(standIn).find((pid) =>
    readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`
      } catch {
        return false
      }
    }),
  )
  if (owner === undefined) throw new Error('no worker has the connection')
  return owner
}

/** Sends requests over connections of their own at the same time, and answers their audit IDs. */
async function load(standIn: StandIn, connections: number, each: number): Promise<string[]> {
  const ids: string[] = []
  const client = async (n: number): Promise<void> => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < each; i++) {
      const id = `${n}-${i}`
      const answer = await standIn.ask('/api/v1/pods', {
        ...standIn.as(),
        agent,
        headers: { 'audit-id': id },
      })
      if (answer.status === 200) ids.push(id)
    }
    agent.destroy()
  }
  await Promise.all(Array.from({ length: connections }, (_, n) => client(n)))
  return ids
}

/** Every event in the log and in its rotated files. */
function readAll(standIn: StandIn): LoggedEvent[] {
  return readdirSync(standIn.dir)
    .filter((name) => name.startsWith('audit') && name.endsWith('.log'))
    .flatMap((name) => readAuditLog(join(standIn.dir, name)))
}

function stages(events: LoggedEvent[] | undefined): string[] | undefined {
  return events?.map(({ stage }) => stage)
}

for (const mode of ['blocking', 'batch']) {
  await t.test(`${mode}: one log, whole and rotated, and metrics that add up`, async (t) => {
    // A long list of groups makes the log grow fast.
    const body = { kind: 'PodList', filler: 'x'.repeat(20_000) }
    const standIn = await start(t, {
      upstream: (_req, res) => sendJSON(res, 200, body),
      policy: 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n',
      flags: [`--audit-log-mode=${mode}`, '--audit-log-maxsize=1', METRICS_FLAG, '--log-level=debug'],
    })
    const ids = await load(standIn, 20, 8)
    t.equal(ids.length, 160, 'all requests are answered')
    const samples = await new ProxyMetrics(standIn.proxy).scrape()
    t.equal(sumOf(samples, 'apiserver_audit_level_total'), 160)
    t.equal(sumOf(samples, 'apiserver_audit_event_total'), 320)
    t.equal(sumOf(samples, 'kube_audit_proxy_audit_dropped_events_total'), 0)
    t.equal(samples.get('kube_audit_proxy_workers'), 2)
    t.equal(await standIn.proxy.stop(), 0)
    const files = readdirSync(standIn.dir).filter((name) => /^audit.*\.log$/.test(name))
    t.ok(files.length >= 3, `the log was rotated: ${files.join(' ')}`)
    const events = byAuditID(readAll(standIn))
    t.strictSame([...events.keys()].sort(), ids.sort())
    for (const [id, found] of events) {
      const expected = ['RequestReceived', 'ResponseComplete']
      if (String(stages(found)?.sort()) !== String(expected)) t.fail(`${id}: ${String(stages(found))}`)
    }
  })
}

await t.test('both workers serve', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await start(t, { upstream: (req, res) => arrivals.emit('request', req, res) })
  const watches: IncomingMessage[] = []
  for (let i = 0; i < 4; i++) {
    const arrived = arrivals.next()
    const opened = standIn.open(WATCH, { agent: false })
    const [, upstream] = await arrived
    upstream.write('{}\n')
    watches.push(await opened)
  }
  const owners = await Promise.all(watches.map((w) => workerOf(standIn, w.socket.localPort as number)))
  const pids = workerPids(standIn)
  t.equal(new Set(pids).size, 2)
  t.strictSame(owners.sort(), [pids[0], pids[0], pids[1], pids[1]].sort(), 'in turn')
})

await t.test('SIGTERM under load loses no event', async (t) => {
  const standIn = await start(t, { flags: ['--audit-log-mode=batch'] })
  const answered: string[] = []
  let stopped = false
  const client = async (n: number): Promise<void> => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; !stopped; i++) {
      const id = `${n}-${i}`
      try {
        await standIn.ask('/api/v1/pods', { ...standIn.as(), agent, headers: { 'audit-id': id } })
        answered.push(id)
      } catch {
        // Connections are refused from here on.
        stopped = true
      }
    }
    agent.destroy()
  }
  const clients = Array.from({ length: 10 }, (_, n) => client(n))
  while (answered.length < 200) await once(standIn.upstream, 'request')
  t.equal(await standIn.proxy.stop(), 0)
  stopped = true
  await Promise.all(clients)
  const events = byAuditID(readAll(standIn))
  const missing = answered.filter(
    (id) => String(stages(events.get(id))?.sort()) !== 'RequestReceived,ResponseComplete',
  )
  t.strictSame(missing, [])
  const open = [...events.values()].filter((found) => found.length !== 2)
  t.strictSame(open, [], 'what began has ended')
})

for (const omitStages of ['', 'RequestReceived']) {
  const omitting = omitStages === '' ? '' : `, without ${omitStages}`
  await t.test(
    `a worker that is killed is replaced and its requests end in the log${omitting}`,
    async (t) => {
      const arrivals = new Arrivals()
      const standIn = await start(t, {
        upstream: (req, res) => arrivals.emit('request', req, res),
        policy: `apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [${omitStages}]\nrules: [{level: Metadata}]\n`,
        flags: [METRICS_FLAG],
      })
      let arrived = arrivals.next()
      const opened = standIn.open(WATCH, { agent: false, headers: { 'audit-id': 'watch' } })
      const [, upstream] = await arrived
      upstream.write('{}\n')
      const watch = await opened
      const victim = await workerOf(standIn, watch.socket.localPort as number)
      // Connections go in turn: one of these two is the victim's.
      const asked: Promise<unknown>[] = []
      const owners: number[] = []
      for (const id of ['short-0', 'short-1']) {
        arrived = arrivals.next()
        const req = https.get({
          ...standIn.as(),
          agent: false,
          path: '/api/v1/pods',
          headers: { 'audit-id': id },
        })
        asked.push(once(req, 'response').catch(() => undefined))
        const [, res] = await arrived
        owners.push(await workerOf(standIn, req.socket?.localPort as number))
        if (owners.at(-1) !== victim) sendJSON(res, 200, {})
      }
      t.equal(owners.filter((pid) => pid === victim).length, 1)
      const before = await new ProxyMetrics(standIn.proxy).scrape()
      const cut = new Promise((resolve) =>
        watch
          .resume()
          .on('close', resolve)
          .on('error', () => {}),
      )
      process.kill(victim, 'SIGKILL')
      await cut
      const died = await standIn.proxy.logged('a worker has died and is replaced')
      await standIn.proxy.logged('"msg":"worker started"', died)
      await Promise.all(asked)

      const short = `short-${owners.indexOf(victim)}`
      const events = await waitForEvents(standIn.auditLog, (all) => {
        const groups = byAuditID(all)
        return [short, 'watch'].every((id) => groups.get(id)?.at(-1)?.stage === 'Panic') ? groups : undefined
      })
      const first = omitStages === '' ? ['RequestReceived'] : []
      t.strictSame(stages(events.get(short)), [...first, 'Panic'])
      t.strictSame(stages(events.get('watch')), [...first, 'ResponseStarted', 'Panic'])
      for (const id of [short, 'watch']) {
        t.match(events.get(id)?.at(-1), {
          verb: id === 'watch' ? 'watch' : 'list',
          user: { username: 'admin' },
          responseStatus: { code: 500, reason: 'InternalError' },
          annotations: { 'kube-audit-proxy.io/aborted': 'by the proxy, whose worker process died' },
        })
      }
      t.equal(
        events.get(`short-${1 - owners.indexOf(victim)}`)?.at(-1)?.responseStatus?.code,
        200,
        'the other worker was not disturbed',
      )
      arrivals.on('request', (_req, res) => sendJSON(res, 200, {}))
      t.equal((await load(standIn, 4, 1)).length, 4, 'the service goes on')
      const after = await new ProxyMetrics(standIn.proxy).scrape()
      t.equal(after.get('kube_audit_proxy_workers'), 2)
      t.equal(after.get('kube_audit_proxy_worker_replacements_total'), 1)
      t.equal(
        sumOf(after, 'apiserver_audit_level_total'),
        sumOf(before, 'apiserver_audit_level_total') + 4,
        'what the dead worker had counted still counts',
      )
    },
  )
}

await t.test('blocking-strict: the request fails where the log does', async (t) => {
  const disk = mountSmallDisk(t, 64)
  if (disk === undefined) return
  const standIn = await start(t, {
    flags: [`--audit-log-path=${join(disk, 'audit.log')}`, '--audit-log-mode=blocking-strict', METRICS_FLAG],
  })
  t.equal((await standIn.ask('/api/v1/pods')).status, 200)
  t.throws(() => writeFileSync(join(disk, 'filler'), Buffer.alloc(100_000)), { code: 'ENOSPC' })
  const refused = await Promise.all(Array.from({ length: 200 }, () => standIn.ask('/api/v1/pods')))
  const failed = refused.filter(({ status }) => status === 500)
  t.ok(failed.length > 100, `${failed.length} of 200 requests are refused`)
  t.match(JSON.parse(failed[0]?.body.toString() ?? ''), { kind: 'Status', code: 500 })
  const samples = await new ProxyMetrics(standIn.proxy).scrape()
  t.equal(samples.get('apiserver_audit_requests_rejected_total'), failed.length)
})

await t.test('a new policy reaches all workers, and a bad one is said once', async (t) => {
  const standIn = await start(t)
  const file = join(standIn.dir, 'policy.yaml')
  const { proxy } = standIn
  let from = proxy.logLines.length
  writeFileSync(file, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Nonsense}]\n')
  proxy.child.kill('SIGHUP')
  await proxy.logged('cannot reload', from)
  from = proxy.logLines.length
  writeFileSync(file, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]\n')
  await proxy.logged('"file":"audit-policy-file","rules":', from)
  // Where the log is that it has been read, the workers are told; a reload that is asked for waits for them.
  from = proxy.logLines.length
  proxy.child.kill('SIGHUP')
  await proxy.logged('"file":"tls-cert-file","msg":"configuration reloaded"', from)
  t.equal((await load(standIn, 4, 2)).length, 8)
  t.equal(proxy.logLines.filter((line) => line.includes('cannot reload')).length, 1)
  t.equal(await proxy.stop(), 0)
  t.strictSame(readAll(standIn), [])
})

await t.test('workers do not outlive a primary that is killed, nor obey the terminal', async (t) => {
  const standIn = await start(t)
  const pids = workerPids(standIn)
  for (const pid of pids) for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.kill(pid, signal)
  t.equal((await load(standIn, 4, 2)).length, 8)
  // Their standard error is the proxy's own: it ends when the last of them has.
  const ended = once(standIn.proxy.child.stderr as NodeJS.ReadableStream, 'close')
  t.equal(await standIn.proxy.stop('SIGKILL'), 'SIGKILL')
  await ended
  t.strictSame(pids.filter(isAlive), [])
})

await t.test('a port that is taken stops the start', async (t) => {
  const standIn = await start(t)
  const args = readFileSync(`/proc/${standIn.proxy.child.pid}/cmdline`, 'utf8').split('\0')
  const flags = args.filter((arg) => arg.startsWith('--'))
  await t.rejects(
    ProxyProcess.start([
      ...flags,
      `--secure-port=${standIn.proxy.port}`,
      `--audit-log-path=${standIn.auditLog}.2`,
    ]),
    /exited with 1:[^]*cannot listen: [^]*EADDRINUSE/,
  )
})
