import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { completeEvents, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { ask, PROTOCOLS, type Protocol } from '../support/protocols.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const PODS = '/api/v1/namespaces/default/pods'
const EXEC = `${PODS}/p/exec?command=sh`
const OUTCOME = 'kube-audit-proxy.io/outcome'
const ABORTED = 'kube-audit-proxy.io/aborted'
const REPLACED = 'kube-audit-proxy.io/replaced-audit-id'
const POD = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'p' } }
const POLICY = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n'

async function start(t: Test, flags: readonly string[] = []) {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({
    upstream: (req, res) => arrivals.emit('request', req, res),
    policy: POLICY,
    flags,
  })
  t.teardown(() => standIn.stop())
  const last = async (auditID: string) => (await completeEvents(standIn.auditLog, auditID)).at(-1)
  return { arrivals, standIn, last }
}

/** Answers as the apiserver does, which returns the Audit-ID that it was sent. */
function created(arrivals: Arrivals): void {
  arrivals.on('request', (req, res) => {
    req.resume().on('end', () => sendJSON(res, 201, POD, { 'audit-id': req.headers['audit-id'] }))
  })
}

/** A connection whose client writes what it likes. */
async function raw(t: Test, standIn: StandIn): Promise<TLSSocket> {
  const socket = connect(standIn.as() as ConnectionOptions)
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function textOf(socket: TLSSocket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  await once(socket, 'close')
  return text
}

for (const protocol of PROTOCOLS) {
  await t.test(`an Audit-ID of any length, over ${protocol.name}`, (t) => auditIDs(t, protocol))
  await t.test(`heads of answers over ${protocol.name}`, (t) => heads(t, protocol))
  await t.test(`uploads that break off over ${protocol.name}`, (t) => brokenUpload(t, protocol))
}

async function auditIDs(t: Test, protocol: Protocol): Promise<void> {
  const { arrivals, standIn } = await start(t)
  created(arrivals)
  const client = await protocol.connect(t, standIn)
  const create = (id: string) =>
    ask(client, { method: 'POST', path: PODS, headers: { 'audit-id': id } }, JSON.stringify(POD))

  const longest = 'x'.repeat(8192)
  t.equal((await create(longest)).headers['audit-id'], longest)
  const kept = (await completeEvents(standIn.auditLog, longest)).at(-1)
  t.equal(kept?.responseStatus?.code, 201)
  t.equal(kept?.annotations, undefined)

  for (const length of protocol.name === 'HTTP/2' ? [16_385, 60_000] : [16_385, 66_000, 500_000]) {
    const answer = await create('y'.repeat(length))
    t.equal(answer.status, 201, `${length} bytes`)
    const id = String(answer.headers['audit-id'])
    t.match(id, /^[0-9a-f-]{36}$/)
    t.equal(standIn.seen.at(-1)?.headers['audit-id'], id, 'the apiserver has the same')
    const events = await completeEvents(standIn.auditLog, id)
    t.equal(events.at(-1)?.responseStatus?.code, 201)
    const expected = `${length} bytes that begin with ${'y'.repeat(64)}`
    t.strictSame(
      events.map(({ annotations }) => annotations?.[REPLACED]),
      [expected, expected],
    )
  }
}

async function heads(t: Test, protocol: Protocol): Promise<void> {
  const { arrivals, standIn, last } = await start(t)
  const client = await protocol.connect(t, standIn)
  const answerWith = async (id: string, bytes: number) => {
    const arrived = arrivals.next()
    const sent = client.send({ path: PODS, headers: { 'audit-id': id } })
    const [, res] = await arrived
    const fields = Object.fromEntries(
      Array.from({ length: bytes / 8192 }, (_, i) => [`x-${i}`, 'v'.repeat(8192)]),
    )
    res.on('error', () => undefined)
    sendJSON(res, 200, POD, fields)
    return sent
  }

  await t.test('large ones pass', async (t) => {
    // Node.js's client of HTTP/2 takes a head in nine frames of 16 KiB, and that of HTTP/1.1 says how much it takes.
    await answerWith('large', protocol.name === 'HTTP/2' ? 96 << 10 : 512 << 10)
    t.match(await last('large'), { responseStatus: { code: 200 }, responseObject: POD })
  })

  await t.test('and larger ones are no answer', async (t) => {
    const { status, body } = await (await answerWith('larger', 2 << 20)).response
    t.equal(status, 503)
    let text = ''
    for await (const chunk of body) text += String(chunk)
    const message = "the head of the apiserver's answer is too large: the request may have been carried out"
    t.match(JSON.parse(text), { kind: 'Status', reason: 'ServiceUnavailable', message, code: 503 })
    t.match(await last('larger'), {
      responseStatus: { code: 503, message },
      annotations: {
        [OUTCOME]: 'unknown',
        [ABORTED]: 'by the proxy, to which the head of the answer was too large',
      },
    })
  })
}

async function brokenUpload(t: Test, protocol: Protocol): Promise<void> {
  const { arrivals, standIn, last } = await start(t)
  const client = await protocol.connect(t, standIn)
  // Node.js's client of HTTP/2 ends an upload that it cancels: without a length that is a whole one.
  for (const length of protocol.name === 'HTTP/2' ? ['1000'] : [undefined, '1000']) {
    const id = `upload-${length ?? 'of unknown length'}`
    const arrived = arrivals.next()
    const headers = {
      'audit-id': id,
      'content-type': 'application/json',
      ...(length && { 'content-length': length }),
    }
    const sent = client.send({ method: 'POST', path: PODS, headers }, true)
    sent.upload.write('{"kind":')
    const [req] = await arrived
    await once(req, 'data')
    const aborted = once(req, 'aborted')
    sent.cancel()
    await aborted
    const event = await last(id)
    t.match(event, {
      responseStatus: { code: 500, status: 'Failure', message: 'unexpected EOF', reason: undefined },
      responseObject: { kind: 'Status', code: 500 },
      annotations: { [OUTCOME]: 'unknown', [ABORTED]: 'by the client' },
    })
  }
}

await t.test('bodies that are no HTTP', async (t) => {
  const { arrivals, standIn, last } = await start(t)
  arrivals.on('request', (req) => req.resume())
  const head = (id: string, field: string) =>
    `POST ${PODS} HTTP/1.1\r\nHost: x\r\nAudit-ID: ${id}\r\nContent-Type: application/json\r\n${field}\r\n\r\n`
  const chunked = 'Transfer-Encoding: chunked'
  const cases: Readonly<Record<string, string>> = {
    'no-size': `${head('no-size', chunked)}5\r\n{"kin\r\nZZ\r\n`,
    'no-end': `${head('no-end', chunked)}5\r\n{"kinXXX\r\n`,
    'first-chunk': `${head('first-chunk', chunked)}ZZ\r\n`,
  }
  for (const [id, text] of Object.entries(cases)) {
    const socket = await raw(t, standIn)
    socket.write(text)
    const answer = await textOf(socket)
    t.match(answer, /^HTTP\/1\.1 500 Internal Server Error\r\n/, id)
    t.match(answer, `Audit-Id: ${id}\r\n`)
    t.match(answer, 'Connection: close\r\n')
    t.match(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))), {
      kind: 'Status',
      message: 'unexpected EOF',
    })
    t.match(await last(id), {
      responseStatus: { code: 500, status: 'Failure' },
      annotations: { [ABORTED]: 'by the client' },
    })
  }
  const refused = await raw(t, standIn)
  refused.write(
    `${head('refused', chunked).replace('Content-Type', 'Authorization: Bearer wrong\r\nA')}ZZ\r\n`,
  )
  t.match(await textOf(refused), /^HTTP\/1\.1 (401|500) /, 'one answer, whoever asks')
})

