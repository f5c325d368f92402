import { createHash, randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import https from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import { byAuditID, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const WATCH = '/api/v1/configmaps?watch=true'

function complete(standIn: StandIn, auditID: string): Promise<LoggedEvent[]> {
  return waitForEvents(standIn.auditLog, (events) => {
    const found = byAuditID(events).get(auditID)
    return found?.at(-1)?.stage === 'ResponseComplete' ? found : undefined
  })
}

/** Requests that the stand-in received, each to be answered by the test. */
class Arrivals extends EventEmitter<{ request: [IncomingMessage, ServerResponse] }> {
  async next(): Promise<[IncomingMessage, ServerResponse]> {
    return (await once(this, 'request')) as [IncomingMessage, ServerResponse]
  }
}

await t.test('what passes is what was sent', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({ upstream: (req, res) => arrivals.emit('request', req, res) })
  t.teardown(() => standIn.stop())

  await t.test('path and query, byte for byte', async (t) => {
    for (const target of [
      '/api/v1/namespaces/a%2Fb/pods/x%20y?labelSelector=a%3Db&x=%E2%82%AC',
      '//api/v1/namespaces',
      '/api/v1/../v1/pods',
      '/api/v1/pods/',
      "/apis/x/v1/a;b=c/'()*!~?",
      '/?',
    ]) {
      const arrived = arrivals.next()
      const answered = standIn.ask(target)
      const [req, res] = await arrived
      t.equal(req.url, target)
      res.end()
      await answered
    }
  })

  await t.test('headers both ways, and the body', async (t) => {
    const arrived = arrivals.next()
    const sent = randomBytes(300_000)
    const answered = standIn.ask(
      '/api/v1/namespaces/default/configmaps',
      {
        method: 'POST',
        headers: {
          'Content-Type': 'application/octet-stream',
          'X-Custom': ['one', 'two'],
          'X-Forwarded-For': '203.0.113.7',
          'Audit-ID': 'mine',
          'User-Agent': 'test/1',
          TE: 'trailers',
        },
      },
      sent,
    )
    const [req, res] = await arrived
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    t.ok(Buffer.concat(chunks).equals(sent), 'the request body')
    t.equal(req.headers['x-custom'], 'one, two')
    t.equal(req.headers['x-forwarded-for'], '203.0.113.7, 127.0.0.1')
    t.equal(req.headers['audit-id'], 'mine')
    t.equal(req.headers['user-agent'], 'test/1')
    t.equal(req.headers['te'], undefined, 'what belongs to a connection ends with it')
    t.equal(req.headers['content-length'], String(sent.length))
    const reply = randomBytes(300_000)
    res.writeHead(207, 'Something Else', [
      ...['Content-Type', 'text/weird', 'Warning', '299 - "one"', 'Warning', '299 - "two"'],
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
    t.strictSame(
      answer.rawHeaders.filter((_, i) => answer.rawHeaders[i - 1] === 'Warning'),
      ['299 - "one"', '299 - "two"'],
    )
  })

  await t.test("an Audit-ID of the proxy's own making, sent upstream and returned", async (t) => {
    const arrived = arrivals.next()
    const answered = standIn.ask('/version')
    const [req, res] = await arrived
    res.end()
    const id = req.headers['audit-id']
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    t.equal((await answered).headers['audit-id'], id)
  })

  await t.test('204, 304 and HEAD have no body and end', async (t) => {
    for (const [code, method] of [
      [204, 'DELETE'],
      [304, 'GET'],
      [200, 'HEAD'],
    ] as const) {
      const arrived = arrivals.next()
      const answered = standIn.ask('/api/v1/pods', { method })
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
    const opened = standIn.open(WATCH, { headers: { 'audit-id': 'watch-1' } })
    const [, upstream] = await arrived
    upstream.writeHead(200, { 'content-type': 'application/json' })
    upstream.flushHeaders()
    const res = await opened
    t.equal(res.statusCode, 200, 'the head arrives before there is an event')
    const [started] = await waitForEvents(standIn.auditLog, (events) => {
      const found = byAuditID(events)
        .get('watch-1')
        ?.filter((e) => e.stage === 'ResponseStarted')
      return found?.length === 1 ? found : undefined
    })
    t.equal(started?.responseStatus?.code, 200)
    for (let i = 0; i < 3; i++) {
      const line = `{"type":"ADDED","object":{"i":${i}}}\n`
      const data = once(res, 'data')
      upstream.write(line)
      t.equal(String((await data)[0]), line)
    }
    upstream.end()
    await once(res.resume(), 'end')
    const events = await complete(standIn, 'watch-1')
    t.strictSame(
      events.map((e) => [e.stage, e.verb]),
      [
        ['RequestReceived', 'watch'],
        ['ResponseStarted', 'watch'],
        ['ResponseComplete', 'watch'],
      ],
    )
  })

  await t.test('a client that goes away ends the watch upstream', async (t) => {
    const arrived = arrivals.next()
    const opened = standIn.open(WATCH, { agent: false, headers: { 'audit-id': 'gone-1' } })
    const [, upstream] = await arrived
    upstream.flushHeaders()
    const res = await opened
    const closed = once(upstream, 'close')
    res.destroy()
    await closed
    const last = (await complete(standIn, 'gone-1')).at(-1)
    t.equal(last?.responseStatus?.code, 200)
    t.equal(last?.annotations?.['kube-audit-proxy.io/aborted'], 'by the client')
  })

  await t.test('a client that goes away before there is an answer', async (t) => {
    const arrived = arrivals.next()
    const req = https.get({ ...standIn.as(), path: '/api/v1/pods', headers: { 'audit-id': 'gone-2' } })
    req.on('error', () => undefined)
    const [, upstream] = await arrived
    const closed = once(upstream, 'close')
    req.destroy()
    await closed
    const last = (await complete(standIn, 'gone-2')).at(-1)
    t.match(last?.responseStatus, { code: 200, message: 'Connection closed early' })
  })

  await t.test('an upstream that breaks off is seen to break off', async (t) => {
    const arrived = arrivals.next()
    const opened = standIn.open('/api/v1/pods', { headers: { 'audit-id': 'broken-1' } })
    const [, upstream] = await arrived
    upstream.write('{"kind":"PodList",')
    const res = await opened
    const aborted = once(res, 'error').catch((e: unknown) => [e])
    upstream.destroy()
    res.resume()
    t.match((await aborted)[0], { code: 'ECONNRESET' })
    const last = (await complete(standIn, 'broken-1')).at(-1)
    t.equal(last?.annotations?.['kube-audit-proxy.io/aborted'], 'by the upstream')
  })

  await t.test('an answer before the request is complete reaches the client', async (t) => {
    const arrived = arrivals.next()
    const req = https.request({
      ...standIn.as(),
      agent: false,
      method: 'POST',
      path: '/api/v1/namespaces/default/configmaps',
      headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked', 'audit-id': 'early-1' },
    })
    req.write('{"half":')
    const [, upstream] = await arrived
    const responded = once(req, 'response')
    sendJSON(upstream, 413, {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'TooLarge',
      code: 413,
    })
    const [res] = (await responded) as [IncomingMessage]
    t.equal(res.statusCode, 413)
    let body = ''
    for await (const chunk of res) body += String(chunk)
    t.match(JSON.parse(body), { reason: 'TooLarge' })
    req.destroy()
    t.match((await complete(standIn, 'early-1')).at(-1)?.responseStatus, { code: 413, reason: 'TooLarge' })
  })
})

await t.test('back-pressure', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({ upstream: (req, res) => arrivals.emit('request', req, res) })
  t.teardown(() => standIn.stop())

  await t.test('a reader that stops holds the upstream back', async (t) => {
    const arrived = arrivals.next()
    const opened = standIn.open('/api/v1/pods', { agent: false })
    const [, upstream] = await arrived
    const chunk = randomBytes(1 << 20)
    const sent = createHash('sha256')
    let accepted = 0
    upstream.writeHead(200)
    // Far more than all the buffers on the way can hold: write() must stop accepting.
    while (accepted < 256 && upstream.writableLength < 32 << 20) {
      upstream.write(chunk)
      sent.update(chunk)
      accepted++
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.ok(accepted < 256, `the upstream was held back after ${accepted} MiB`)
    upstream.end()
    const received = createHash('sha256')
    for await (const data of await opened) received.update(data as Buffer)
    t.equal(received.digest('hex'), sent.digest('hex'), 'and then everything arrived')
  })

  await t.test('an upstream that does not read holds the client back', async (t) => {
    const arrived = arrivals.next()
    const req = https.request({
      ...standIn.as(),
      agent: false,
      method: 'POST',
      path: '/api/v1/namespaces/default/pods',
      headers: { 'content-type': 'application/octet-stream' },
    })
    const chunk = randomBytes(1 << 20)
    req.write(chunk)
    const [incoming, upstream] = await arrived
    let sent = 1
    while (sent < 256 && req.writableLength < 32 << 20) {
      req.write(chunk)
      sent++
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.ok(sent < 256, `the client was held back after ${sent} MiB`)
    req.end()
    let received = 0
    for await (const data of incoming) received += (data as Buffer).length
    t.equal(received, sent << 20)
    upstream.end()
    await once(req, 'response')
  })
})

await t.test('an upstream that is not there', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}) })
  t.teardown(() => standIn.stop())
  t.equal((await standIn.ask('/api/v1/pods')).status, 200)

  await standIn.stopUpstream()
  const answer = await standIn.ask('/api/v1/pods', { headers: { 'audit-id': 'down-1' } })
  t.equal(answer.status, 503)
  t.equal(answer.headers['retry-after'], '1')
  t.match(JSON.parse(answer.body.toString()), {
    kind: 'Status',
    status: 'Failure',
    reason: 'ServiceUnavailable',
    details: { retryAfterSeconds: 1 },
    code: 503,
  })
  const events = await complete(standIn, 'down-1')
  t.strictSame(
    events.map((e) => [e.stage, e.responseStatus?.code]),
    [
      ['RequestReceived', undefined],
      ['ResponseComplete', 503],
    ],
  )

  await standIn.startUpstream()
  t.equal((await standIn.ask('/api/v1/pods')).status, 200, 'it is back')
})

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
