import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { connect, type ConnectionOptions } from 'node:tls'
import t, { type Test } from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { completeEvents } from '../support/audit-log.js'
import { ask, PROTOCOLS } from '../support/protocols.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const PODS = '/api/v1/namespaces/default/pods'
const OUTCOME = 'kube-audit-proxy.io/outcome'
const ABORTED = 'kube-audit-proxy.io/aborted'

async function start(t: Test, flags: readonly string[]) {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({ upstream: (req, res) => arrivals.emit('request', req, res), flags })
  t.teardown(() => standIn.stop())
  return { arrivals, standIn }
}

// Each waits for 5 seconds: they do so together.
t.jobs = 4
await Promise.all([
  t.test('an apiserver that never answers', async (t) => {
    const { arrivals, standIn } = await start(t, ['--request-timeout=0s'])
    const [http1, http2] = await Promise.all(PROTOCOLS.map((protocol) => protocol.connect(t, standIn)))
    const taken = new Map<string, Promise<unknown>>()
    arrivals.on('request', (req, res) => {
      taken.set(String(req.headers['audit-id']), once(res, 'close'))
      if (req.url?.includes('watch=true')) setTimeout(() => sendJSON(res, 200, {}), 6000)
      if (req.url?.endsWith('/begun')) res.write('{')
    })

    const late = [http1, http2].map((client, i) =>
      ask(client!, { path: PODS, method: 'POST', headers: { 'audit-id': `late-${i}` } }, '{}'),
    )
    const watch = ask(http1!, { path: `${PODS}?watch=true`, headers: { 'audit-id': 'watch' } })
    const begun = http1!.send({ path: `${PODS}/begun`, headers: { 'audit-id': 'begun' } })
    const cut = begun.response.then(({ body }) => once(body.resume(), 'error').catch((err: unknown) => err))

    for (const [i, answered] of late.entries()) {
      const { status, headers, body } = await answered
      t.equal(status, 504)
      t.equal(headers['retry-after'], undefined)
      t.equal(headers['audit-id'], `late-${i}`)
      t.strictSame(JSON.parse(body.toString()), {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: 'Timeout: request did not complete within the allotted timeout',
        reason: 'Timeout',
        details: { causes: [{ message: 'the request may have been carried out' }] },
        code: 504,
      })
      await taken.get(`late-${i}`)
      t.match((await completeEvents(standIn.auditLog, `late-${i}`)).at(-1), {
        responseStatus: { code: 504, status: 'Failure', reason: 'Timeout' },
        annotations: { [OUTCOME]: 'unknown', [ABORTED]: 'by the proxy, which had no answer in time' },
      })
    }
    t.equal((await watch).status, 200, 'what is long-running has time')
    await cut
    t.match((await completeEvents(standIn.auditLog, 'begun')).at(-1), {
      responseStatus: { code: 200 },
      annotations: { [ABORTED]: 'by the upstream' },
    })
  }),
  t.test('the time that a request names', async (t) => {
    const { arrivals, standIn } = await start(t, [])
    const arrived = arrivals.next()
    const asked = standIn.ask(`${PODS}?timeout=1ms`)
    await arrived
    t.equal((await asked).status, 504)
  }),
  t.test('an answer of the apiserver itself comes first', async (t) => {
    const { arrivals, standIn } = await start(t, ['--request-timeout=0s'])
    const arrived = arrivals.next()
    const asked = standIn.ask(PODS, { headers: { 'audit-id': 'own' } })
    const [, res] = await arrived
    setTimeout(
      () => sendJSON(res, 504, { kind: 'Status', reason: 'Timeout', message: 'its own', code: 504 }),
      1000,
    )
    t.match(JSON.parse((await asked).body.toString()), { message: 'its own' })
    t.equal((await completeEvents(standIn.auditLog, 'own')).at(-1)?.annotations, undefined)
  }),
  t.test('an upgrade that is never agreed to, where it is not long-running', async (t) => {
    const { standIn } = await start(t, ['--request-timeout=0s'])
    standIn.upstream.on('upgrade', () => undefined)
    const socket: TLSSocket = connect(standIn.as() as ConnectionOptions)
    t.teardown(() => socket.destroy())
    socket.write(
      `GET /apis/x/v1/console HTTP/1.1\r\nHost: x\r\nAudit-ID: console\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    )
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += String(chunk)))
    await once(socket, 'close')
    t.match(text, /^HTTP\/1\.1 504 /)
    t.match((await completeEvents(standIn.auditLog, 'console')).at(-1), {
      responseStatus: { code: 504 },
      annotations: { [OUTCOME]: 'unknown' },
    })
  }),
])
