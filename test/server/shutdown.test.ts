import { once } from 'node:events'
import https from 'node:https'
import t from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { byAuditID, readAuditLog } from '../support/audit-log.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const WATCH = '/api/v1/configmaps?watch=true'

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  await t.test(`${signal} finishes what is short and ends what is long-running`, async (t) => {
    const arrivals = new Arrivals()
    const standIn = await StandIn.start({ upstream: (req, res) => arrivals.emit('request', req, res) })
    t.teardown(() => standIn.stop())

    let arrived = arrivals.next()
    const watchOpened = standIn.open(WATCH, { agent: false, headers: { 'audit-id': 'watch' } })
    const [, watchUpstream] = await arrived
    watchUpstream.write('{"type":"ADDED","object":{}}\n')
    const watch = await watchOpened
    await once(watch, 'data')

    arrived = arrivals.next()
    const short = standIn.ask('/api/v1/pods', { headers: { 'audit-id': 'short' } })
    const [, shortUpstream] = await arrived

    const watchEnded = once(watch.resume(), 'end')
    const exited = standIn.proxy.stop(signal)
    await watchEnded
    t.equal(watch.complete, true, 'the watch ends as a stream ends, not as a broken one')
    await t.rejects(
      once(https.get({ ...standIn.as(), agent: false, path: '/version' }), 'response'),
      { code: 'ECONNREFUSED' },
      'no new connection is accepted',
    )
    sendJSON(shortUpstream, 200, { kind: 'PodList' })
    const answer = await short
    t.equal(answer.status, 200, 'the short request is answered')
    t.equal(await exited, 0)

    const events = byAuditID(readAuditLog(standIn.auditLog))
    t.strictSame(
      events.get('watch')?.map((e) => e.stage),
      ['RequestReceived', 'ResponseStarted', 'ResponseComplete'],
    )
    t.strictSame(
      events.get('short')?.map((e) => [e.stage, e.responseStatus?.code]),
      [
        ['RequestReceived', undefined],
        ['ResponseComplete', 200],
      ],
    )
  })
}

await t.test('a client learns from the last response that its connection closes', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({ upstream: (req, res) => arrivals.emit('request', req, res) })
  t.teardown(() => standIn.stop())
  const [busy, idle] = [0, 1].map(() => new https.Agent({ keepAlive: true, maxSockets: 1 }))
  t.teardown(() => [busy, idle].forEach((agent) => agent?.destroy()))
  const ask = async (agent: https.Agent | undefined) => {
    const arrived = arrivals.next()
    const answer = standIn.ask('/api/v1/pods', { agent })
    const [, upstream] = await arrived
    return async () => {
      sendJSON(upstream, 200, { kind: 'PodList' })
      return (await answer).headers.connection
    }
  }
  t.equal(await (await ask(idle))(), 'keep-alive', 'the connection stays open for more')
  const arrived = arrivals.next()
  const watchOpened = standIn.open(WATCH, { agent: false })
  ;(await arrived)[1].write('{"type":"ADDED","object":{}}\n')
  const watch = (await watchOpened).resume()
  const finishBusy = await ask(busy)

  const watchEnded = once(watch, 'end')
  const exited = standIn.proxy.stop()
  await watchEnded
  t.equal(
    await (
      await ask(idle)
    )(),
    'close',
    'of one that idled, which is not closed while others are under way',
  )
  t.equal(await finishBusy(), 'close', 'of one with a request under way')
  t.equal(await exited, 0)
})

await t.test('a second signal ends at once', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({ upstream: (req, res) => arrivals.emit('request', req, res) })
  t.teardown(() => standIn.stop())
  const arrived = arrivals.next()
  const req = https.get({ ...standIn.as(), agent: false, path: '/api/v1/pods' })
  req.on('error', () => undefined)
  await arrived
  const exited = once(standIn.proxy.child, 'exit')
  standIn.proxy.child.kill('SIGTERM')
  while (!standIn.proxy.logLines.some((line) => line.includes('shutting down'))) {
    await once(standIn.proxy.child.stderr as NodeJS.ReadableStream, 'data')
  }
  standIn.proxy.child.kill('SIGTERM')
  t.strictSame(await exited, [1, null])
})

await t.test('--shutdown-timeout bounds the wait for a request that does not end', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({
    upstream: (req, res) => arrivals.emit('request', req, res),
    flags: ['--shutdown-timeout=2s'],
  })
  t.teardown(() => standIn.stop())
  const arrived = arrivals.next()
  const asked = standIn.ask('/api/v1/pods', { headers: { 'audit-id': 'stuck' } })
  await arrived
  const exited = standIn.proxy.stop()
  const answer = await asked
  t.equal(answer.status, 503)
  t.equal(await exited, 0)
  t.match(byAuditID(readAuditLog(standIn.auditLog)).get('stuck')?.at(-1), {
    stage: 'ResponseComplete',
    responseStatus: { code: 503 },
  })
})
