import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { byAuditID, completeEvents, waitForEvents } from '../support/audit-log.js'
import { ask, headerValues, PROTOCOLS, type Client, type Protocol } from '../support/protocols.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const WATCH = '/api/v1/configmaps?watch=true'
const PODS = '/api/v1/namespaces/default/pods'
const MIB = 1 << 20
/** Far more than all the buffers on the way can hold. */
const TOO_MUCH = 256

/** A stand-in apiserver whose requests the test answers, and one client. */
async function start(t: Test, protocol: Protocol) {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({ upstream: (req, res) => arrivals.emit('request', req, res) })
  t.teardown(() => standIn.stop())
  return { arrivals, standIn, client: await protocol.connect(t, standIn) }
}

for (const protocol of PROTOCOLS) {
  await t.test(`what passes over ${protocol.name} is what was sent`, (t) => passes(t, protocol))
  await t.test(`back-pressure over ${protocol.name}`, (t) => backPressure(t, protocol))
  await t.test(`an upstream that is not there, over ${protocol.name}`, (t) => noUpstream(t, protocol))
}

async function passes(t: Test, protocol: Protocol): Promise<void> {
  const { arrivals, standIn, client } = await start(t, protocol)
  const complete = (auditID: string) => completeEvents(standIn.auditLog, auditID)

  await t.test('path and query, byte for byte', async (t) => {
    for (const path of [
      '/api/v1/namespaces/a%2Fb/pods/x%20y?labelSelector=a%3Db&x=%E2%82%AC',
      '//api/v1/namespaces',
      '/api/v1/../v1/pods',
      '/api/v1/pods/',
      "/apis/x/v1/a;b=c/'()*!~?",
      '/?',
    ]) {
      const arrived = arrivals.next()
      const answered = ask(client, { path })
      const [req, res] = await arrived
      t.equal(req.url, path)
      res.end()
      await answered
    }
  })

  await t.test('headers both ways, and the body', async (t) => {
    const arrived = arrivals.next()
    const sent = randomBytes(300_000)
    const path = '/api/v1/namespaces/a%2Fb/configmaps?x=%E2%82%AC'
    const headers = {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(sent.length),
      'X-Custom': ['one', 'two'],
      'X-Forwarded-For': '203.0.113.7',
      'Audit-ID': 'mine',
      'User-Agent': 'test/1',
      TE: 'trailers',
    }
    const answered = ask(client, { method: 'POST', path, headers }, sent)
    const [req, res] = await arrived
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    t.ok(Buffer.concat(chunks).equals(sent), 'the request body')
    t.equal(req.method, 'POST')
    t.strictSame(headerValues(req.rawHeaders, 'x-custom'), ['one', 'two'])
    t.equal(req.headers['x-forwarded-for'], '203.0.113.7, 127.0.0.1')
    t.equal(req.headers['audit-id'], 'mine')
    t.equal(req.headers['user-agent'], 'test/1')
    t.equal(req.headers['te'], undefined, 'what belongs to a connection ends with it')
    t.equal(req.headers['content-length'], String(sent.length))
    const reply = randomBytes(300_000)
    res.writeHead(207, 'Something Else', [
      ...['Content-Type', 'text/weird', 'Warning', '299 - "one"', 'Warning', '299 - "two"'],
      ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', '__proto__', 'x'],
      ...['Connection', 'keep-alive, X-Hop', 'Trailer', 'X-Checksum'],
    ])
    res.write(reply.subarray(0, 1000))
    res.write(reply.subarray(1000))
    res.addTrailers({ 'X-Checksum': 'abc' })
    res.end()
    const answer = await answered
    t.equal(answer.status, 207)
    t.ok(answer.body.equals(reply), 'the response body')
    t.equal(answer.headers['content-type'], 'text/weird')
    t.equal(answer.headers['audit-id'], 'mine')
    t.strictSame(headerValues(answer.rawHeaders, 'warning'), ['299 - "one"', '299 - "two"'])
    t.strictSame(headerValues(answer.rawHeaders, 'set-cookie'), ['a=1', 'b=2'])
    t.strictSame(headerValues(answer.rawHeaders, '__proto__'), ['x'])
    const [received] = await complete('mine')
    t.equal(received?.requestURI, path)
    t.strictSame(received?.sourceIPs, ['203.0.113.7', '127.0.0.1'])
  })

  await t.test("an Audit-ID of the proxy's own making, sent upstream and returned", async (t) => {
    const arrived = arrivals.next()
    const answered = ask(client, { path: '/version' })
    const [req, res] = await arrived
    res.end()
    const id = req.headers['audit-id']
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    t.equal((await answered).headers['audit-id'], id)
  })

  await t.test('204, 205, 304 and HEAD have no body and end', async (t) => {
    for (const [code, method] of [
      [204, 'DELETE'],
      [205, 'POST'],
      [304, 'GET'],
      [200, 'HEAD'],
    ] as const) {
      const arrived = arrivals.next()
      const answered = ask(client, { path: '/api/v1/pods', method })
      const [, res] = await arrived
      res.writeHead(code, method === 'HEAD' ? { 'content-length': '12345' } : {}).end()
      const answer = await answered
      t.equal(answer.status, code)
      t.equal(answer.body.length, 0)
      if (method === 'HEAD') t.equal(answer.headers['content-length'], '12345')
    }
  })

  await t.test('each event of a watch passes at once', async (t) => {
    const arrived = arrivals.next()
    const { response } = client.send({ path: WATCH, headers: { 'audit-id': 'watch-1' } })
    const [, upstream] = await arrived
    upstream.writeHead(200, { 'content-type': 'application/json' })
    upstream.flushHeaders()
    const { status, body } = await response
    t.equal(status, 200, 'the head arrives before there is an event')
    const [started] = await waitForEvents(standIn.auditLog, (events) => {
      const found = byAuditID(events)
        .get('watch-1')
        ?.filter((e) => e.stage === 'ResponseStarted')
      return found?.length === 1 ? found : undefined
    })
    t.equal(started?.responseStatus?.code, 200)
    for (let i = 0; i < 3; i++) {
      const line = `{"type":"ADDED","object":{"i":${i}}}\n`
      const data = once(body, 'data')
      upstream.write(line)
      t.equal(String((await data)[0]), line)
    }
    upstream.end()
    await once(body.resume(), 'end')
    t.strictSame(
      (await complete('watch-1')).map((e) => [e.stage, e.verb]),
      [
        ['RequestReceived', 'watch'],
        ['ResponseStarted', 'watch'],
        ['ResponseComplete', 'watch'],
      ],
    )
  })

  await t.test('a client that goes away ends the watch upstream', async (t) => {
    const arrived = arrivals.next()
    const sent = client.send({ path: WATCH, headers: { 'audit-id': 'gone-1' } })
    const [, upstream] = await arrived
    upstream.flushHeaders()
    const { body } = await sent.response
    body.on('error', () => undefined)
    const closed = once(upstream, 'close')
    sent.cancel()
    await closed
    const last = (await complete('gone-1')).at(-1)
    t.equal(last?.responseStatus?.code, 200)
    t.equal(last?.annotations, undefined, 'that is how a watch ends')
  })

  await t.test('a client that goes away before there is an answer', async (t) => {
    const arrived = arrivals.next()
    const sent = client.send({ path: '/api/v1/pods', headers: { 'audit-id': 'gone-2' } })
    const [, upstream] = await arrived
    const closed = once(upstream, 'close')
    sent.cancel()
    await closed
    const last = (await complete('gone-2')).at(-1)
    t.match(last?.responseStatus, { code: 200, message: 'Connection closed early' })
  })

  await t.test('an upstream that breaks off is seen to break off', async (t) => {
    const arrived = arrivals.next()
    const sent = client.send({ path: '/api/v1/pods', headers: { 'audit-id': 'broken-1' } })
    const [, upstream] = await arrived
    upstream.write('{"kind":"PodList",')
    const { body } = await sent.response
    const broken = once(body, 'error').catch((e: unknown) => [e])
    upstream.destroy()
    body.resume()
    t.match((await broken)[0], { code: protocol.cutOff })
    const last = (await complete('broken-1')).at(-1)
    t.equal(last?.annotations?.['kube-audit-proxy.io/aborted'], 'by the upstream')
  })

  await t.test('an answer before the request is complete reaches the client', async (t) => {
    const arrived = arrivals.next()
    const headers = { 'content-type': 'application/json', 'audit-id': 'early-1' }
    const sent = client.send({ method: 'POST', path: PODS, headers }, true)
    sent.upload.write('{"half":')
    const [, upstream] = await arrived
    sendJSON(upstream, 413, { kind: 'Status', apiVersion: 'v1', reason: 'TooLarge', code: 413 })
    const { status, body } = await sent.response
    t.equal(status, 413)
    let text = ''
    for await (const chunk of body) text += String(chunk)
    t.match(JSON.parse(text), { reason: 'TooLarge' })
    sent.cancel()
    t.match((await complete('early-1')).at(-1)?.responseStatus, { code: 413, reason: 'TooLarge' })
  })
}

