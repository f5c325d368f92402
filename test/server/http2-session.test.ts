import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import tls from 'node:tls'
import t from 'tap'
import type { InboundResponse } from '../../src/request/inbound.js'
import { Http2Sessions } from '../../src/server/http2-session.js'
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  fieldBlock,
  frame,
  HEADERS,
  PREFACE,
} from '../support/hostile/http2-frames.js'
import { connect } from '../support/hostile/connection.js'
import { PKI } from '../support/pki.js'

/** As the session has it. */
const PING_INTERVAL = 30_000

await t.test('a session that its client breaks while a stream is open ends', async (t) => {
  const pki = new PKI(t.testdir())
  const ca = pki.ca('ca')
  const { cert, key } = pki.issue(ca, { name: 's', cn: 's', ip: ['127.0.0.1'], usage: 'server' })
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const served = new EventEmitter()
  const asked = once(served, 'request') as Promise<[InboundResponse]>
  const sessions = new Http2Sessions((_, res) => served.emit('request', res), {
    maxStreams: 0,
    goawayChance: 0,
  })
  const server = tls.createServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => {
    sessions.serve(socket)
  })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')

  const client = await connect({ port: (server.address() as AddressInfo).port, ca: ca.cert }, 'h2')
  client.on('error', () => undefined).resume()
  const fields = [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', '/'],
    [':authority', 'x'],
  ] as const
  client.write(Buffer.concat([PREFACE, frame(HEADERS, END_HEADERS, 1, fieldBlock(fields))]))
  const [response] = await asked
  let closed = false
  const over = new Promise<void>((resolve) => {
    response.on('close', () => {
      closed = true
      resolve()
    })
  })
  const tick = async (): Promise<void> => {
    const written = once(client, 'data')
    mock.timers.tick(PING_INTERVAL)
    await written
  }
  await tick()
  await tick()
  t.notOk(closed, 'a client that does not answer its pings may come back')

  const goaway = once(client, 'data')
  client.write(frame(DATA, END_STREAM, 1, Buffer.alloc(300 * 1024)))
  await goaway
  for (let i = 0; i < 3; i++) mock.timers.tick(PING_INTERVAL)
  await over
  t.ok(closed, 'and its request with it')
})
