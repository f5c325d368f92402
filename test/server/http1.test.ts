import { once } from 'node:events'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { byAuditID, waitForEvents } from '../support/audit-log.js'
import { StandIn } from '../support/stand-in.js'
import { connectTLS, readAll, readUntil } from '../support/upgrade.js'

const PODS = '/api/v1/namespaces/default/pods'

await t.test('the odd corners of HTTP/1.1', async (t) => {
  const standIn = await StandIn.start({
    upstream: (req, res) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => {
        res.writeHead(200, { Trailer: 'X-Sum' })
        for (const chunk of chunks) res.write(chunk)
        res.addTrailers({ 'X-Sum': String(Buffer.concat(chunks).length) })
        res.end()
      })
    },
  })
  t.teardown(() => standIn.stop())

  await t.test('Expect: 100-continue', async (t) => {
    const req = https.request({
      ...standIn.as(),
      agent: false,
      method: 'POST',
      path: PODS,
      headers: { expect: '100-continue', 'content-length': 2 },
    })
    req.flushHeaders()
    await once(req, 'continue')
    req.end('{}')
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    t.equal(res.statusCode, 200)
    t.equal(String((await once(res, 'data'))[0]), '{}')
    t.equal(standIn.seen.at(-1)?.headers.expect, undefined)
  })

  await t.test('chunks: none, many small ones, with extensions and trailers', async (t) => {
    const many = Array.from({ length: 5000 }, () => '1\r\nx\r\n').join('')
    for (const [body, expected] of [
      ['0\r\n\r\n', ''],
      [`${many}0\r\n\r\n`, 'x'.repeat(5000)],
      ['3;ext=1\r\nabc\r\n0\r\nX-Remote-User: root\r\nX-Sum: 1\r\n\r\n', 'abc'],
    ] as const) {
      const socket = await connectTLS(standIn)
      socket.write(
        `POST ${PODS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
      )
      const text = (await readAll(socket)).toString()
      t.match(text, /^HTTP\/1.1 200 OK\r\n/)
      const [, answer = ''] = text.split(/\r\n\r\n(.*)$/s)
      t.equal(answer.replace(/(^|\r\n)[0-9a-f]+\r\n/g, '').replace(/X-Sum.*$/s, ''), expected)
      t.match(answer, new RegExp(`\r\nX-Sum: ${expected.length}\r\n\r\n$`), "the upstream's trailers")
      t.strictSame(
        standIn.seen.at(-1)?.rawHeaders.filter((_, i, raw) => raw[i - 1]?.toLowerCase() === 'x-remote-user'),
        ['admin'],
      )
      socket.destroy()
    }
  })

  await t.test('request headers may have 1 MiB, and no more', async (t) => {
    // The stand-in takes less, and says so itself: the event is the proof that the request was let through.
    await standIn.ask(PODS, { headers: { 'x-big': 'x'.repeat(900 * 1024), 'audit-id': 'big' } })
    await waitForEvents(standIn.auditLog, (events) => byAuditID(events).get('big'))
    const seen = standIn.seen.length
    const refused = await standIn.ask(PODS, { headers: { 'x-big': 'x'.repeat(1100 * 1024) } })
    t.equal(refused.status, 431)
    t.match(JSON.parse(refused.body.toString()), { kind: 'Status', code: 431 })
    t.equal(standIn.seen.length, seen, 'nothing went upstream')
  })

  await t.test('a refusal reaches who is still sending', async (t) => {
    const socket = await connectTLS(standIn)
    const pause = (): Promise<unknown> => once(socket, 'drain')
    // Nothing is read before all is written, four times of what is allowed.
    socket.write(`GET ${PODS} HTTP/1.1\r\nHost: x\r\nX-Long: `)
    for (let i = 0; i < 64; i++) if (!socket.write('x'.repeat(1 << 16))) await pause()
    t.match((await readAll(socket)).toString(), /^HTTP\/1\.1 431 [^]*"code":431/)
    socket.destroy()
  })

  await t.test('what is no HTTP', async (t) => {
    for (const text of [
      'nonsense\r\n\r\n',
      `GET ${PODS} HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n`,
      `POST ${PODS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `POST ${PODS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    ]) {
      const before = standIn.seen.length
      const socket = await connectTLS(standIn)
      socket.write(text)
      const answer = await readUntil(socket, (received) => received.includes('"code":'))
      t.match(answer, /^HTTP\/1.1 400 Bad Request\r\n/)
      t.match(answer, /"kind":"Status"/)
      socket.destroy()
      t.equal(standIn.seen.length, before)
    }
  })
})
