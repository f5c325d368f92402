import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { LoggedEvent } from '../support/audit-log.js'
import { BusyClients, type BusyRequest } from '../support/busy-clients.js'
import { sendJSON, StandIn } from '../support/stand-in.js'
import { WebhookReceiver } from '../support/webhook-receiver.js'
import { writeKubeconfig } from '../support/webhook.js'

/** How often the proxy is killed in each mode. */
const KILLS = Number(process.env['KILLS'] ?? 2)
/** Answers after which it is killed, at the most. */
const ANSWERS = 200

const PODS = '/api/v1/namespaces/default/pods'
const BODY = JSON.stringify({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'p' } })

/** Answers that end in every way that there is. */
const REQUESTS: readonly BusyRequest[] = [
  { method: 'GET', path: `${PODS}/small` },
  { method: 'GET', path: `${PODS}/chunked` },
  { method: 'HEAD', path: `${PODS}/small` },
  { method: 'GET', path: `${PODS}/large` },
  { method: 'POST', path: `${PODS}?created`, body: BODY, headers: { 'content-type': 'application/json' } },
  { method: 'GET', path: `${PODS}?watch=true` },
  { method: 'DELETE', path: `${PODS}/no-content` },
  { method: 'GET', path: `${PODS}/not-modified` },
  { method: 'GET', path: `${PODS}/nothing` },
  { method: 'HEAD', path: `${PODS}/small/log` },
  { method: 'GET', path: `${PODS}/missing` },
  { method: 'GET', path: `${PODS}/silent` },
]
const REFUSED: BusyRequest = { method: 'GET', path: PODS, anonymous: true }

function upstream(req: IncomingMessage, res: ServerResponse): void {
  const pod = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'p' } }
  const [, last] = /([a-z-]+)(?:=true)?$/.exec(req.url ?? '') ?? []
  switch (last) {
    case 'chunked':
    case 'watch':
      res.write('{"kind":"Pod"')
      return void res.end('}')
    case 'large':
      return sendJSON(res, 200, { ...pod, data: 'x'.repeat(200_000) })
    case 'created':
      return void req.resume().on('end', () => sendJSON(res, 201, pod))
    case 'no-content':
      return void res.writeHead(204).end()
    case 'not-modified':
      return void res.writeHead(304).end()
    case 'nothing':
      return void res.writeHead(200, { 'content-length': 0 }).end()
    case 'missing':
      return sendJSON(res, 404, { kind: 'Status', code: 404 })
    case 'silent':
      return void req.socket.destroy()
    case undefined:
    default:
      return sendJSON(res, 200, pod)
  }
}

interface Mode {
  readonly name: string
  readonly flags: (dir: string, webhook: string) => readonly string[]
  /** Where each request that was answered has its last event; undefined: nowhere for sure. */
  readonly keeper: 'log' | 'webhook' | 'spool' | undefined
}

const MODES: readonly Mode[] = [
  { name: 'batch', flags: () => [], keeper: undefined },
  { name: 'blocking', flags: () => ['--audit-log-mode=blocking'], keeper: 'log' },
  { name: 'blocking-strict', flags: () => ['--audit-log-mode=blocking-strict'], keeper: 'log' },
  {
    name: 'blocking, beside a webhook with a spool',
    flags: (dir, webhook) => [
      '--audit-log-mode=blocking',
      `--audit-webhook-config-file=${webhook}`,
      `--audit-webhook-spool-directory=${join(dir, 'spool')}`,
    ],
    keeper: 'log',
  },
  {
    name: 'blocking, with workers',
    flags: () => ['--audit-log-mode=blocking', '--workers=2'],
    keeper: 'log',
  },
  {
    name: 'blocking, to a webhook with a spool',
    flags: (dir, webhook) => [
      `--audit-webhook-config-file=${webhook}`,
      '--audit-webhook-mode=blocking',
      `--audit-webhook-spool-directory=${join(dir, 'spool')}`,
    ],
    keeper: 'spool',
  },
  ...(['blocking', 'blocking-strict'] as const).map((mode): Mode => ({
    name: `${mode}, to a webhook`,
    flags: (_, webhook) => [`--audit-webhook-config-file=${webhook}`, `--audit-webhook-mode=${mode}`],
    keeper: 'webhook',
  })),
]

const only = process.env['KILL_MODE']
for (const mode of MODES)
  await t.test(`killed in mode ${mode.name}`, { skip: only !== undefined && only !== mode.name }, (t) =>
    killed(t, mode),
  )

async function killed(t: Test, { flags, keeper }: Mode): Promise<void> {
  const receiver = await WebhookReceiver.start()
  t.teardown(() => receiver.stop())
  const webhook = writeKubeconfig(t.testdir(), { server: receiver.url })
  const standIn = await StandIn.start({
    upstream,
    flags: ['--anonymous-auth=false'],
    fileFlags: ({ dir }) => flags(dir, webhook),
  })
  t.teardown(() => standIn.stop())

  const answered = new Map<string, BusyRequest>()
  for (let kill = 0; kill < KILLS; kill++) {
    if (kill > 0) await standIn.startProxy()
    const until = answered.size + randomInt(1, ANSWERS)
    await new Promise<void>((resolve) => {
      const clients = new BusyClients(`kill-${kill}`, {
        as: standIn.as(),
        asNobody: standIn.as('nobody'),
        requests: [...REQUESTS, REFUSED],
        http1: 12,
        http2: 4,
        onAnswered(auditID, request) {
          answered.set(auditID, request)
          if (answered.size === until) standIn.proxy.child.kill('SIGKILL')
        },
      })
      void clients.done.then(() => resolve())
    })
    await standIn.proxy.stop('SIGKILL')
  }

  const lines = readFileSync(standIn.auditLog, 'utf8').split('\n')
  t.equal(lines.pop(), '', 'no line is torn')
  const logged = lines.map((line) => JSON.parse(line) as LoggedEvent)
  const stages = logged.map(({ auditID, stage }) => `${auditID} ${stage}`)
  t.equal(new Set(stages).size, stages.length, 'nothing is doubled')
  t.ok(answered.size >= KILLS, `${answered.size} requests were answered`)
  if (keeper === undefined) return
  const received = () =>
    receiver.requests.flatMap(({ items }) => items.map(({ auditID, stage }) => `${auditID} ${stage}`))
  const missingOf = (kept: ReadonlySet<string>) =>
    [...answered].filter(([auditID, request]) => {
      return !kept.has(`${auditID} ${request === REFUSED ? 'ResponseStarted' : 'ResponseComplete'}`)
    })
  if (keeper === 'spool') {
    // What is there is delivered after the next start.
    await standIn.startProxy()
    await receiver.watch.until(() => missingOf(new Set(received())).length === 0)
  }
  const missing = missingOf(new Set(keeper === 'log' ? stages : received()))
  t.comment(`${KILLS} kills, ${answered.size} answers, ${missing.length} without their event`)
  t.strictSame(missing, [], 'who is answered has an event')
}
