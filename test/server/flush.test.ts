import { mkdtempSync, rmSync } from 'node:fs'
import https from 'node:https'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readAuditLog, type LoggedEvent } from '../support/audit-log.js'
import { METRICS_FLAG, ProxyMetrics } from '../support/proxy-metrics.js'
import { sendJSON, StandIn } from '../support/stand-in.js'
import { ok, WebhookReceiver } from '../support/webhook-receiver.js'
import { writeKubeconfig } from '../support/webhook.js'

const PODS = '/api/v1/namespaces/default/pods'
const BUFFERED = 20_000

async function start(t: Test, flags: readonly string[]): Promise<StandIn> {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList', apiVersion: 'v1', items: [] }),
    flags: [METRICS_FLAG, ...flags],
  })
  t.teardown(() => standIn.stop())
  return standIn
}

function directory(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'flush-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  return dir
}

/** A receiver that does not answer yet. */
async function silentReceiver(t: Test) {
  const receiver = await WebhookReceiver.start()
  t.teardown(() => receiver.stop())
  const waiting: ServerResponse[] = []
  receiver.answer = (response) => void waiting.push(response)
  const config = writeKubeconfig(directory(t), { server: receiver.url })
  return {
    receiver,
    flags: [`--audit-webhook-config-file=${config}`, '--audit-webhook-batch-max-wait=1h'],
    /** Answers what waits and what comes. */
    speak: () => {
      receiver.answer = ok
      for (const response of waiting) response.end()
    },
  }
}

/** Clients that go on until the proxy refuses them. */
class Load {
  /** The Audit-IDs of all that was answered. */
  readonly answered: string[] = []
  readonly #agent = new https.Agent({ keepAlive: true })
  #next = 0
  readonly #clients: Promise<void>[]

  readonly #standIn: StandIn

  constructor(standIn: StandIn, concurrency: number) {
    this.#standIn = standIn
    this.#clients = Array.from({ length: concurrency }, () => this.#client())
  }

  /** Resolves when the proxy is gone. */
  async over(): Promise<void> {
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }

  async #client(): Promise<void> {
    for (;;) {
      const id = `request-${this.#next++}`
      try {
        await this.#standIn.ask(PODS, {
          ...this.#standIn.as(),
          agent: this.#agent,
          headers: { 'audit-id': id },
        })
      } catch {
        return
      }
      this.answered.push(id)
    }
  }
}

/** Sends SIGTERM while requests go on and at least BUFFERED events wait; answers the exit code. */
async function stopUnderLoad(standIn: StandIn, plugin: string, stopping: () => void) {
  const metrics = new ProxyMetrics(standIn.proxy)
  const load = new Load(standIn, 16)
  const queued = `kube_audit_proxy_audit_queue_events{plugin="${plugin}"}`
  const samples = await metrics.until((s) => (s.get(queued) ?? 0) >= BUFFERED, 90)
  const exited = standIn.proxy.stop()
  await standIn.proxy.logged('shutting down')
  stopping()
  const code = await exited
  await load.over()
  return { code, samples, answered: load.answered }
}

/** Each event once; all events of each request that was answered, and of any other that was begun. */
function checkEvents(
  t: Test,
  events: readonly Pick<LoggedEvent, 'auditID' | 'stage'>[],
  answered: readonly string[],
): void {
  t.ok(events.length >= BUFFERED)
  const keys = new Set(events.map((e) => `${e.auditID} ${e.stage}`))
  t.equal(keys.size, events.length, 'no event twice')
  const ids = new Set([...answered, ...events.map((e) => e.auditID)])
  const missing = [...ids]
    .flatMap((id) => [`${id} RequestReceived`, `${id} ResponseComplete`])
    .filter((key) => !keys.has(key))
  t.strictSame(missing, [], 'no event is missing')
}

await t.test('SIGTERM under load: the log gets what is buffered', async (t) => {
  const standIn = await start(t, [
    '--audit-log-mode=batch',
    '--audit-log-batch-max-wait=1h',
    '--audit-log-batch-max-size=100000',
    '--audit-log-batch-buffer-size=100000',
  ])
  const { code, answered } = await stopUnderLoad(standIn, 'log', () => undefined)
  t.equal(code, 0)
  checkEvents(t, readAuditLog(standIn.auditLog), answered)
})

await t.test('SIGTERM under load: the webhook gets what is buffered when it answers at last', async (t) => {
  const { receiver, flags, speak } = await silentReceiver(t)
  const standIn = await start(t, [
    ...flags,
    '--audit-log-path=',
    '--audit-webhook-batch-max-size=15000',
    '--audit-webhook-batch-buffer-size=100000',
  ])
  const { code, answered } = await stopUnderLoad(standIn, 'webhook', speak)
  t.equal(code, 0)
  const items = receiver.requests.flatMap((list) => list.items)
  checkEvents(t, items, answered)
})

/** Requests one after the other, each two events. */
async function ask(standIn: StandIn, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await standIn.ask(PODS, { headers: { 'audit-id': `request-${i}` } })
}

await t.test('a webhook that never answers: what is lost is counted', async (t) => {
  const { receiver, flags } = await silentReceiver(t)
  const standIn = await start(t, [...flags, '--audit-webhook-batch-max-size=7', '--shutdown-timeout=2s'])
  await ask(standIn, 50)
  await receiver.watch.until(() => receiver.requests.length === 4)
  t.equal(await standIn.proxy.stop(), 0)
  const lines = standIn.proxy.logLines.map((line) => JSON.parse(line) as Record<string, unknown>)
  const lost = lines.filter(({ msg }) =>
    /^audit events (could not be recorded|were dropped)$/.test(String(msg)),
  )
  t.equal(
    lost.reduce((sum, { count }) => sum + Number(count), 0),
    100,
  )
  t.equal(readAuditLog(standIn.auditLog).length, 100, 'the log beside it has all')
})

await t.test('a webhook that never answers, with a spool: the next start delivers', async (t) => {
  const { receiver, flags, speak } = await silentReceiver(t)
  const spool = join(directory(t), 'spool')
  const standIn = await start(t, [
    ...flags,
    '--audit-webhook-batch-max-size=7',
    `--audit-webhook-spool-directory=${spool}`,
    '--shutdown-timeout=2s',
  ])
  await ask(standIn, 50)
  await receiver.watch.until(() => receiver.requests.length > 0)
  t.equal(await standIn.proxy.stop(), 0)
  t.match(
    standIn.proxy.logLines.filter((line) => line.includes('events stay in the spool')),
    [new RegExp(`100 events are in ${spool}`)],
  )
  t.notOk(standIn.proxy.logLines.some((line) => line.includes('could not be recorded')))

  receiver.requests.length = 0
  speak()
  await standIn.startProxy()
  await receiver.watch.until(() => receiver.auditIDs.length >= 100)
  t.equal(await standIn.proxy.stop(), 0)
  const keys = receiver.requests.flatMap(({ items }) => items.map((e) => `${e.auditID} ${e.stage}`))
  t.strictSame(
    keys.sort(),
    Array.from({ length: 50 }, (_, i) => [`request-${i} RequestReceived`, `request-${i} ResponseComplete`])
      .flat()
      .sort(),
  )
})