async function backPressure(t: Test, protocol: Protocol): Promise<void> {
  const { arrivals, client } = await start(t, protocol)
  /** Who stops holds back nobody else. */
  const another = async (t: Test): Promise<void> => {
    const next = arrivals.next()
    const answered = ask(client, { method: 'POST', path: '/api/v1/nodes' }, 'small')
    const [req, res] = await next
    t.equal(String((await once(req, 'data'))[0]), 'small')
    res.end('other')
    t.equal((await answered).body.toString(), 'other')
  }

  await t.test('a reader that stops holds its upstream back', async (t) => {
    const arrived = arrivals.next()
    const { response } = client.send({ path: '/api/v1/pods' })
    const [, upstream] = await arrived
    upstream.writeHead(200)
    const sent = createHash('sha256')
    const chunk = randomBytes(MIB)
    const accepted = await fill(upstream, () => {
      upstream.write(chunk)
      sent.update(chunk)
    })
    t.ok(accepted < TOO_MUCH, `the upstream was held back after ${accepted} MiB`)
    const { body } = await response
    for (let i = 0; i < 10; i++) await another(t)
    upstream.end()
    const received = createHash('sha256')
    for await (const data of body) received.update(data as Buffer)
    t.equal(received.digest('hex'), sent.digest('hex'), 'and then everything arrived')
  })

  await t.test('an upstream that does not read holds the client back', async (t) => {
    const arrived = arrivals.next()
    const headers = { 'content-type': 'application/octet-stream' }
    const { upload, response } = client.send({ method: 'POST', path: PODS, headers }, true)
    const chunk = randomBytes(MIB)
    upload.write(chunk)
    const [incoming, upstream] = await arrived
    const sent = 1 + (await fill(upload, () => upload.write(chunk)))
    t.ok(sent < TOO_MUCH, `the client was held back after ${sent} MiB`)
    await another(t)
    upload.end()
    let received = 0
    for await (const data of incoming) received += (data as Buffer).length
    t.equal(received, sent * MIB)
    upstream.end()
    const { status, body } = await response
    t.equal(status, 200)
    await once(body.resume(), 'end')
  })
}

