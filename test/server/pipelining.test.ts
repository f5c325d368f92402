import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import { Arrivals } from '../support/arrivals.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const EXEC = '/api/v1/namespaces/default/pods/web-0/exec?command=date'
const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
const UPGRADE =
  `POST ${EXEC} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n` +
  'Content-Length: 0\r\n\r\n'

await t.test('what a client sends before it is answered', async (t) => {
  const arrivals = new Arrivals()
  const standIn = await StandIn.start({ upstream: (req, res) => arrivals.emit('request', req, res) })
  t.teardown(() => standIn.stop())

  /** A connection, all that it was answered by now, and whether it has ended. */
  const connect = async (t: Test): Promise<[Socket, { text: string }, Promise<unknown>]> => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: standIn.proxy.port,
      ca: standIn.ca.cert,
      cert: standIn.admin.cert,
      key: standIn.admin.key,
    })
    t.teardown(() => socket.destroy())
    socket.on('error', () => undefined)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    await once(socket, 'secureConnect')
    const received = { text: '' }
    socket.setEncoding('latin1').on('data', (text: string) => (received.text += text))
    return [socket, received, closed]
  }
  const uncaught = (): string[] => standIn.proxy.logLines.filter((line) => /uncaught|unhandled/.test(line))

  await t.test('requests are served one after the other', async (t) => {
    const [socket, received] = await connect(t)
    const before = standIn.seen.length
    const order: string[] = []
    let underWay = 0
    const serve = (req: IncomingMessage, res: ServerResponse): void => {
      t.equal(++underWay, 1, `${req.url} comes when nothing else is under way`)
      order.push(req.url ?? '')
      setImmediate(() => {
        underWay--
        sendJSON(res, 200, { url: req.url })
      })
    }
    arrivals.on('request', serve)
    const paths = Array.from({ length: 20 }, (_, i) => `/apis/${i}`)
    socket.write(paths.map((path) => get(path)).join('') + get('/last', 'Connection: close\r\n'))
    await once(socket, 'end')
    arrivals.off('request', serve)
    t.strictSame(order, [...paths, '/last'])
    t.equal(standIn.seen.length - before, 21)
    t.equal(received.text.match(/HTTP\/1\.1 200 OK\r\n/g)?.length, 21)
  })

  await t.test('more than a hundred of them end the connection', async (t) => {
    const [socket, received, closed] = await connect(t)
    const arrived = arrivals.next()
    const before = standIn.seen.length
    socket.write(get('/held'))
    await arrived
    socket.write(get('/more').repeat(101))
    await closed
    t.equal(received.text, '')
    t.equal(standIn.seen.length - before, 1, 'none of them went upstream')
  })

  await t.test('so do large ones', async (t) => {
    const [socket, , closed] = await connect(t)
    const arrived = arrivals.next()
    const before = standIn.seen.length
    socket.write(get('/held'))
    await arrived
    socket.write(get('/more', `X-Big: ${'x'.repeat(700_000)}\r\n`).repeat(2))
    await closed
    t.equal(standIn.seen.length - before, 1)
  })

  await t.test('an upgrade behind a request that is not answered', async (t) => {
    for (const [name, answer] of [
      ['not begun', (res: ServerResponse) => sendJSON(res, 200, {})],
      ['begun', (res: ServerResponse) => res.end('end')],
    ] as const) {
      const [socket, received, closed] = await connect(t)
      const arrived = arrivals.next()
      const before = standIn.seen.length
      socket.write(get('/first') + (name === 'begun' ? '' : UPGRADE + get('/behind')))
      const [, res] = await arrived
      if (name === 'begun') {
        res.write('begin')
        await once(socket, 'data')
        await new Promise((resolve) => void socket.write(UPGRADE + get('/behind'), resolve))
        // Meanwhile it is read.
        const [other] = await connect(t)
        other.destroy()
      }
      answer(res)
      await closed
      t.match(received.text, /^HTTP\/1\.1 200 OK\r\n/)
      if (name === 'not begun') t.match(received.text, /\r\nConnection: close\r\n/i)
      t.equal(received.text.match(/HTTP\/1\.1/g)?.length, 1, `${name}: nothing else is answered`)
      t.strictSame(
        standIn.seen.slice(before).map((seen) => seen.url),
        ['/first'],
      )
    }
  })

  await t.test('a client that leaves meanwhile', async (t) => {
    for (const leave of [(socket: Socket) => socket.end(), (socket: Socket) => socket.destroy()]) {
      const [socket, , closed] = await connect(t)
      const arrived = arrivals.next()
      socket.write(get('/first') + UPGRADE)
      const [req] = await arrived
      const gone = once(req.socket, 'close')
      leave(socket)
      await Promise.all([gone, closed])
    }
  })

  await t.test('requests and an upgrade in one write, many times', async (t) => {
    const before = standIn.proxy.logLines.length
    const answer = (_req: IncomingMessage, res: ServerResponse): void => sendJSON(res, 200, {})
    arrivals.on('request', answer)
    for (let i = 0; i < 30; i++) {
      const [socket, , closed] = await connect(t)
      socket.write(get('/a') + get('/b') + UPGRADE + UPGRADE + get('/c'))
      await closed
    }
    arrivals.off('request', answer)
    t.strictSame(standIn.proxy.logLines.slice(before), [])
  })

  await t.test('what is no HTTP, behind a request', async (t) => {
    const [socket, received, closed] = await connect(t)
    const arrived = arrivals.next()
    socket.write(get('/first') + '\x16\x03 no HTTP\r\n\r\n')
    const [, res] = await arrived
    sendJSON(res, 200, {})
    await closed
    t.match(received.text, /^HTTP\/1\.1 200 OK\r\n/, 'the first answer is to the first request')
    t.equal(received.text.match(/HTTP\/1\.1/g)?.length, 1)
  })

  await t.test('CONNECT', async (t) => {
    const [socket, , closed] = await connect(t)
    socket.write(get('/first') + 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n')
    await closed
  })

  t.strictSame(uncaught(), [])
})
