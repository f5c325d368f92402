import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import { sendJSON, StandIn } from '../support/stand-in.js'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const supported = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}

function start(...flags: string[]): Promise<StandIn> {
  return StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}), flags })
}

/** The certificate that whoever takes the connection shows. */
async function shown(port: number): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

await t.test('an older Node.js', { skip: supported && 'this one knows reusePort' }, async (t) => {
  await t.rejects(start('--permit-port-sharing', '--secure-port=6443'), {
    message: /--permit-port-sharing is set, expected Node.js 22.12 or later: this is \d/,
  })
})

await t.test('a newer one', { skip: !supported && 'this Node.js knows no reusePort' }, async (t) => {
  for (const workers of [1, 2]) {
    const port = await freePort()
    const flags = ['--permit-port-sharing', `--secure-port=${port}`, `--workers=${workers}`]
    const first = await start(...flags)
    t.teardown(() => first.stop())
    const second = await start(...flags)
    t.teardown(() => second.stop())
    const both = new Set<string>()
    // Which of them takes a connection is chance: that 200 go to one of them is none.
    for (let i = 0; i < 200 && both.size < 2; i++) both.add(await shown(port))
    t.equal(both.size, 2, `workers: ${workers}`)

    t.equal(await first.proxy.stop(), 0)
    t.equal((await second.ask('/version')).status, 200, 'what is left has the port alone')
    const rest = new Set<string>()
    for (let i = 0; i < 10; i++) rest.add(await shown(port))
    t.equal(rest.size, 1)
    await t.rejects(
      start(`--secure-port=${port}`),
      { message: /EADDRINUSE/ },
      'it is shared with those who ask for it',
    )
  }
  await t.rejects(start('--permit-port-sharing'), {
    message: /--secure-port: found 0, expected the number of the port that --permit-port-sharing shares/,
  })
})
