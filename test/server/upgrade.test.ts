import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type https from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { byAuditID, readAuditLog, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { leastGrowth } from '../support/growth.js'
import { sendJSON, StandIn, type Answer, type StandInOptions } from '../support/stand-in.js'
import { connectTLS, readAll, readUntil, upgrade } from '../support/upgrade.js'
import { acceptKey, WebSocketEnd } from '../support/websocket.js'

// Every sub-test starts a proxy process of its own.
t.setTimeout(180_000)

const EXEC = '/api/v1/namespaces/default/pods/web/exec?command=sh&stdin=true&stdout=true'
const SPDY = 'SPDY/3.1'
const BEARER = 'base64url.bearer.authorization.k8s.io.'
const base64url = (text: string): string => Buffer.from(text).toString('base64url')

interface Joined {
  readonly req: IncomingMessage
  readonly socket: TLSSocket
}

/** A stand-in apiserver that agrees to upgrades when the test says so. */
class Upgrades {
  readonly arrivals = new EventEmitter<{ upgrade: [Joined] }>()

  private constructor(readonly standIn: StandIn) {}

  static async start(t: Test, options: Partial<StandInOptions> = {}): Promise<Upgrades> {
    const standIn = await StandIn.start({
      upstream: (_req, res) => sendJSON(res, 404, { kind: 'Status', reason: 'NotFound', code: 404 }),
      ...options,
    })
    t.teardown(() => standIn.stop())
    const upgrades = new Upgrades(standIn)
    standIn.upstream.on('upgrade', (req: IncomingMessage, socket: TLSSocket, head: Buffer) => {
      socket.on('error', () => undefined)
      // What came with the request, before anybody agreed, must never be there.
      if (head.length > 0) throw new Error(`early bytes reached the upstream: ${head.toString()}`)
      upgrades.arrivals.emit('upgrade', { req, socket })
    })
    return upgrades
  }

  async next(): Promise<Joined> {
    return ((await once(this.arrivals, 'upgrade')) as [Joined])[0]
  }

  /** Opens one, agreed to by the upstream: both ends of it. */
  async open(
    options: https.RequestOptions = {},
    path = EXEC,
  ): Promise<{ client: Socket; server: TLSSocket; req: IncomingMessage; res: IncomingMessage }> {
    const arrived = this.next()
    const opened = upgrade(this.standIn, path, SPDY, { method: 'POST', ...options })
    const { req, socket: server } = await arrived
    agree(server)
    const { res, socket: client } = await opened
    client.on('error', () => undefined)
    return { client, server, req, res }
  }
}

function agree(socket: Socket, protocol = SPDY, more = ''): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${more}\r\n`,
  )
}

function complete(standIn: StandIn, auditID: string): Promise<LoggedEvent[]> {
  return waitForEvents(standIn.auditLog, (events) => {
    const found = byAuditID(events).get(auditID)
    return found?.at(-1)?.stage === 'ResponseComplete' ? found : undefined
  })
}

const stages = (events: readonly LoggedEvent[] | undefined): unknown =>
  events?.map((e) => [e.stage, e.responseStatus?.code])

const SESSION = [
  ['RequestReceived', undefined],
  ['ResponseStarted', 101],
  ['ResponseComplete', 101],
]

function values(req: IncomingMessage, name: string): string[] {
  return req.rawHeaders.filter((_, i) => i % 2 === 1 && req.rawHeaders[i - 1]?.toLowerCase() === name)
}

await t.test('SPDY by POST, as kubectl exec does', async (t) => {
  const upgrades = await Upgrades.start(t)
  const { standIn } = upgrades
  const arrived = upgrades.next()
  const opened = upgrade(standIn, EXEC, SPDY, {
    method: 'POST',
    headers: {
      'audit-id': 'spdy-1',
      'X-Stream-Protocol-Version': ['v4.channel.k8s.io', 'v3.channel.k8s.io'],
    },
  })
  const { req, socket: server } = await arrived
  t.equal(req.method, 'POST')
  t.equal(req.url, EXEC)
  t.equal(req.headers.upgrade, SPDY)
  t.equal(req.headers.connection, 'Upgrade')
  t.equal(req.headers['content-length'], '0')
  t.equal(req.headers.host, standIn.upstreamHost)
  t.equal(req.headers['audit-id'], 'spdy-1')
  t.strictSame(values(req, 'x-stream-protocol-version'), ['v4.channel.k8s.io', 'v3.channel.k8s.io'])
  t.strictSame(values(req, 'x-remote-user'), ['admin'])
  t.strictSame(values(req, 'x-remote-group'), ['system:masters', 'system:authenticated'])
  t.equal(server.getPeerCertificate().subject.CN, 'front-proxy-client')
  agree(server, SPDY, 'X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Two: 1\r\nX-Two: 2\r\n')
  const { res, socket: client } = await opened
  t.equal(res.statusMessage, 'Switching Protocols')
  t.strictSame(res.rawHeaders, [
    ...['Connection', 'Upgrade', 'Upgrade', SPDY, 'X-Stream-Protocol-Version', 'v4.channel.k8s.io'],
    ...['X-Two', '1', 'X-Two', '2', 'Audit-Id', 'spdy-1'],
  ])
  await waitForEvents(standIn.auditLog, (events) =>
    byAuditID(events)
      .get('spdy-1')
      ?.find((e) => e.stage === 'ResponseStarted'),
  )
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.write('\x80\x03\x00\x01')
    t.equal(String((await once(to, 'data'))[0]), String(Buffer.from('\x80\x03\x00\x01')))
  }
  const serverEnded = once(server, 'end')
  client.end()
  await serverEnded
  server.end()
  const events = await complete(standIn, 'spdy-1')
  t.strictSame(stages(events), SESSION)
  t.match(events[0], { verb: 'create', objectRef: { resource: 'pods', subresource: 'exec', name: 'web' } })
  t.equal(events.at(-1)?.annotations, undefined, 'nothing was cut off')
})

await t.test('however a session ends, it is complete, and the other side hears of it', async (t) => {
  const upgrades = await Upgrades.start(t)
  const ways: Record<string, (client: Socket, server: Socket) => void> = {
    'the client ends it': (client) => client.end(),
    'the client breaks it': (client) => client.destroy(),
    'the upstream ends it': (_, server) => server.end(),
    'both at once': (client, server) => {
      client.end()
      server.end()
    },
  }
  for (const [name, end] of Object.entries(ways)) {
    const { client, server } = await upgrades.open({ headers: { 'audit-id': name } })
    server.resume()
    client.resume()
    const closed = [once(client, 'close'), once(server, 'close')]
    end(client, server)
    await Promise.all(closed)
    const events = await complete(upgrades.standIn, name)
    t.strictSame(stages(events), SESSION, name)
    t.equal(events.at(-1)?.annotations, undefined, name)
  }
  const connected = once(upgrades.standIn.upstream, 'connection') as Promise<[Socket]>
  const { client } = await upgrades.open({ headers: { 'audit-id': 'broken' } })
  const closed = once(client, 'close')
  client.resume()
  // A reset, which is no end of a session that anybody asked for.
  ;(await connected)[0].resetAndDestroy()
  await closed
  const events = await complete(upgrades.standIn, 'broken')
  t.strictSame(stages(events), SESSION)
  t.equal(events.at(-1)?.annotations?.['kube-audit-proxy.io/aborted'], 'by the upstream')
})

await t.test('each side may end what it sends and still receive', async (t) => {
  const upgrades = await Upgrades.start(t)
  for (const first of ['client', 'upstream'] as const) {
    const arrived = upgrades.next()
    const client = await connectTLS(upgrades.standIn)
    client.write(
      `POST ${EXEC} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${SPDY}\r\nContent-Length: 0\r\n` +
        `Audit-ID: half-${first}\r\n\r\n`,
    )
    const { socket: server } = await arrived
    server.allowHalfOpen = true
    agree(server)
    await readUntil(client, (text) => text.endsWith('\r\n\r\n'))
    const [ending, other] = first === 'client' ? [client, server] : [server, client]
    ending.end('the last of one side')
    t.equal((await readAll(other)).toString(), 'the last of one side')
    const rest = readAll(ending)
    const sent = randomBytes(3 << 20)
    other.write(sent.subarray(0, 1 << 20))
    other.end(sent.subarray(1 << 20))
    t.ok((await rest).equals(sent), `${first} still receives`)
    t.strictSame(stages(await complete(upgrades.standIn, `half-${first}`)), SESSION)
  }
})

await t.test('back-pressure both ways', async (t) => {
  const upgrades = await Upgrades.start(t)
  const { client, server } = await upgrades.open()
  for (const [from, to, name] of [
    [client, server, 'upload'],
    [server, client, 'download'],
  ] as const) {
    const chunk = randomBytes(1 << 20)
    const sent = createHash('sha256')
    let accepted = 0
    while (accepted < 256 && from.writableLength < 32 << 20) {
      from.write(chunk)
      sent.update(chunk)
      accepted++
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.ok(accepted < 256, `${name} was held back after ${accepted} MiB`)
    const received = createHash('sha256')
    let missing = accepted << 20
    while (missing > 0) {
      const data = to.read() as Buffer | null
      if (data === null) await once(to, 'readable')
      else {
        received.update(data)
        missing -= data.length
      }
    }
    t.equal(received.digest('hex'), sent.digest('hex'))
  }
  client.destroy()
})

await t.test('WebSocket', async (t) => {
  const reviewed: unknown[] = []
  const upgrades = await Upgrades.start(t, {
    reviews: (_req, res, review) => {
      reviewed.push(review.spec['token'])
      const known = review.spec['token'] === 'bobtoken'
      sendJSON(res, 201, {
        ...review,
        status: known ? { authenticated: true, user: { username: 'bob' } } : { authenticated: false },
      })
    },
  })
  const { standIn } = upgrades
  upgrades.arrivals.on('upgrade', ({ req, socket }) => {
    const [protocol] = String(req.headers['sec-websocket-protocol'])
      .split(',')
      .map((p) => p.trim())
      .filter((p) => !p.startsWith(BEARER))
    const accept = acceptKey(String(req.headers['sec-websocket-key']))
    agree(socket, 'websocket', `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n`)
    const end = new WebSocketEnd(socket, false)
    void (async () => {
      for (let m = await end.next(); m !== undefined; m = await end.next()) end.send(m)
      end.close()
    })()
  })

  for (const protocol of ['v4.channel.k8s.io', 'v5.channel.k8s.io', 'SPDY/3.1+portforward.k8s.io']) {
    await t.test(protocol, async (t) => {
      const auditID = `ws-${protocol}`
      const socket = await WebSocketEnd.connect(standIn, EXEC, [protocol], {
        headers: { 'audit-id': auditID },
      })
      t.equal(socket.protocol, protocol)
      for (const message of [Buffer.from('\0hello'), randomBytes(60_000), Buffer.alloc(0)]) {
        socket.send(message)
        t.ok((await socket.next())?.equals(message))
      }
      socket.close()
      const events = await complete(standIn, auditID)
      t.strictSame(stages(events), SESSION)
      t.match(events[0], { verb: 'get', objectRef: { subresource: 'exec' } })
    })
  }

  await t.test('a watch, and a path that is not long-running', async (t) => {
    for (const [path, auditID] of [
      ['/api/v1/configmaps?watch=true', 'ws-watch'],
      ['/apis/example.com/v1/things', 'ws-list'],
    ] as const) {
      const socket = await WebSocketEnd.connect(standIn, path, ['x'], { headers: { 'audit-id': auditID } })
      socket.send(Buffer.from('x'))
      t.equal(String(await socket.next()), 'x')
      socket.close()
      t.strictSame(
        stages(await complete(standIn, auditID)),
        auditID === 'ws-watch' ? SESSION : SESSION.filter(([stage]) => stage !== 'ResponseStarted'),
      )
    }
  })

  await t.test("a browser's bearer token", async (t) => {
    const protocols = [BEARER + base64url('bobtoken'), 'v4.channel.k8s.io']
    const arrived = upgrades.next()
    const socket = await WebSocketEnd.connect(standIn, EXEC, protocols, {
      ...standIn.as('nobody'),
      headers: { 'audit-id': 'browser' },
    })
    const { req, socket: server } = await arrived
    t.equal(req.headers['sec-websocket-protocol'], protocols.join(', '), 'the apiserver verifies it again')
    t.strictSame(server.getPeerCertificate(), {}, 'over a connection without credentials')
    t.strictSame(values(req, 'x-remote-user'), [])
    socket.close()
    t.equal((await complete(standIn, 'browser'))[0]?.user.username, 'bob')
    t.notMatch(JSON.stringify(readAuditLog(standIn.auditLog)), base64url('bobtoken'))
  })

  await t.test('a certificate outweighs it, and then it goes no further', async (t) => {
    const arrived = upgrades.next()
    const socket = await WebSocketEnd.connect(standIn, EXEC, [BEARER + base64url('x'), 'v4.channel.k8s.io'])
    const { req } = await arrived
    t.equal(req.headers['sec-websocket-protocol'], 'v4.channel.k8s.io')
    t.strictSame(values(req, 'x-remote-user'), ['admin'])
    socket.close()
  })

  await t.test('tokens that are no good', async (t) => {
    reviewed.length = 0
    for (const protocols of [
      [BEARER + base64url('nobody'), 'v4.channel.k8s.io'],
      [BEARER + base64url('bobtoken')],
      [BEARER + base64url('bobtoken'), BEARER + base64url('bobtoken'), 'v4.channel.k8s.io'],
      [`${BEARER}!`, 'v4.channel.k8s.io'],
      [`${BEARER}_w`, 'v4.channel.k8s.io'],
    ]) {
      const answer = await refused(standIn, EXEC, 'websocket', {
        ...standIn.as('nobody'),
        headers: { 'sec-websocket-protocol': protocols.join(',') },
      })
      t.equal(answer.status, 401, protocols.join(','))
      t.match(JSON.parse(answer.body.toString()), { kind: 'Status', reason: 'Unauthorized' })
    }
    t.strictSame(reviewed, ['nobody'])
  })
})

await t.test('a refusal reaches the client whole', async (t) => {
  const large = randomBytes(3 << 20)
  const upgrades = await Upgrades.start(t, {
    upstream: (req, res) => {
      const code = Number(/pods\/(\d+)\//.exec(req.url ?? '')?.[1] ?? 0)
      if (code === 200) {
        res.writeHead(200, { 'X-Large': 'yes', Trailer: 'X-Sum' })
        res.write(large)
        res.addTrailers({ 'X-Sum': 'abc' })
        return void res.end()
      }
      if (code === 0) return void res.socket?.destroy()
      return sendJSON(
        res,
        code,
        { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: `R${code}`, code },
        {
          'X-Two': ['1', '2'],
        },
      )
    },
  })
  const { standIn } = upgrades
  // A server that does not know upgrades answers the request.
  standIn.upstream.removeAllListeners('upgrade')
  for (const [protocol, method] of [
    [SPDY, 'POST'],
    ['websocket', 'GET'],
  ] as const) {
    for (const code of [400, 401, 403, 404, 500]) {
      const auditID = `${method}-${code}`
      const answer = await refused(standIn, EXEC.replace('web', String(code)), protocol, {
        method,
        headers: { 'audit-id': auditID },
      })
      t.equal(answer.status, code)
      t.match(JSON.parse(answer.body.toString()), { kind: 'Status', reason: `R${code}`, code })
      t.equal(answer.headers['x-two'], '1, 2')
      t.equal(answer.headers['audit-id'], auditID)
      const events = await complete(standIn, auditID)
      t.strictSame(stages(events), [
        ['RequestReceived', undefined],
        ['ResponseStarted', code],
        ['ResponseComplete', code],
      ])
      t.equal(events.at(-1)?.responseStatus?.reason, `R${code}`)
    }
    const answer = await refused(standIn, EXEC.replace('web', '200'), protocol, { method })
    t.equal(answer.status, 200)
    t.ok(answer.body.equals(large), 'a large answer in chunks')
  }
  const gone = await refused(standIn, EXEC, SPDY, { method: 'POST', headers: { 'audit-id': 'died' } })
  t.equal(gone.status, 503)
  t.match(JSON.parse(gone.body.toString()), { kind: 'Status', reason: 'ServiceUnavailable' })
  t.equal((await complete(standIn, 'died')).at(-1)?.responseStatus?.code, 503)

  await standIn.stopUpstream()
  const down = await refused(standIn, EXEC, SPDY, { method: 'POST', headers: { 'audit-id': 'down' } })
  t.equal(down.status, 503)
  t.equal((await complete(standIn, 'down')).at(-1)?.responseStatus?.code, 503)
  await standIn.startUpstream()
})

await t.test('nobody gains anything by asking for an upgrade', async (t) => {
  const upgrades = await Upgrades.start(t)
  const { standIn } = upgrades

  await t.test('a client cannot assert anything', async (t) => {
    for (const who of [standIn.admin, 'nobody'] as const) {
      const { client, req } = await upgrades.open({
        ...standIn.as(who),
        headers: {
          'X-Remote-User': ['root', 'root2'],
          'x-remote-group': 'system:masters',
          'X-REMOTE-EXTRA-SCOPES': 'all',
          Connection: 'Upgrade, X-Remote-User',
        },
      })
      t.strictSame(values(req, 'x-remote-user'), who === 'nobody' ? [] : ['admin'])
      t.strictSame(
        values(req, 'x-remote-group'),
        who === 'nobody' ? [] : ['system:masters', 'system:authenticated'],
      )
      t.strictSame(values(req, 'x-remote-extra-scopes'), [])
      client.destroy()
    }
  })

  await t.test('a second request behind a refused one is no request', async (t) => {
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Remote-User: root\r\nConnection: close\r\n\r\n'
    standIn.upstream.removeAllListeners('upgrade')
    const before = standIn.seen.length
    const client = await connectTLS(standIn)
    client.write(
      `POST ${EXEC} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${SPDY}\r\nContent-Length: 0\r\n\r\n` +
        smuggled,
    )
    const answer = await readUntil(client, (text) => text.includes('"code":404'))
    t.match(answer, /^HTTP\/1.1 404 Not Found\r\n/)
    client.write(smuggled)
    client.resume()
    await once(client, 'end')
    client.destroy()
    t.strictSame(
      standIn.seen.slice(before).map((seen) => seen.url),
      [EXEC],
    )
  })

  await t.test('protocols that carry requests are not asked for', async (t) => {
    standIn.upstream.on('upgrade', (_req, socket: Socket) => socket.destroy())
    for (const protocol of ['h2c', 'H2C', 'foo, h2c', 'HTTP/2.0', 'TLS/1.2']) {
      const answer = await refused(standIn, '/api/v1/pods', protocol)
      t.equal(answer.status, 404, `${protocol}: answered as if it had not been offered`)
      t.notOk(standIn.seen.at(-1)?.headers.upgrade)
    }
  })

  await t.test('a body has no place in it', async (t) => {
    const before = standIn.seen.length
    const client = await connectTLS(standIn)
    client.write(
      `POST ${EXEC} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${SPDY}\r\nContent-Length: 5\r\n\r\n12345`,
    )
    t.match(await readUntil(client, (text) => text.includes('"code":400')), /must not have a body/)
    client.destroy()
    t.equal(standIn.seen.length, before)
  })
})

await t.test('identities by impersonation', async (t) => {
  const upgrades = await Upgrades.start(t, { identity: 'impersonation' })
  const alice = upgrades.standIn.client({ name: 'alice', cn: 'alice', o: ['dev', 'qa'] })
  const { client, server, req } = await upgrades.open({
    ...upgrades.standIn.as(alice),
    headers: { 'audit-id': 'imp' },
  })
  t.equal(server.getPeerCertificate().subject.CN, 'kube-audit-proxy')
  t.strictSame(values(req, 'impersonate-user'), ['alice'])
  t.strictSame(values(req, 'impersonate-group'), ['dev', 'qa', 'system:authenticated'])
  client.destroy()
  t.equal((await complete(upgrades.standIn, 'imp'))[0]?.user.username, 'alice')
})

await t.test('a client that goes, or speaks, before it has an answer', async (t) => {
  const upgrades = await Upgrades.start(t)
  const head = (auditID: string): string =>
    `POST ${EXEC} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${SPDY}\r\nContent-Length: 0\r\n` +
    `Audit-ID: ${auditID}\r\n\r\n`
  for (const [auditID, leave] of [
    ['left-end', (client: Socket) => client.end()],
    ['left-destroy', (client: Socket) => client.destroy()],
  ] as const) {
    const arrived = upgrades.next()
    const client = await connectTLS(upgrades.standIn)
    client.on('error', () => undefined)
    client.write(head(auditID))
    const { socket: server } = await arrived
    // Whether it is told or cut off is a matter of what was on its way just then.
    server.on('error', () => undefined)
    const closed = new Promise((resolve) => server.resume().once('close', resolve))
    leave(client)
    await closed
    t.match((await complete(upgrades.standIn, auditID)).at(-1)?.responseStatus, {
      code: 200,
      message: 'Connection closed early',
    })
  }

  const arrived = upgrades.next()
  const client = await connectTLS(upgrades.standIn)
  client.write(`${head('early')}first `)
  const { socket: server } = await arrived
  client.write('second')
  agree(server)
  t.equal(await readUntil(server, (text) => text.length >= 12), 'first second')
  client.destroy()
})

await t.test('SIGTERM ends sessions, after their events', async (t) => {
  const upgrades = await Upgrades.start(t)
  const { standIn } = upgrades
  const { client, server } = await upgrades.open({ headers: { 'audit-id': 'exec' } })
  const other = await upgrades.open({ headers: { 'audit-id': 'other' } }, '/apis/example.com/v1/things')
  server.resume()
  other.server.resume()
  const ended = Promise.all([once(client.resume(), 'end'), once(other.client.resume(), 'end')])
  const closed = Promise.all([once(server, 'close'), once(other.server, 'close')])
  const exited = standIn.proxy.stop()
  await ended
  await closed
  t.equal(await exited, 0)
  const events = byAuditID(readAuditLog(standIn.auditLog))
  t.strictSame(stages(events.get('exec')), SESSION)
  t.match(events.get('exec')?.at(-1)?.annotations, { 'kube-audit-proxy.io/aborted': /shutting down/ })
  t.strictSame(
    stages(events.get('other')),
    SESSION.filter(([stage]) => stage !== 'ResponseStarted'),
  )
})

await t.test('sessions leave nothing behind', { timeout: 120_000 }, async (t) => {
  const upgrades = await Upgrades.start(t)
  const LIMIT = 50
  const round = async (): Promise<void> => {
    const open = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = await connectTLS(upgrades.standIn)
        client.write(
          `POST ${EXEC} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${SPDY}\r\nContent-Length: 0\r\n\r\n`,
        )
        return client
      }),
    )
    await Promise.all(
      open.map(async (client) => {
        await readUntil(client, (text) => text.endsWith('\r\n\r\n'))
        client.write(Buffer.alloc(100_000))
        client.end()
        await once(client.resume(), 'close')
      }),
    )
  }
  upgrades.arrivals.on('upgrade', ({ socket }) => {
    agree(socket)
    socket.on('end', () => socket.end())
    socket.resume()
  })
  const grown = await leastGrowth(
    () => upgrades.standIn.memory(),
    LIMIT,
    async () => {
      for (let i = 0; i < 45; i++) await round()
    },
  )
  t.ok(grown < LIMIT, `memory grew by ${grown.toFixed(1)} MiB`)
})

/** Asks for an upgrade that is answered as a request is. */
async function refused(
  standIn: StandIn,
  path: string,
  protocol: string,
  options: https.RequestOptions = {},
): Promise<Answer> {
  return standIn.ask(path, {
    ...options,
    headers: { Connection: 'Upgrade', Upgrade: protocol, ...(options.headers as object) },
  })
}
