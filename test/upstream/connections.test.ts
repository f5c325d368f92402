import { once } from 'node:events'
import https from 'node:https'
import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { waitForEvents } from '../support/audit-log.js'
import { sendJSON, StandIn } from '../support/stand-in.js'
import { Watch } from '../support/watch.js'

const CLIENTS = 100

await t.test('clients that give up on an upstream that hangs, and come again', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}) })
  t.teardown(() => standIn.stop())
  const port = Number(standIn.upstreamHost.split(':')[1])
  await standIn.stopUpstream()

  const open = new Set<Socket>()
  let most = 0
  const changed = new Watch()
  const hanging = createServer((socket) => {
    open.add(socket)
    most = Math.max(most, open.size)
    changed.changed()
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
  }).listen(port, '127.0.0.1')
  await once(hanging, 'listening')

  const agent = new https.Agent({ keepAlive: true })
  for (let round = 1; round <= 2; round++) {
    const clients = Array.from({ length: CLIENTS }, (_, i) => {
      const req = https.get({ ...standIn.as(), agent, path: `/version?${round}-${i}` })
      return req.on('error', () => undefined)
    })
    await waitForEvents(standIn.auditLog, (events) => {
      const received = events.filter(({ stage }) => stage === 'RequestReceived')
      return received.length === round * CLIENTS ? received : undefined
    })
    await changed.until(() => open.size === 32)
    for (const client of clients) client.destroy()
  }
  t.equal(most, 32)
  agent.destroy()

  const closed = once(hanging.close(), 'close')
  for (const socket of open) socket.destroy()
  hanging.on('connection', (socket: Socket) => socket.destroy())
  await closed
  await standIn.startUpstream()
  t.equal((await standIn.ask('/version')).status, 200, 'it is back')
})
