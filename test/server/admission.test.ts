import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import tls, { type ConnectionOptions } from 'node:tls'
import t, { type Test } from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { readAuditLog } from '../support/audit-log.js'
import { askHttp2, connectHttp2 } from '../support/http2.js'
import { getOf, plain, remembered, repeated } from '../support/hpack.js'
import { headerValues } from '../support/protocols.js'
import { RawHttp2 } from '../support/raw-http2.js'
import { sendJSON, StandIn, type StandInOptions } from '../support/stand-in.js'

const PODS = '/api/v1/namespaces/default/pods'

async function start(t: Test, options: Partial<StandInOptions> = {}): Promise<[StandIn, Arrivals]> {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({
    upstream: (req, res) => arrivals.emit('request', req, res),
    ...options,
  })
  t.teardown(() => standIn.stop())
  return [standIn, arrivals]
}

/** A request of few bytes on each stream, whose headers are large. */
function bomb(raw: RawHttp2, streams: number, [name, value]: readonly [string, string], times: number): void {
  raw.socket.cork()
  for (let i = 0; i < streams; i++) {
    const first = i === 0 ? remembered(name, value) : repeated(1)
    const token = plain('authorization', 'Bearer unknown')
    raw.request(2 * i + 1, Buffer.concat([getOf(PODS), token, first, repeated(times - 1)]))
  }
  raw.socket.uncork()
}

for (const workers of [1, 2]) {
  await t.test(`headers that are small where they are sent, --workers=${workers}`, async (t) => {
    // No token is verified until the end, so that whoever has one waits.
    const waiting: ServerResponse[] = []
    const [standIn] = await start(t, {
      upstream: (_req, res) => sendJSON(res, 200, {}),
      reviews: (_req, res) => void waiting.push(res),
      flags: [`--workers=${workers}`],
    })
    const idle = standIn.memory().now
    const bombs: [readonly [string, string], number][] = [
      [['x', 'x'.repeat(4063)], 250],
      [['x', ''], 8000],
    ]
    for (const [field, times] of bombs) {
      const connections = await Promise.all(Array.from({ length: 6 }, () => RawHttp2.connect(standIn)))
      for (const raw of connections) bomb(raw, 100, field, times)
      const ends = await Promise.all(connections.map((raw) => raw.outcome()))
      t.strictSame(new Set(ends), new Set(['answered']), 'what there is no room for is answered')
      t.equal((await standIn.ask(PODS)).status, 200, 'who is known is served')
      t.equal((await standIn.ask(PODS, standIn.as('nobody'))).status, 200, 'a stranger with little is served')
      for (const raw of connections) raw.socket.destroy()
    }
    for (const res of waiting) sendJSON(res, 201, { status: { authenticated: false } })
    t.equal(standIn.seen.length, 4, 'nothing else went upstream')
    // A thousand requests of a megabyte each.
    if (workers === 1) t.ok(standIn.memory().peak - idle < 500, `${standIn.memory().peak} MiB after ${idle}`)
    t.strictSame(
      standIn.proxy.logLines.filter((line) => /"level":"(error|warn)"/.test(line)),
      [],
    )
  })
}

await t.test('more fields than there may be', async (t) => {
  const [standIn] = await start(t, { upstream: (_req, res) => sendJSON(res, 200, {}) })
  await t.test('over HTTP/2', async (t) => {
    const raw = await RawHttp2.connect(standIn, undefined, standIn.admin)
    raw.request(1, Buffer.concat([getOf(PODS), remembered('x', ''), repeated(33_000)]))
    t.equal(await raw.outcome(), 'reset')
    raw.request(3, Buffer.concat([getOf(PODS), repeated(20_000)]))
    t.equal(await raw.outcome(), 'answered', 'the connection goes on')
    raw.socket.destroy()
  })
  await t.test('over HTTP/1.1', async (t) => {
    for (const [fields, line] of [
      [20_000, 'HTTP/1.1 200 OK'],
      [32_769, 'HTTP/1.1 431 Request Header Fields Too Large'],
      [200_000, 'HTTP/1.1 431 Request Header Fields Too Large'],
    ] as const) {
      const socket = tls.connect(standIn.as() as ConnectionOptions)
      socket.on('error', () => undefined)
      socket.write(
        `GET ${PODS} HTTP/1.1\r\nHost: x\r\nAudit-ID: of-${fields}\r\n${'a:\r\n'.repeat(fields)}\r\n`,
      )
      const [data] = (await once(socket, 'data')) as [Buffer]
      t.equal(data.toString('latin1').split('\r\n', 1)[0], line)
      socket.destroy()
    }
    const events = readAuditLog(standIn.auditLog).filter((event) => event.auditID === 'of-32769')
    t.strictSame(
      events.map((event) => event.responseStatus?.code),
      [431],
    )
  })
})

