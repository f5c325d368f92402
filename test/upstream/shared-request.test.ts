import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { completeEvents } from '../support/audit-log.js'
import { headerValues } from '../support/protocols.js'
import { StandIn, type StandInOptions } from '../support/stand-in.js'
import { Watch } from '../support/watch.js'

const WATCH = '/api/v1/configmaps?watch=true'
/** Chunks of 64 KiB: far more than all the buffers on the way can hold. */
const CHUNKS = 256
const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants

/** A stand-in apiserver that speaks HTTP/2, whose requests the test answers. */
class Upstream {
  readonly arrivals = new Arrivals()
  readonly sessions = new Set<ServerHttp2Session>()
  readonly connected = new Watch()
  /** Connections by what they speak. */
  h2 = 0
  h1 = 0
  /** Requests that are to be refused before they are looked at. */
  refuse = 0
  standIn!: StandIn

  static async start(t: Test, options: Partial<StandInOptions> = {}): Promise<Upstream> {
    const upstream = new Upstream()
    upstream.standIn = await StandIn.start({
      http2: true,
      prepare: (standIn) => {
        upstream.standIn = standIn
      },
      ...options,
      upstream: (req, res) => {
        if (upstream.refuse > 0) {
          upstream.refuse--
          streamOf(res).close(NGHTTP2_REFUSED_STREAM)
        } else upstream.arrivals.emit('request', req, res)
      },
    })
    t.teardown(() => upstream.standIn.stop())
    upstream.follow()
    return upstream
  }

  follow(): void {
    const server = this.standIn.upstream
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') this.h2++
      else this.h1++
      this.connected.changed()
    })
    server.on('session', (session: ServerHttp2Session) => {
      this.sessions.add(session)
      session.on('close', () => {
        this.sessions.delete(session)
        this.connected.changed()
      })
    })
  }

  /** A watch that was answered with a head. */
  async watch(
    options: object = {},
  ): Promise<{ seen: IncomingMessage; res: ServerResponse; client: IncomingMessage }> {
    const arrived = this.arrivals.next()
    const opened = this.standIn.open(WATCH, { agent: false, ...options })
    const [seen, res] = await arrived
    res.writeHead(200, { 'content-type': 'application/json' })
    res.flushHeaders()
    return { seen, res, client: await opened }
  }
}

function streamOf(res: ServerResponse) {
  return (res as unknown as Http2ServerResponse).stream
}

await t.test('what a watch is sent and answered is what it is over HTTP/1.1', async (t) => {
  const heads: unknown[] = []
  for (const http2 of [true, false]) {
    const upstream = await Upstream.start(t, { http2 })
    const headers = {
      'User-Agent': 'test/1',
      'X-Custom': ['one', 'two'],
      'Impersonate-Group': ['a', 'b'],
      'Impersonate-User': 'someone',
      'X-Odd': 'caf\u00e9',
      Cookie: ['a=1', 'b=2'],
      'Audit-ID': 'same',
      TE: 'trailers',
    }
    const arrived = upstream.arrivals.next()
    const opened = upstream.standIn.open(WATCH, { agent: false, headers })
    const [seen, res] = await arrived
    t.equal(seen.httpVersion, http2 ? '2.0' : '1.1')
    t.equal(seen.url, WATCH)
    t.equal(upstream.standIn.seen.at(-1)?.peer, 'front-proxy-client')
    const asked = Object.fromEntries(
      Object.entries(seen.headers).filter(
        ([name]) => !/^(:|host$|connection$|cookie$|x-remote-extra)/.test(name),
      ),
    )
    res.sendDate = false
    res.setHeader('Content-Type', 'application/json')
    res.setHeader('X-Kubernetes-Pf-Flowschema-Uid', 'x')
    res.setHeader('Warning', ['299 - "one"', '299 - "two"'])
    res.writeHead(200)
    res.write('{"type":"BOOKMARK"}\n')
    const client = await opened
    const [first] = (await once(client, 'data')) as [Buffer]
    res.end('{"type":"ERROR"}\n')
    const [rest] = (await once(client, 'data')) as [Buffer]
    await once(client, 'end')
    t.equal(`${first.toString()}${rest.toString()}`, '{"type":"BOOKMARK"}\n{"type":"ERROR"}\n')
    const names = client.rawHeaders.filter((_, i) => i % 2 === 0).sort()
    t.strictSame(headerValues(client.rawHeaders, 'warning'), ['299 - "one"', '299 - "two"'])
    heads.push({ asked, names, status: client.statusCode, reason: client.statusMessage })
    t.equal((await completeEvents(upstream.standIn.auditLog, 'same')).at(-1)?.responseStatus?.code, 200)
  }
  t.strictSame(heads[0], heads[1])
})

