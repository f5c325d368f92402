import { once } from 'node:events'
import https from 'node:https'
import t, { type Test } from 'tap'
import { parseOptions } from '../../src/options.js'
import { Arrivals } from '../support/arrivals.js'
import { byAuditID, readAuditLog } from '../support/audit-log.js'
import { askHttp2, connectHttp2 } from '../support/http2.js'
import { PKI } from '../support/pki.js'
import { sendJSON, StandIn, type Answer } from '../support/stand-in.js'

const WATCH = '/api/v1/configmaps?watch=true'
const LOGS = '/api/v1/namespaces/default/pods/p/log?follow=true'
const PODS = '/api/v1/pods'
const SLOW = '/api/v1/secrets'

/** A stand-in whose SLOW and long-running requests are answered by the test, and everything else at once. */
async function start(t: Test, flags: readonly string[]): Promise<[StandIn, Arrivals]> {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({
    upstream: (req, res) => {
      if ([SLOW, WATCH, LOGS].includes(req.url ?? '')) arrivals.emit('request', req, res)
      else sendJSON(res, 200, { kind: 'PodList' })
    },
    flags,
  })
  t.teardown(() => standIn.stop())
  return [standIn, arrivals]
}

/**
 * Asks again and again until the answer is 429 so many times in a row, of each worker once; answers the last one, and the
 * codes of those before.
 */
async function untilTurnedAway(standIn: StandIn, workers = 1): Promise<[Answer, number[]]> {
  const before: number[] = []
  for (let inARow = 0; ;) {
    const answer = await standIn.ask(PODS, { headers: { 'audit-id': 'turned-away' } })
    inARow = answer.status === 429 ? inARow + 1 : 0
    if (inARow === workers) return [answer, before]
    before.push(answer.status)
  }
}

for (const workers of [1, 2]) {
  await t.test(`--shutdown-send-retry-after, workers: ${workers}`, async (t) => {
    const [standIn, arrivals] = await start(t, ['--shutdown-send-retry-after', `--workers=${workers}`])
    // One request under way in each process: connections go to the workers in turn.
    const slow: (() => Promise<Answer>)[] = []
    for (let i = 0; i < workers; i++) {
      const arrived = arrivals.next()
      const answer = standIn.ask(SLOW, { headers: { 'audit-id': `slow-${i}` } })
      const [, upstream] = await arrived
      slow.push(() => {
        sendJSON(upstream, 200, { kind: 'SecretList' })
        return answer
      })
    }
    const session = await connectHttp2(standIn.as())
    session.on('error', () => undefined)
    t.equal((await askHttp2(session, { ':path': PODS })).status, 200)
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => agent.destroy())
    t.equal((await standIn.ask(PODS, { agent })).headers.connection, 'keep-alive')

    const exited = standIn.proxy.stop()
    const [answer] = await untilTurnedAway(standIn, workers)
    t.match(answer.headers, {
      'retry-after': '5',
      connection: 'close',
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'audit-id': 'turned-away',
    })
    t.equal(answer.body.toString(), 'The apiserver is shutting down, please try again later.\n')
    const seen = standIn.seen.length
    for (let i = 0; i < 2; i++) t.equal((await standIn.ask(WATCH)).status, 429, 'a new connection')
    t.match(await standIn.ask(PODS, { agent }), { status: 429, headers: { connection: 'close' } })
    t.equal((await standIn.ask(PODS, { method: 'POST', agent: false }, '{}')).status, 429)
    t.equal(standIn.seen.length, seen, 'nothing goes upstream')
    const goaway = once(session, 'goaway')
    const closed = once(session, 'close')
    const byHttp2 = await askHttp2(session, { ':path': PODS })
    t.match(byHttp2, { status: 429, headers: { 'retry-after': '5' } })
    t.equal(byHttp2.headers.connection, undefined)
    t.equal((await goaway)[0], 0)
    await closed

    for (const path of ['/readyz', '/livez/ping', '/healthz', '/metrics/slis'])
      t.equal((await standIn.ask(path)).status, 200, `${path} goes on`)
    const loopback = { 'user-agent': 'kube-apiserver/v1.37.2 (linux/amd64)' }
    t.equal((await standIn.ask(PODS, { headers: loopback })).status, 200)

    for (const finish of slow) t.equal((await finish()).status, 200, 'what was under way is finished')
    t.equal(await exited, 0)
    await t.rejects(standIn.ask(PODS), { code: 'ECONNREFUSED' })
    const events = byAuditID(readAuditLog(standIn.auditLog))
    t.equal(events.get('slow-0')?.at(-1)?.responseStatus?.code, 200)
    t.equal(
      [...events.values()].flat().filter((event) => event.responseStatus?.code === 429).length,
      0,
      'who is turned away leaves no event',
    )
  })
}

