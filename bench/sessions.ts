// What recording costs a session: keystrokes that are echoed, and output without end, with and without it.
// usage: node build/bench/sessions.js [MIB [KEYSTROKES [ROUNDS]]]
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { webSocketFrame } from '../test/support/session-frames.js'
import { StandIn } from '../test/support/stand-in.js'
import { acceptKey, WebSocketEnd } from '../test/support/websocket.js'

const [mib = 1024, keystrokes = 200, rounds = 3] = process.argv.slice(2).map(Number)
const PATH = '/api/v1/namespaces/shop/pods/web/exec?stdin=true&stdout=true&tty=true&command='
const PROTOCOL = 'v5.channel.k8s.io'
/** What the kubelet reads and sends at a time. */
const PIECE = 32 * 1024
const LINE = 'drwxr-xr-x  2 root root  4096 Jan 31 10:15 some-directory\r\n'

const frame = webSocketFrame(`\x01${LINE.repeat(Math.ceil(PIECE / LINE.length)).slice(0, PIECE - 1)}`)

async function serve(req: IncomingMessage, socket: TLSSocket): Promise<void> {
  socket.on('error', () => undefined)
  socket.setNoDelay(true)
  const accept = acceptKey(req.headers['sec-websocket-key'] ?? '')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${PROTOCOL}\r\n\r\n`,
  )
  if (req.url?.endsWith('=cat') === true) {
    for (let sent = 0; sent < mib * 2 ** 20; sent += PIECE)
      if (!socket.write(frame)) await once(socket, 'drain')
    socket.end()
    return
  }
  const end = new WebSocketEnd(socket, false)
  for (let key = await end.next(); key !== undefined; key = await end.next())
    end.send(Buffer.from([1, key[1] ?? 0]))
  end.close()
}

/** CPU seconds of a process. */
function cpu(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function measure(flags: readonly string[]): Promise<Record<string, number>> {
  const standIn = await StandIn.start({ upstream: (_req, res) => void res.end(), flags })
  standIn.upstream.on('upgrade', (req: IncomingMessage, socket: TLSSocket) => void serve(req, socket))
  const { pid } = standIn.proxy.child
  const times: number[] = []
  const shell = await WebSocketEnd.connect(standIn, `${PATH}sh`, [PROTOCOL])
  shell.socket.setNoDelay(true)
  for (let i = 0; i < keystrokes; i++) {
    const begin = performance.now()
    shell.send(Buffer.from([0, 0x61 + (i % 26)]))
    await shell.next()
    times.push(performance.now() - begin)
  }
  shell.close()
  times.sort((a, b) => a - b)
  const before = cpu(pid)
  const begin = performance.now()
  const cat = await WebSocketEnd.connect(standIn, `${PATH}cat`, [PROTOCOL])
  cat.socket.resume()
  await once(cat.socket, 'end')
  const seconds = (performance.now() - begin) / 1000
  const spent = cpu(pid) - before
  cat.socket.destroy()
  const { peak } = standIn.memory()
  await standIn.stop()
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0
  return {
    p50: at(0.5),
    p99: at(0.99),
    'MiB/s': mib / seconds,
    'CPU s/GiB': (spent / mib) * 1024,
    'memory MiB': peak,
  }
}

const directory = mkdtempSync(join(tmpdir(), 'bench-sessions-'))
const rows: Record<string, Record<string, number>[]> = { 'not recorded': [], recorded: [] }
for (let round = 0; round < rounds; round++) {
  rows['not recorded']?.push(await measure([]))
  rows['recorded']?.push(
    await measure([`--session-recording-path=${directory}`, '--session-recording-max-bytes=0']),
  )
}
rmSync(directory, { recursive: true })
const median = (values: readonly number[]): string =>
  ([...values].sort((a, b) => a - b)[values.length >> 1] ?? 0).toFixed(2)
console.log(`${keystrokes} keystrokes (ms each), and ${mib} MiB of output; medians of ${rounds} rounds`)
console.table(
  Object.fromEntries(
    Object.entries(rows).map(([name, results]) => [
      name,
      Object.fromEntries(
        Object.keys(results[0] ?? {}).map((key) => [key, median(results.map((result) => result[key] ?? 0))]),
      ),
    ]),
  ),
)
