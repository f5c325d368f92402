import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import type { IncomingMessage, ServerResponse } from 'node:http'
import tls from 'node:tls'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { byAuditID, completeEvents, readAuditLog } from '../support/audit-log.js'
import { leastGrowth } from '../support/growth.js'
import { answerOf, askHttp2, connectHttp2 } from '../support/http2.js'
import { headerValues } from '../support/protocols.js'
import { RawHttp2, type Fields } from '../support/raw-http2.js'
import { sendJSON, StandIn, type StandInOptions } from '../support/stand-in.js'

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } =
  http2.constants
// Thousands of streams, over TLS, on whatever machine this is.
t.setTimeout(180_000)

const WATCH = '/api/v1/configmaps?watch=true'
const PODS = '/api/v1/namespaces/default/pods'
const GET = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'x'],
  [':path', PODS],
] as const

async function start(t: Test, options: Partial<StandInOptions> = {}): Promise<[StandIn, Arrivals]> {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({
    upstream: (req, res) => arrivals.emit('request', req, res),
    ...options,
  })
  t.teardown(() => standIn.stop())
  return [standIn, arrivals]
}

async function connect(t: Test, standIn: StandIn, who = standIn.as()): Promise<ClientHttp2Session> {
  const session = await connectHttp2(who)
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return session
}

