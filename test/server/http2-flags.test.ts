import { once } from 'node:events'
import https from 'node:https'
import type { ClientHttp2Session, Settings } from 'node:http2'
import t, { type Test } from 'tap'
import { parseOptions } from '../../src/options.js'
import { Arrivals } from '../support/arrivals.js'
import { completeEvents } from '../support/audit-log.js'
import { answerOf, askHttp2, connectHttp2 } from '../support/http2.js'
import { sendJSON, StandIn, type StandInOptions } from '../support/stand-in.js'

const WATCH = '/api/v1/configmaps?watch=true'
const PODS = '/api/v1/namespaces/default/pods'

async function start(t: Test, options: Partial<StandInOptions>): Promise<StandIn> {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList' }),
    ...options,
  })
  t.teardown(() => standIn.stop())
  return standIn
}

async function connect(t: Test, standIn: StandIn): Promise<ClientHttp2Session> {
  const session = await connectHttp2(standIn.as())
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return session
}

for (const [flags, streams] of [
  [[], 100],
  [['--http2-max-streams-per-connection=0'], 100],
  [['--http2-max-streams-per-connection=7'], 7],
  // As many as there is no room for in the window of a connection.
  [['--http2-max-streams-per-connection=20000'], 20_000],
] as const) {
  await t.test(`${flags[0] ?? 'no flag'}: ${streams} streams`, async (t) => {
    const standIn = await start(t, { flags })
    const session = await connect(t, standIn)
    const settings: Settings =
      Object.keys(session.remoteSettings).length > 0 &&
      session.remoteSettings.maxConcurrentStreams === streams
        ? session.remoteSettings
        : ((await once(session, 'remoteSettings')) as [Settings])[0]
    t.equal(settings.maxConcurrentStreams, streams)
    t.equal((await askHttp2(session, { ':path': PODS })).status, 200)
  })
}

await t.test('more streams than allowed wait for their turn', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await start(t, {
    upstream: (req, res) => arrivals.emit('request', req, res),
    flags: ['--http2-max-streams-per-connection=2'],
  })
  const session = await connect(t, standIn)
  // The limit is known when the first answer is.
  let arrived = arrivals.next()
  const first = askHttp2(session, { ':path': PODS })
  sendJSON((await arrived)[1], 200, {})
  await first

  const open: (() => void)[] = []
  arrivals.on('request', (_req, res) => open.push(() => sendJSON(res, 200, {})))
  const answers = [1, 2, 3].map(() => askHttp2(session, { ':path': PODS }))
  while (open.length < 2) await once(arrivals, 'request')
  // A ping that is answered has passed all that was sent before it.
  await new Promise((resolve) => session.ping(resolve))
  t.equal(open.length, 2, 'the third one has not been sent')
  arrived = arrivals.next()
  open[0]?.()
  await arrived
  t.equal(open.length, 3)
  for (const answer of open.slice(1)) answer()
  for (const { status } of await Promise.all(answers)) t.equal(status, 200)
})

await t.test('--goaway-chance: connections end with some of the responses', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await start(t, {
    upstream: (req, res) =>
      req.url === WATCH ? arrivals.emit('request', req, res) : sendJSON(res, 200, { kind: 'PodList' }),
    flags: ['--goaway-chance=0.02'],
  })
  const session = await connect(t, standIn)
  let goaway: { code: number; lastStreamID: number } | undefined
  session.on('goaway', (code: number, lastStreamID: number) => (goaway = { code, lastStreamID }))
  const closed = once(session, 'close')

  const arrived = arrivals.next()
  const watch = session.request({ ':path': WATCH, 'audit-id': 'watch' })
  const watched = answerOf(watch)
  const [, upstream] = await arrived
  upstream.write('{"type":"ADDED"}\n')

  let asked = 0
  // That none of 2000 ends it has a probability of 10 to the power of -18.
  for (; goaway === undefined && asked < 2000; asked++) {
    const { status, headers, body } = await askHttp2(session, { ':path': PODS })
    t.strictSame([status, body.toString()], [200, '{"kind":"PodList"}'], 'the response comes whole')
    t.equal(headers.connection, undefined)
  }
  t.match(goaway, { code: 0, lastStreamID: Number }, `GOAWAY after ${asked} requests`)
  t.throws(() => session.request({ ':path': PODS }), { code: /ERR_HTTP2_(GOAWAY_SESSION|INVALID_SESSION)/ })

  t.notOk(session.destroyed, 'what was under way goes on')
  upstream.end('{"type":"MODIFIED"}\n')
  const { status, body } = await watched
  t.strictSame([status, body.toString()], [200, '{"type":"ADDED"}\n{"type":"MODIFIED"}\n'])
  await closed
  t.equal(
    (await completeEvents(standIn.auditLog, 'watch')).at(-1)?.annotations?.['kube-audit-proxy.io/aborted'],
    undefined,
  )

  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const connections = new Set<string | undefined>()
  for (let i = 0; i < 200; i++) connections.add((await standIn.ask(PODS, { agent })).headers.connection)
  t.strictSame(connections, new Set(['keep-alive']), 'HTTP/1.1 knows nothing of it')
})

await t.test('without it no connection ends', async (t) => {
  const standIn = await start(t, {})
  const session = await connect(t, standIn)
  let goaway = false
  session.on('goaway', () => (goaway = true))
  for (let i = 0; i < 500; i++) t.equal((await askHttp2(session, { ':path': PODS })).status, 200)
  t.equal(goaway, false)
})

void t.test('bad values', async (t) => {
  const context = { env: {}, stderrIsTerminal: false }
  for (const [flag, expected] of [
    ['--goaway-chance=0.021', /--goaway-chance: found 0.021, expected a fraction from 0 to 0.02/],
    ['--goaway-chance=-0.001', /--goaway-chance: found -0.001, expected a fraction from 0 to 0.02/],
    ['--goaway-chance=some', /invalid argument "some" for "--goaway-chance" flag: expected a number/],
    ['--http2-max-streams-per-connection=-1', /found -1, expected a number from 0 to 2147483647/],
  ] as const)
    t.throws(() => parseOptions([flag], context), expected)
})
