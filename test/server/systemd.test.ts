import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { inheritedSockets } from '../../src/systemd/listen-fds.js'
import { NotifySocket } from '../support/notify-socket.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

void t.test('systemd is told of each step', { skip: NotifySocket.skip() }, async (t) => {
  const systemd = await NotifySocket.start()
  t.teardown(() => systemd.stop())
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, {}),
    env: { NOTIFY_SOCKET: systemd.path, WATCHDOG_USEC: '200000' },
  })
  t.teardown(() => standIn.stop())
  const { messages } = systemd
  t.equal(await systemd.received('READY'), 0, 'it is ready before anything else')
  t.strictSame(messages[0], { READY: '1', STATUS: `serving on 127.0.0.1, port ${standIn.proxy.port}` })
  await systemd.received('WATCHDOG')

  const before = process.hrtime.bigint() / 1000n
  standIn.proxy.child.kill('SIGHUP')
  const reloading = await systemd.received('RELOADING')
  const ready = await systemd.received('READY', reloading)
  const monotonic = BigInt(messages[reloading]?.MONOTONIC_USEC ?? 0)
  t.ok(before < monotonic && monotonic < process.hrtime.bigint() / 1000n, 'the moment of the reload')
  t.equal(messages[ready]?.STATUS, messages[0]?.STATUS)
  await systemd.received('WATCHDOG', ready)

  t.equal(await standIn.proxy.stop(), 0)
  const stopping = await systemd.received('STOPPING', ready)
  t.match(messages[stopping], { STOPPING: '1', STATUS: 'shutting down' })
})

void t.test('a watchdog that is for another process is not fed', { skip: NotifySocket.skip() }, async (t) => {
  const systemd = await NotifySocket.start()
  t.teardown(() => systemd.stop())
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, {}),
    env: { NOTIFY_SOCKET: systemd.path, WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' },
  })
  t.teardown(() => standIn.stop())
  await systemd.received('READY')
  standIn.proxy.child.kill('SIGHUP')
  await systemd.received('READY', await systemd.received('RELOADING'))
  t.strictSame(
    systemd.messages.map((message) => Object.keys(message)[0]),
    ['READY', 'RELOADING', 'READY'],
  )
})

void t.test('without systemd-notify it serves all the same', async (t) => {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, {}),
    env: { NOTIFY_SOCKET: '/nonexistent/notify', PATH: '/nonexistent' },
  })
  t.teardown(() => standIn.stop())
  await standIn.proxy.logged('systemd cannot be notified')
  t.equal((await standIn.ask('/api')).status, 200)
  t.equal(await standIn.proxy.stop(), 0)
  t.equal(standIn.proxy.logLines.filter((line) => line.includes('cannot be notified')).length, 1, 'said once')
})

interface TCPHandle {
  readonly fd: number
  bind(address: string, port: number): number
  getsockname(out: object): number
  close(): void
}

/** A socket that is bound and no more: a net.Server would take connections from the processes that inherit it. */
function boundSocket(): { handle: TCPHandle; port: number } {
  const { TCP, constants } = (
    process as unknown as {
      binding(name: 'tcp_wrap'): { TCP: new (type: number) => TCPHandle; constants: { SERVER: number } }
    }
  ).binding('tcp_wrap')
  const handle = new TCP(constants.SERVER)
  const name = { port: 0 }
  if (handle.bind('127.0.0.1', 0) !== 0 || handle.getsockname(name) !== 0) throw new Error('cannot bind')
  return { handle, port: name.port }
}

for (const workers of [1, 2]) {
  void t.test(`a restart on inherited sockets refuses nobody, with --workers=${workers}`, async (t) => {
    const [secure, healthz] = [boundSocket(), boundSocket()]
    const standIn = await StandIn.start({
      upstream: (_req, res) => sendJSON(res, 200, {}),
      flags: [`--workers=${workers}`],
      sockets: [secure.handle.fd, healthz.handle.fd],
      env: { LISTEN_FDNAMES: 'https:healthz' },
    })
    t.teardown(() => standIn.stop())
    t.teardown(() => [secure, healthz].forEach(({ handle }) => handle.close()))
    t.equal(standIn.proxy.port, secure.port)
    t.equal(standIn.proxy.healthzPort, healthz.port)
    const [page] = (await once(get(`http://127.0.0.1:${healthz.port}/livez`), 'response')) as [
      IncomingMessage,
    ]
    t.equal(await text(page), 'ok')

    let stopped = false
    const failures: string[] = []
    let answered = 0
    const work = async (): Promise<void> => {
      while (!stopped) {
        try {
          const req = https.get({ ...standIn.as(), port: secure.port, agent: false, path: '/api' })
          const [res] = (await once(req, 'response')) as [IncomingMessage]
          await text(res)
          answered++
        } catch (err) {
          failures.push(String(err))
        }
      }
    }
    const clients = [work(), work(), work()]
    for (let i = 0; i < 2; i++) {
      t.equal(await standIn.proxy.stop(), 0)
      const before = answered
      await standIn.startProxy()
      while (answered < before + 5) await standIn.ask('/api')
    }
    stopped = true
    await Promise.all(clients)
    t.strictSame(failures, [])
  })
}

void t.test(
  'as many connections wait in an inherited socket as in one of our own',
  { skip: skipSs() },
  async (t) => {
    const secure = boundSocket()
    const standIn = await StandIn.start({
      upstream: (_req, res) => sendJSON(res, 200, {}),
      sockets: [secure.handle.fd],
    })
    t.teardown(() => standIn.stop())
    t.teardown(() => secure.handle.close())
    const [, , backlog] = execFileSync('ss', ['-Hltn', `sport = :${secure.port}`])
      .toString()
      .split(/ +/)
    const limit = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
    t.equal(Number(backlog), Math.min(4096, limit))
  },
)

/** Why nobody can say how long the queue of a socket may be, for tap's `skip`. */
function skipSs(): string | false {
  return spawnSync('ss', ['-V']).status === 0 ? false : 'there is no ss'
}

void t.test('which socket is what', (t) => {
  const env = (count: number, names?: string) => ({
    LISTEN_PID: '7',
    LISTEN_FDS: String(count),
    LISTEN_FDNAMES: names,
  })
  t.strictSame(inheritedSockets({}, 7), {})
  t.strictSame(inheritedSockets(env(1), 8), {}, "another process's")
  t.strictSame(inheritedSockets(env(1), 7), { secure: 3 })
  t.strictSame(inheritedSockets(env(1, 'kube-audit-proxy.socket'), 7), { secure: 3 })
  t.strictSame(inheritedSockets(env(3, 'metrics:https:healthz'), 7), { metrics: 3, secure: 4, healthz: 5 })
  t.throws(() => inheritedSockets(env(2), 7), { message: 'LISTEN_FDS: found 2 sockets' })
  t.throws(() => inheritedSockets(env(-1), 7), { message: 'LISTEN_FDS: found "-1"' })
  t.end()
})