await t.test('while --shutdown-delay-duration lasts nobody is turned away', async (t) => {
  const [standIn, arrivals] = await start(t, ['--shutdown-send-retry-after', '--shutdown-delay-duration=3s'])
  const arrived = arrivals.next()
  const slow = standIn.ask(SLOW)
  const [, upstream] = await arrived
  const exited = standIn.proxy.stop()
  await standIn.proxy.logged('shutting down')
  const [, before] = await untilTurnedAway(standIn)
  t.ok(before.length > 0)
  t.strictSame(new Set(before), new Set([200]))
  sendJSON(upstream, 200, {})
  t.equal((await slow).status, 200)
  t.equal(await exited, 0)
})

await t.test('with nothing under way it ends at once', async (t) => {
  const [standIn] = await start(t, ['--shutdown-send-retry-after'])
  t.equal(await standIn.proxy.stop(), 0)
})

for (const flags of [[], ['--workers=2'], ['--shutdown-send-retry-after']]) {
  await t.test(`--shutdown-watch-termination-grace-period ${flags.join(' ')}`, async (t) => {
    const [standIn, arrivals] = await start(t, ['--shutdown-watch-termination-grace-period=2s', ...flags])
    const open = async (path: string, name: string) => {
      const arrived = arrivals.next()
      const opened = standIn.open(path, { agent: false, headers: { 'audit-id': name } })
      const [, upstream] = await arrived
      upstream.write('{"type":"ADDED","object":{}}\n')
      const res = await opened
      await once(res, 'data')
      return { name, res, ended: once(res.resume(), 'end') }
    }
    const watches = []
    for (let i = 0; i < 20; i++) watches.push(await open(WATCH, `watch-${i}`))
    const logs = await open(LOGS, 'logs')
    const exited = standIn.proxy.stop()
    for (const { name, res, ended } of [...watches, logs]) {
      await ended
      t.equal(res.complete, true, `${name} ends as a stream ends, not as a broken one`)
    }
    t.equal(await exited, 0)
    const events = byAuditID(readAuditLog(standIn.auditLog))
    for (const { name } of [...watches, logs])
      t.strictSame(
        events.get(name)?.map(({ stage }) => stage),
        ['RequestReceived', 'ResponseStarted', 'ResponseComplete'],
      )
  })
}

void t.test('bad values', (t) => {
  const context = { env: {}, stderrIsTerminal: false }
  const pki = new PKI(t.testdir())
  const serving = pki.issue(pki.ca('ca'), { name: 'serving', cn: 'proxy', usage: 'server' })
  const needed = [
    `--tls-cert-file=${serving.certFile}`,
    `--tls-private-key-file=${serving.keyFile}`,
    '--kubeconfig=k',
  ]
  for (const [flags, expected] of [
    [['--shutdown-watch-termination-grace-period=-1s'], /found -1s, expected a duration of 0 or more/],
    [
      ['--shutdown-watch-termination-grace-period=46s'],
      /--shutdown-watch-termination-grace-period: found 46s, expected at most 45s, three quarters of --shutdown-timeout/,
    ],
    [['--shutdown-send-retry-after=yes'], /invalid argument "yes"/],
  ] as const)
    t.throws(() => parseOptions([...needed, ...flags], context), expected)
  const good = ['--shutdown-watch-termination-grace-period=46s', '--shutdown-timeout=62s']
  t.match(parseOptions([...needed, ...good], context).shutdown, { watchTerminationGracePeriod: 46_000 })
  t.end()
})