await t.test('what follows a request and is no HTTP is no part of it', async (t) => {
  const { arrivals, standIn, last } = await start(t)
  const arrived = arrivals.next()
  const socket = await raw(t, standIn)
  const answered = textOf(socket)
  socket.write(`GET ${PODS} HTTP/1.1\r\nHost: x\r\nAudit-ID: whole\r\n\r\n`)
  const [, res] = await arrived
  // The answer waits until the proxy has read it: to a request behind it there is no other sign.
  socket.write('no HTTP\r\n\r\n', () => setImmediate(() => sendJSON(res, 200, POD)))
  t.match(await answered, /^HTTP\/1\.1 200 OK\r\n/)
  t.equal((await last('whole'))?.responseStatus?.code, 200)
})

await t.test('a client that goes away', async (t) => {
  const { arrivals, standIn, last } = await start(t)
  const [http1] = PROTOCOLS
  const client = await (http1 as Protocol).connect(t, standIn)
  for (const [method, path] of [
    ['DELETE', `${PODS}/p`],
    ['GET', `${PODS}?watch=true`],
  ] as const) {
    const arrived = arrivals.next()
    const sent = client.send({ method, path, headers: { 'audit-id': `gone-${method}` } })
    const [, res] = await arrived
    sent.cancel()
    await once(res, 'close')
    t.match(await last(`gone-${method}`), {
      responseStatus: { code: 200, message: 'Connection closed early' },
      annotations: { [OUTCOME]: 'unknown', [ABORTED]: 'by the client' },
    })
  }
})