await t.test(
  'watches share connections, and what proves less shares none with what proves more',
  async (t) => {
    const tokens = { 'token-of-bob': { username: 'bob' }, 'token-of-eve': { username: 'eve' } }
    const upstream = await Upstream.start(t, {
      tokens,
      fileFlags: ({ kubeconfig }) => [`--authentication-kubeconfig=${kubeconfig}`],
    })
    const { standIn } = upstream
    const before = upstream.h2
    const COUNT = 130
    const open: ServerResponse[] = []
    const all = new Watch()
    upstream.arrivals.on('request', (_, res) => {
      open.push(res)
      res.writeHead(200).flushHeaders()
      all.changed()
    })
    const clients = await Promise.all(
      Array.from({ length: COUNT }, () => standIn.open(WATCH, { agent: false })),
    )
    t.equal(upstream.h2 - before, 2, `${COUNT} of one kind`)
    t.ok(standIn.seen.every(({ peer }) => peer === 'front-proxy-client'))
    standIn.seen.length = 0
    for (const token of Object.keys(tokens)) {
      const as = { ...standIn.as('nobody'), agent: false, headers: { Authorization: `Bearer ${token}` } }
      clients.push(await standIn.open(WATCH, as))
    }
    t.equal(upstream.h2 - before, 3, 'tokens go over connections without a certificate')
    t.strictSame(
      standIn.seen.map(({ peer, headers }) => [peer, headers.authorization]),
      Object.keys(tokens).map((token) => [undefined, `Bearer ${token}`]),
    )
    for (const res of open) res.end()
    await Promise.all(clients.map((client) => once(client.resume(), 'end')))
  },
)

await t.test('who reads slowly holds up nobody else', async (t) => {
  const upstream = await Upstream.start(t)
  const slow = await upstream.watch()
  const quick = await upstream.watch()
  t.equal(upstream.h2, 1)
  const chunk = Buffer.alloc(1 << 16, 'x')
  for (let i = 0; i < CHUNKS; i++) slow.res.write(chunk)
  for (let i = 0; i < 20; i++) {
    quick.res.write('{}\n')
    const [data] = (await once(quick.client, 'data')) as [Buffer]
    t.equal(data.toString(), '{}\n')
  }
  t.ok(slow.res.writableLength > 0, 'the server has to keep what is not read')
  let read = 0
  slow.client.on('data', (data: Buffer) => (read += data.length))
  slow.res.end()
  await once(slow.client, 'end')
  t.equal(read, CHUNKS * chunk.length, 'and all of it arrives when it is read')
  quick.res.end()
  await once(quick.client.resume(), 'end')
})

await t.test('a client that leaves resets its stream and leaves the connection', async (t) => {
  const upstream = await Upstream.start(t)
  const stays = await upstream.watch()
  const leaves = await upstream.watch({ headers: { 'Audit-ID': 'leaves' } })
  const closed = once(streamOf(leaves.res), 'close')
  leaves.client.destroy()
  await closed
  t.equal(streamOf(leaves.res).rstCode, NGHTTP2_CANCEL)
  stays.res.end('{}\n')
  const [data] = (await once(stays.client, 'data')) as [Buffer]
  t.equal(data.toString(), '{}\n')
  await upstream.watch()
  t.equal(upstream.h2, 1)
  const event = (await completeEvents(upstream.standIn.auditLog, 'leaves')).at(-1)
  t.equal(event?.annotations, undefined)
})