/** Writes until the stream takes no more, or far too much; how often. */
async function fill(stream: { readonly writableLength: number }, write: () => void): Promise<number> {
  let written = 0
  while (written < TOO_MUCH && stream.writableLength < 32 * MIB) {
    write()
    written++
    await new Promise((resolve) => setImmediate(resolve))
  }
  return written
}

async function noUpstream(t: Test, protocol: Protocol): Promise<void> {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}) })
  t.teardown(() => standIn.stop())
  const client: Client = await protocol.connect(t, standIn)
  const path = '/api/v1/pods'
  t.equal((await ask(client, { path })).status, 200)

  await standIn.stopUpstream()
  const answer = await ask(client, { path, headers: { 'audit-id': 'down-1' } })
  t.equal(answer.status, 503)
  t.equal(answer.headers['retry-after'], '1')
  t.match(JSON.parse(answer.body.toString()), {
    kind: 'Status',
    status: 'Failure',
    reason: 'ServiceUnavailable',
    details: { retryAfterSeconds: 1 },
    code: 503,
  })
  t.strictSame(
    (await completeEvents(standIn.auditLog, 'down-1')).map((e) => [e.stage, e.responseStatus?.code]),
    [
      ['RequestReceived', undefined],
      ['ResponseComplete', 503],
    ],
  )

  await standIn.startUpstream()
  t.equal((await ask(client, { path })).status, 200, 'it is back')
}

await t.test('kept-alive connections upstream', async (t) => {
  let dropAfterAnswer = false
  const arrived: string[] = []
  const standIn = await StandIn.start({
    upstream: (req, res) => {
      arrived.push(`${req.method} ${req.url}`)
      if (req.url === '/die') return void req.socket.destroy()
      if (dropAfterAnswer) res.on('finish', () => req.socket.destroy())
      return sendJSON(res, 200, {})
    },
  })
  t.teardown(() => standIn.stop())

  await t.test('one that died while it was idle costs nothing', async (t) => {
    dropAfterAnswer = true
    for (let i = 0; i < 20; i++) t.equal((await standIn.ask(`/api/v1/pods?i=${i}`)).status, 200)
    dropAfterAnswer = false
  })

  await t.test('a request that was sent is never sent again', async (t) => {
    arrived.length = 0
    t.equal((await standIn.ask('/die', { method: 'POST' }, 'x')).status, 503)
    t.strictSame(arrived, ['POST /die'])
  })
})