await t.test('what one connection may have under way', async (t) => {
  const [standIn, arrivals] = await start(t)
  const big = (first: boolean): Buffer =>
    Buffer.concat([getOf(PODS), first ? remembered('x', 'x'.repeat(4000)) : repeated(1), repeated(219)])
  const held: ServerResponse[] = []
  arrivals.on('request', (_req, res) => void held.push(res))
  const raw = await RawHttp2.connect(standIn, undefined, standIn.admin)
  for (let stream = 1; stream < 13; stream += 2) raw.request(stream, big(stream === 1))
  t.equal(await raw.outcome(), 'answered')
  t.equal(await raw.outcome(), 'closed', 'and the connection takes no more')
  while (held.length < 4) await once(arrivals, 'request')
  t.equal(held.length, 4, 'four of them went upstream')
  for (const res of held.splice(0)) sendJSON(res, 200, {})
  const ends: string[] = []
  while (ends.length < 5) ends.push(await raw.outcome())
  t.equal(ends.filter((end) => end === 'answered').length, 4, 'and the sixth was not looked at')

  arrivals.removeAllListeners('request')
  arrivals.on('request', (_req, res) => sendJSON(res, 200, {}))
  const other = await RawHttp2.connect(standIn, undefined, standIn.admin)
  for (let stream = 1; stream < 21; stream += 2) {
    other.request(stream, big(stream === 1))
    t.equal(await other.outcome(), 'answered', 'one after the other, all pass')
  }
  t.equal(standIn.seen.length, 14)
  const session = await connectHttp2(standIn.as())
  const groups = Array.from({ length: 500 }, (_, i) => `group-${i}`)
  const headers = { ':path': PODS, 'impersonate-user': 'u', 'impersonate-group': groups }
  t.equal((await askHttp2(session, headers)).status, 200)
  t.strictSame(headerValues(standIn.seen.at(-1)?.rawHeaders ?? [], 'impersonate-group'), groups)
  for (const socket of [raw.socket, other.socket, session]) socket.destroy()
})

await t.test('strangers', async (t) => {
  const reviews = new Arrivals()
  const [standIn, arrivals] = await start(t, { reviews: (req, res) => reviews.emit('request', req, res) })

  await t.test('their session of HTTP/2 ends with its first answer', async (t) => {
    const [goAway, answer] = await sessionOf(standIn, arrivals, 'nobody')
    t.equal(answer, 200)
    await goAway
    reviews.once('request', (_req, res) => sendJSON(res, 201, { status: { authenticated: false } }))
    const [unauthorized, status] = await sessionOf(standIn, arrivals, 'nobody', { authorization: 'Bearer x' })
    t.equal(status, 401)
    await unauthorized
  })

  await t.test('they may have 400 requests under way beyond a few for each connection', async (t) => {
    const raws = await Promise.all(Array.from({ length: 5 }, () => RawHttp2.connect(standIn)))
    let upstream = 0
    const count = (): void => void upstream++
    arrivals.on('request', count)
    const ask = getOf(PODS)
    for (const raw of raws.slice(0, 4)) for (let i = 0; i < 100; i++) raw.request(2 * i + 1, ask)
    while (upstream < 400) await once(arrivals, 'request')
    const fifth = raws[4] as RawHttp2
    // Of the first four connections 32 count for nobody but themselves.
    for (let i = 0; i < 60; i++) fifth.request(2 * i + 1, ask)
    t.equal(await fifth.outcome(), 'answered')
    t.equal(await fifth.outcome(), 'closed', 'the connection takes no more')
    while (upstream < 440) await once(arrivals, 'request')
    const arrived = arrivals.next()
    const known = standIn.ask(PODS)
    const [, res] = await arrived
    sendJSON(res, 200, {})
    t.equal((await known).status, 200, 'who is known is served')
    arrivals.off('request', count)
    for (const raw of raws) raw.socket.destroy()
  })
})

/** A request on a session of its own: when the session is told to go away, and the status. */
async function sessionOf(
  standIn: StandIn,
  arrivals: Arrivals,
  who: 'nobody',
  headers: Record<string, string> = {},
): Promise<[Promise<unknown>, number]> {
  const session = await connectHttp2(standIn.as(who))
  const goAway = once(session, 'goaway')
  arrivals.once('request', (_req, res) => sendJSON(res, 200, {}))
  const { status } = await askHttp2(session, { ':path': PODS, ...headers })
  arrivals.removeAllListeners('request')
  return [goAway, status]
}