/** What an upstream does in place of an answer. */
const SILENCES: Readonly<Record<string, (res: ServerResponse) => void>> = {
  'the connection ends': (res) => res.socket?.end(),
  'the connection is cut': (res) => res.socket?.destroy(),
  'the answer is no HTTP': (res) => res.socket?.end('SSH-2.0-OpenSSH\r\n'),
  'the head breaks off': (res) => res.socket?.end('HTTP/1.1 200 OK\r\nContent-Le'),
}

await t.test('an upstream that takes a request and gives no answer', async (t) => {
  const { arrivals, standIn, last } = await start(t)
  for (const [name, silence] of Object.entries(SILENCES)) {
    for (const upgrade of [false, true]) {
      const id = `${name}${upgrade ? ', to an upgrade' : ''}`
      const answered = (res: { statusCode?: number; headers: object }, body: string): void => {
        t.equal(res.statusCode, 503, id)
        t.notMatch(Object.keys(res.headers), ['retry-after'], 'clients must not send it again by themselves')
        t.match(JSON.parse(body), { kind: 'Status', message: /: the request may have been carried out$/ })
      }
      if (upgrade) {
        const taken = once(standIn.upstream, 'upgrade')
        const socket = await raw(t, standIn)
        const text = textOf(socket)
        socket.write(
          `POST ${EXEC} HTTP/1.1\r\nHost: x\r\nAudit-ID: ${id}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n`,
        )
        const [, upstream] = await taken
        silence({ socket: upstream } as unknown as ServerResponse)
        const [head = '', body = ''] = (await text).split('\r\n\r\n')
        const fields = Object.fromEntries(
          head
            .split('\r\n')
            .slice(1)
            .map((line) => [line.split(':')[0]?.toLowerCase(), line]),
        )
        answered({ statusCode: Number(head.split(' ')[1]), headers: fields }, body)
      } else {
        const arrived = arrivals.next()
        const asked = standIn.ask(PODS, { method: 'POST', headers: { 'audit-id': id } }, '{}')
        silence((await arrived)[1])
        const { status, headers, body } = await asked
        answered({ statusCode: status, headers }, body.toString())
      }
      t.match(await last(id), {
        responseStatus: { code: 503, reason: 'ServiceUnavailable', message: /may have been carried out/ },
        annotations: { [OUTCOME]: 'unknown', [ABORTED]: 'by the upstream' },
      })
    }
  }
})

await t.test('an upstream that is not there has carried out nothing', async (t) => {
  const { standIn, last } = await start(t)
  await standIn.stopUpstream()
  const { status, headers } = await standIn.ask(
    PODS,
    { method: 'POST', headers: { 'audit-id': 'down' } },
    '{}',
  )
  t.equal(status, 503)
  t.equal(headers['retry-after'], '1', 'clients may send it again by themselves')
  t.match(await last('down'), {
    responseStatus: { code: 503, message: 'the apiserver is unreachable' },
    annotations: undefined,
  })
  await standIn.startUpstream()
})

await t.test('a proxy that shuts down', async (t) => {
  const { arrivals, standIn } = await start(t, ['--shutdown-timeout=400ms'])
  const arrived = arrivals.next()
  const asked = standIn.ask(PODS, { method: 'POST', headers: { 'audit-id': 'late' } }, '{}')
  await arrived
  const stopped = standIn.proxy.stop()
  const { status, headers, body } = await asked
  await stopped
  t.equal(status, 503)
  t.equal(headers['retry-after'], undefined)
  t.match(JSON.parse(body.toString()), {
    message: 'the proxy is shutting down: the request may have been carried out',
  })
  const find = (events: LoggedEvent[]) =>
    events.find((e) => e.auditID === 'late' && e.stage === 'ResponseComplete')
  t.match(await waitForEvents(standIn.auditLog, find), {
    annotations: { [OUTCOME]: 'unknown', [ABORTED]: 'by the proxy, which is shutting down' },
  })
})