await t.test('a server that goes', async (t) => {
  await t.test('finishes what it has, and new requests take a new connection', async (t) => {
    const upstream = await Upstream.start(t)
    const first = await upstream.watch()
    const [session] = upstream.sessions
    session?.goaway()
    first.res.write('still here\n')
    const [data] = (await once(first.client, 'data')) as [Buffer]
    t.equal(data.toString(), 'still here\n')
    const second = await upstream.watch()
    t.equal(upstream.h2, 2)
    first.res.end()
    await once(first.client.resume(), 'end')
    second.res.end()
  })
  await t.test('what it refused to look at is sent again', async (t) => {
    const upstream = await Upstream.start(t)
    upstream.refuse = 1
    const { client, res } = await upstream.watch()
    t.equal(client.statusCode, 200)
    t.equal(upstream.standIn.seen.length, 2)
    res.end()
  })
  await t.test('but not for ever', async (t) => {
    const upstream = await Upstream.start(t)
    upstream.refuse = 1000
    const answer = await upstream.standIn.ask(WATCH, { headers: { 'Audit-ID': 'refused' } })
    t.equal(answer.status, 503)
    t.equal(upstream.standIn.seen.length, 3)
  })
  await t.test('in the middle: the client sees the break, and the log tells', async (t) => {
    const upstream = await Upstream.start(t)
    const { client } = await upstream.watch({ headers: { 'Audit-ID': 'broken' } })
    const broken = once(client.resume(), 'error')
    for (const session of upstream.sessions) session.destroy()
    const [error] = (await broken) as [Error & { code?: string }]
    t.equal(error.code, 'ECONNRESET')
    const event = (await completeEvents(upstream.standIn.auditLog, 'broken')).at(-1)
    t.match(JSON.stringify(event?.annotations), /by the upstream/)
    const after = await upstream.watch()
    t.equal(after.client.statusCode, 200, 'the next one takes a new connection')
    after.res.end()
  })
})

await t.test('what HTTP/2 cannot say goes over HTTP/1.1', async (t) => {
  const upstream = await Upstream.start(t)
  const { seen, res, client } = await upstream.watch({ headers: { 'User-Agent': ['one', 'two'] } })
  t.equal(seen.httpVersion, '1.1')
  t.strictSame(headerValues(seen.rawHeaders, 'user-agent'), ['one', 'two'])
  res.end()
  await once(client.resume(), 'end')
})

await t.test('short requests take connections of their own', async (t) => {
  const upstream = await Upstream.start(t)
  const arrived = upstream.arrivals.next()
  const answered = upstream.standIn.ask('/api/v1/configmaps')
  const [seen, res] = await arrived
  t.equal(seen.httpVersion, '1.1')
  res.end()
  t.equal((await answered).status, 200)
})

await t.test('a front-proxy certificate that is replaced gets a new connection', async (t) => {
  const upstream = await Upstream.start(t)
  const { standIn } = upstream
  const first = await upstream.watch()
  const renewed = standIn.pki.issue(standIn.frontProxyCA, {
    name: 'front-proxy-client',
    cn: 'renewed',
    usage: 'client',
  })
  t.ok(renewed)
  standIn.proxy.child.kill('SIGHUP')
  await standIn.proxy.logged('proxy-client-cert-file')
  const second = await upstream.watch()
  t.equal(standIn.seen.at(-1)?.peer, 'renewed')
  first.res.end('{}\n')
  const [data] = (await once(first.client, 'data')) as [Buffer]
  t.equal(data.toString(), '{}\n', 'the old one goes on')
  second.res.end()
})

await t.test('SIGTERM ends watches as streams end', async (t) => {
  const upstream = await Upstream.start(t)
  const { client } = await upstream.watch({ headers: { 'Audit-ID': 'drained' } })
  const ended = once(client.resume(), 'end')
  upstream.standIn.proxy.child.kill('SIGTERM')
  await ended
  t.equal((await completeEvents(upstream.standIn.auditLog, 'drained')).length, 3)
})