await t.test('the protocol is chosen by ALPN, within the limits of kube-apiserver', async (t) => {
  const [standIn] = await start(t, { upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList' }) })
  for (const [offered, chosen] of [
    [['h2', 'http/1.1'], 'h2'],
    [['http/1.1'], 'http/1.1'],
    [['http/1.1', 'h2'], 'h2'],
    [undefined, false],
  ] as const) {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: standIn.proxy.port,
      ca: standIn.ca.cert,
      ...(offered === undefined ? {} : { ALPNProtocols: [...offered] }),
    })
    await once(socket, 'secureConnect')
    t.equal(socket.alpnProtocol, chosen, String(offered))
    if (chosen !== 'h2') {
      socket.write('GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200 OK\r\n/)
    }
    socket.destroy()
  }

  const session = http2.connect(standIn.proxy.url, { ca: standIn.ca.cert })
  t.teardown(() => session.destroy())
  await once(session, 'remoteSettings')
  t.match(session.remoteSettings, {
    maxConcurrentStreams: 100,
    initialWindowSize: 256 * 1024,
    maxFrameSize: 256 * 1024,
    maxHeaderListSize: 1 << 20,
    enableConnectProtocol: false,
  })
  t.equal((await askHttp2(session, { ':path': PODS })).status, 200)
})

await t.test('what passes is what was sent', async (t) => {
  const [standIn, arrivals] = await start(t)
  const session = await connect(t, standIn)

  await t.test('cookies, which are one field upstream, and trailers', async (t) => {
    const arrived = arrivals.next()
    const answered = askHttp2(session, { ':path': PODS, cookie: ['a=1', 'b=2'] })
    const [req, res] = await arrived
    t.strictSame(headerValues(req.rawHeaders, 'cookie'), ['a=1; b=2'], 'as HTTP/1.1 wants it')
    t.notOk(req.rawHeaders.some((text) => text.startsWith(':')))
    res.writeHead(200, { Trailer: 'X-Checksum' })
    res.write('body')
    res.addTrailers({ 'X-Checksum': 'abc' })
    res.end()
    const answer = await answered
    t.equal(answer.body.toString(), 'body')
    t.equal(answer.trailers?.['x-checksum'], 'abc')
  })

  await t.test('what must not repeat is one field', async (t) => {
    const arrived = arrivals.next()
    const answered = askHttp2(session, { ':path': PODS })
    const [, res] = await arrived
    res.writeHead(200, ['ETag', '"a"', 'ETag', '"b"', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'])
    res.end()
    const { rawHeaders } = await answered
    t.strictSame(headerValues(rawHeaders, 'etag'), ['"a", "b"'])
    t.strictSame(headerValues(rawHeaders, 'set-cookie'), ['a=1', 'b=2'])
  })

  await t.test('a body that turns out to be empty', async (t) => {
    for (const headers of [{}, { 'content-length': '0' }]) {
      const arrived = arrivals.next()
      const stream = session.request({ ':method': 'POST', ':path': PODS, ...headers })
      // The end travels in a frame of its own, right behind the headers.
      stream.end()
      const [req, res] = await arrived
      t.equal(req.headers['content-length'], '0')
      res.end()
      t.equal((await answerOf(stream)).status, 200)
    }
  })

  await t.test('Expect: 100-continue', async (t) => {
    const stream = session.request({ ':method': 'POST', ':path': PODS, expect: '100-continue' })
    await once(stream, 'continue')
    const arrived = arrivals.next()
    stream.end('{}')
    const [req, res] = await arrived
    t.equal(req.headers['expect'], undefined)
    t.equal(String((await once(req, 'data'))[0]), '{}')
    res.end()
    t.equal((await answerOf(stream)).status, 200)
  })

  await t.test('a request that is cut off is never complete', async (t) => {
    const cuts: Record<string, (raw: RawHttp2) => void> = {
      'reset with NO_ERROR': (raw) => raw.reset(1, NGHTTP2_NO_ERROR),
      'reset with CANCEL': (raw) => raw.reset(1, NGHTTP2_CANCEL),
      'reset with INTERNAL_ERROR': (raw) => raw.reset(1, NGHTTP2_INTERNAL_ERROR),
      'a connection that ends': (raw) => raw.socket.end(),
      'a connection that breaks': (raw) => raw.socket.destroy(),
    }
    for (const [name, cut] of Object.entries(cuts)) {
      const raw = await RawHttp2.connect(standIn)
      const arrived = arrivals.next()
      raw.headers(1, [[':method', 'POST'], ...GET.slice(1), ['audit-id', name]], false)
      raw.data(1, '{"half":')
      const [req] = await arrived
      await once(req, 'data')
      const ended = once(req.resume(), 'end').then(
        () => 'complete',
        () => 'broken',
      )
      cut(raw)
      t.equal(await ended, 'broken', name)
      t.equal(
        (await completeEvents(standIn.auditLog, name)).at(-1)?.annotations?.['kube-audit-proxy.io/aborted'],
        'by the client',
      )
      raw.socket.destroy()
    }
  })

  await t.test('an upstream that breaks off resets the stream and leaves the session', async (t) => {
    const arrived = arrivals.next()
    const stream = session.request({ ':path': '/api/v1/pods' })
    const responded = once(stream, 'response')
    const [, upstream] = await arrived
    upstream.write('{"kind":"PodList",')
    await responded
    const broken = once(stream, 'error').catch((e: unknown) => [e])
    stream.resume()
    upstream.destroy()
    t.match(await broken, [{ code: 'ERR_HTTP2_STREAM_ERROR', message: /INTERNAL_ERROR/ }])
    const next = arrivals.next()
    const answered = askHttp2(session, { ':path': '/api/v1/pods' })
    ;(await next)[1].end()
    t.equal((await answered).status, 200)
  })

  await t.test('CONNECT is refused', async (t) => {
    const connected = session.request({ ':method': 'CONNECT', ':authority': 'x' })
    t.equal((await answerOf(connected)).status, 400)
  })
})

await t.test('250 watches on one session, none of them read, and then all of them', async (t) => {
  const [standIn, arrivals] = await start(t, { flags: ['--http2-max-streams-per-connection=250'] })
  const session = await connect(t, standIn)
  const upstreams: ServerResponse[] = []
  const collect = (_req: IncomingMessage, res: ServerResponse): void => void upstreams.push(res)
  arrivals.on('request', collect)
  const event = randomBytes(1 << 20)
  const watches: ClientHttp2Stream[] = []
  for (let i = 0; i < 250; i++) watches.push(session.request({ ':path': WATCH }))
  await Promise.all(
    watches
      .map((watch) => once(watch, 'response', { signal: AbortSignal.timeout(60_000) }))
      .concat(
        (async () => {
          while (upstreams.length < 250) await once(arrivals, 'request')
          for (const upstream of upstreams) upstream.write(event)
          return []
        })(),
      ),
  )
  arrivals.off('request', collect)
  for (const upstream of upstreams) upstream.end()
  const received = await Promise.all(
    watches.map(async (watch) => {
      let bytes = 0
      for await (const data of watch) bytes += (data as Buffer).length
      return bytes
    }),
  )
  t.strictSame(new Set(received), new Set([1 << 20]))
})

await t.test('identity over HTTP/2', async (t) => {
  const [standIn] = await start(t, {
    upstream: (_req, res) => sendJSON(res, 200, {}),
    tokens: { bobtoken: { username: 'bob' } },
  })

  await t.test('a certificate and a token', async (t) => {
    const admin = await connect(t, standIn)
    for (let i = 0; i < 3; i++) t.equal((await askHttp2(admin, { ':path': PODS })).status, 200)
    const seen = standIn.seen.at(-1)
    t.equal(seen?.peer, 'front-proxy-client')
    t.strictSame(headerValues(seen?.rawHeaders ?? [], 'x-remote-user'), ['admin'])
    const nobody = await connect(t, standIn, standIn.as('nobody'))
    // Requests of different users share a session where a proxy stands in front.
    const [bob, anonymous, bad] = await Promise.all([
      askHttp2(nobody, { ':path': PODS, authorization: 'Bearer bobtoken', 'audit-id': 'bob' }),
      askHttp2(nobody, { ':path': PODS, 'audit-id': 'anonymous' }),
      askHttp2(nobody, { ':path': PODS, authorization: 'Bearer other' }),
    ])
    t.strictSame([bob.status, anonymous.status, bad.status], [200, 200, 401])
    t.match(JSON.parse(bad.body.toString()), { kind: 'Status', reason: 'Unauthorized' })
    t.equal((await completeEvents(standIn.auditLog, 'bob'))[0]?.user.username, 'bob')
    t.equal((await completeEvents(standIn.auditLog, 'anonymous'))[0]?.user.username, 'system:anonymous')
  })

  await t.test('a client cannot assert anything', async (t) => {
    for (const who of [standIn.admin, 'nobody'] as const) {
      for (const headers of [
        { 'x-remote-user': 'root' },
        { 'x-remote-user': ['root', 'root2'], 'x-remote-group': 'system:masters' },
        { 'x-remote-extra-scopes': 'all', 'x-remote-uid': '0' },
      ]) {
        // Nobody keeps a session for a second request.
        const session = await connect(t, standIn, standIn.as(who))
        const before = standIn.seen.length
        t.equal((await askHttp2(session, { ':path': PODS, ...headers })).status, 200)
        t.equal(standIn.seen.length, before + 1)
        const raw = standIn.seen.at(-1)?.rawHeaders ?? []
        t.strictSame(headerValues(raw, 'x-remote-user'), who === 'nobody' ? [] : ['admin'])
        t.strictSame(
          headerValues(raw, 'x-remote-group'),
          who === 'nobody' ? [] : ['system:masters', 'system:authenticated'],
        )
        t.strictSame(headerValues(raw, 'x-remote-uid'), [])
        t.strictSame(headerValues(raw, 'x-remote-extra-scopes'), [])
      }
    }
  })

  await t.test('malformed requests reset their stream and reach nobody', async (t) => {
    const before = standIn.seen.length
    for (const extra of [
      ['X-Remote-User', 'root'],
      [':x-remote-user', 'root'],
      ['connection', 'upgrade'],
      ['upgrade', 'websocket'],
      ['transfer-encoding', 'chunked'],
      [':path', '/other'],
    ] as const) {
      t.not(await rawOutcome(standIn, [...GET, extra]), 'answered', extra.join(': '))
    }
    const webSocket = [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)] as const
    t.not(await rawOutcome(standIn, webSocket), 'answered', 'kube-apiserver has no WebSocket over HTTP/2')
    t.equal(
      await rawOutcome(standIn, [...GET, ['x-header', 'fine']]),
      'answered',
      'without them, it is answered',
    )
    t.equal(standIn.seen.length, before + 1)
  })
})

await t.test('request headers may have 1 MiB, and no more', async (t) => {
  const [standIn] = await start(t, { upstream: (_req, res) => sendJSON(res, 200, {}) })
  const options = { maxSendHeaderBlockLength: 4 << 20 }
  const session = await connectHttp2(standIn.as(), options)
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  const groups = Array.from({ length: 500 }, (_, i) => `group-${i}`)
  t.equal((await askHttp2(session, { ':path': PODS, 'impersonate-group': groups })).status, 200)
  t.equal(
    (await askHttp2(session, { ':path': PODS, 'impersonate-user': 'u', 'impersonate-group': groups })).status,
    200,
    'many headers pass',
  )
  t.strictSame(headerValues(standIn.seen.at(-1)?.rawHeaders ?? [], 'impersonate-group'), groups)
  const before = standIn.seen.length
  const refused = session.request({ ':path': PODS, 'x-big': 'x'.repeat((1 << 20) + 1) })
  await t.rejects(answerOf(refused))
  t.equal(standIn.seen.length, before, 'nothing went upstream')
  const other = await connect(t, standIn)
  t.equal((await askHttp2(other, { ':path': PODS })).status, 200)
})

await t.test('streams that are reset', async (t) => {
  const [standIn] = await start(t, { upstream: () => undefined })

  await t.test('thirty thousand of them leave nothing behind', { timeout: 180_000 }, async (t) => {
    const LIMIT = 50
    const round = async (): Promise<void> => {
      const session = await connect(t, standIn)
      for (let i = 0; i < 500; i += 100) {
        const streams = Array.from({ length: 100 }, () => session.request({ ':path': WATCH }))
        await Promise.all(
          streams.map(async (stream) => {
            stream.on('error', () => undefined)
            if (stream.pending) await once(stream, 'ready')
            const closed = once(stream, 'close')
            stream.close(NGHTTP2_CANCEL)
            await closed
          }),
        )
      }
      session.destroy()
    }
    const grown = await leastGrowth(
      () => standIn.memory(),
      LIMIT,
      async () => {
        for (let i = 0; i < 60; i++) await round()
      },
    )
    t.ok(grown < LIMIT, `memory grew by ${grown.toFixed(1)} MiB`)
  })

  await t.test('too many of them end the session', async (t) => {
    const raw = await RawHttp2.connect(standIn, undefined, standIn.admin)
    let resets = 0
    let outcome = 'pong'
    // In steps, each answered before the next, so that nothing is on its way to a connection that is being closed.
    for (; outcome === 'pong' && resets < 5000; resets += 50) {
      raw.socket.cork()
      for (let i = resets; i < resets + 50; i++) {
        raw.headers(2 * i + 1, GET, true)
        raw.reset(2 * i + 1, NGHTTP2_CANCEL)
      }
      raw.ping()
      raw.socket.uncork()
      outcome = await raw.outcome()
    }
    t.equal(outcome, 'closed')
    t.equal(raw.goAwayCode, NGHTTP2_ENHANCE_YOUR_CALM)
    t.ok(resets >= 250, `${resets} resets were allowed`)
  })
})

await t.test('a client that goes while its token is being verified asks nothing upstream', async (t) => {
  const reviews = new Arrivals()
  const [standIn] = await start(t, { reviews: (req, res) => reviews.emit('request', req, res) })
  const session = await connect(t, standIn, standIn.as('nobody'))
  const reviewing = reviews.next()
  const stream = session.request({ ':path': WATCH, authorization: 'Bearer x', 'audit-id': 'impatient' })
  const [, review] = await reviewing
  stream.close(NGHTTP2_CANCEL)
  await once(stream, 'close')
  // The reset comes before the answer of the ping that follows it on the same connection.
  await promisify(session.ping.bind(session) as (done: (err: Error | null) => void) => void)()
  sendJSON(review, 201, { status: { authenticated: true, user: { username: 'bob' } } })
  t.match((await completeEvents(standIn.auditLog, 'impatient')).at(-1)?.responseStatus, {
    message: 'Connection closed early',
  })
  t.equal(standIn.seen.length, 0)
})

await t.test('SIGTERM sends GOAWAY, ends watches, and finishes what is short', async (t) => {
  const [standIn, arrivals] = await start(t)
  const session = await connect(t, standIn)
  const idle = await connect(t, standIn)
  let arrived = arrivals.next()
  const watch = session.request({ ':path': WATCH, 'audit-id': 'watch' })
  const watchResponded = once(watch, 'response')
  ;(await arrived)[1].write('{"type":"ADDED","object":{}}\n')
  await watchResponded
  await once(watch, 'data')
  arrived = arrivals.next()
  const short = askHttp2(session, { ':path': '/api/v1/pods', 'audit-id': 'short' })
  const [, shortUpstream] = await arrived

  const goneAway = once(session, 'goaway') as Promise<[number]>
  const idleClosed = once(idle, 'close')
  const watchEnded = once(watch.resume(), 'end')
  const exited = standIn.proxy.stop()
  await watchEnded
  t.equal(watch.rstCode, NGHTTP2_NO_ERROR, 'the watch ends as a stream ends')
  t.equal((await goneAway)[0], NGHTTP2_NO_ERROR)
  await idleClosed
  sendJSON(shortUpstream, 200, { kind: 'PodList' })
  t.equal((await short).status, 200, 'the short request is answered')
  t.equal(await exited, 0)
  const events = byAuditID(readAuditLog(standIn.auditLog))
  t.strictSame(
    events.get('watch')?.map((e) => e.stage),
    ['RequestReceived', 'ResponseStarted', 'ResponseComplete'],
  )
  t.equal(events.get('short')?.at(-1)?.responseStatus?.code, 200)
})

await t.test('other clients', async (t) => {
  const [standIn] = await start(t, {
    upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList', items: 'x'.repeat(20_000) }),
    tokens: { bobtoken: { username: 'bob' } },
  })
  const run = promisify(execFile)
  const skip = (tool: string): string | false => !installed(tool) && `${tool} is not installed`
  await t.test('nghttp', { skip: skip('nghttp') }, async (t) => {
    const { stdout } = await run('nghttp', ['-v', '-n', `${standIn.proxy.url}${PODS}`])
    t.match(stdout, /:status: 200/)
    t.match(stdout, /SETTINGS_MAX_CONCURRENT_STREAMS\(0x03\):100/)
  })
  await t.test('h2load', { skip: skip('h2load') }, async (t) => {
    const { stdout } = await run('h2load', [
      '-n',
      '3000',
      '-c',
      '5',
      '-m',
      '50',
      // Nobody would have to connect for each request.
      '-H',
      'Authorization: Bearer bobtoken',
      `${standIn.proxy.url}${PODS}`,
    ])
    t.match(stdout, /3000 succeeded, 0 failed, 0 errored, 0 timeout/)
  })
})

function installed(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => existsSync(join(dir, tool)))
}

async function rawOutcome(standIn: StandIn, fields: Fields): Promise<string> {
  const raw = await RawHttp2.connect(standIn)
  raw.headers(1, fields, true)
  const outcome = await raw.outcome()
  raw.socket.destroy()
  return outcome
}
