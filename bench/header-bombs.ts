// What requests cost whose headers are small where they are sent and large where they are read: HPACK's dynamic table has
// one field, to which every request refers many times. Reports the memory of the proxy's process and how long a healthy
// client waits meanwhile.
// usage: node build/bench/header-bombs.js [CONNECTIONS] [ANSWER]   (ANSWER: answer, hold or token)
import { setTimeout as sleep } from 'node:timers/promises'
import { getOf, plain, remembered, repeated } from '../test/support/hpack.js'
import { RawHttp2 } from '../test/support/raw-http2.js'
import { sendJSON, StandIn } from '../test/support/stand-in.js'

const connections = Number(process.argv[2] ?? 2)
const kind = process.argv[3] ?? 'answer'
const flags = process.argv.slice(4)
const STREAMS = 100

const bombs: [name: string, value: string, times: number][] = [
  ['x', 'x'.repeat(4063), 253],
  ['x', '', 31_700],
  ['x', 'y', 30_800],
  ['impersonate-group', 'y'.repeat(64), 9_000],
  ['authorization', 'Bearer '.padEnd(2000, 'x'), 500],
]
for (const [name, value, times] of bombs) {
  const standIn = await StandIn.start({
    upstream: (req, res) => {
      if (kind !== 'hold' || req.headers['healthy'] !== undefined) sendJSON(res, 200, {})
    },
    ...(kind === 'token' && { reviews: () => undefined }),
    flags,
  })
  await standIn.ask('/version', { headers: { healthy: 'yes' } })
  const before = standIn.memory().now
  let sent = 0
  const outcomes = new Map<string, number>()
  let open = 0
  for (let i = 0; i < connections; i++) {
    const raw = await RawHttp2.connect(standIn)
    void (async () => {
      for (;;) {
        const what = await raw.outcome()
        const key =
          what === 'reset' ? `reset ${raw.resetCode}` : what === 'closed' ? `closed ${raw.goAwayCode}` : what
        outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
        if (what === 'closed' && raw.socket.destroyed) break
      }
      raw.socket.resume()
    })()
    const ask = getOf('/version')
    const more = kind === 'token' ? plain('authorization', `Bearer x${i}`) : Buffer.alloc(0)
    raw.socket.cork()
    for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
      const field = stream === 1 ? remembered(name, value) : repeated(1)
      const block = Buffer.concat([ask, more, field, repeated(times - 1)])
      sent += block.length + 9
      raw.request(stream, block)
    }
    raw.socket.uncork()
    open++
    raw.socket.on('close', () => open--)
  }
  let worst = 0
  for (const until = performance.now() + 6000; performance.now() < until;) {
    const asked = performance.now()
    await standIn
      .ask('/version', { headers: { healthy: 'yes' } })
      .catch((err: Error) => console.log(err.message))
    worst = Math.max(worst, performance.now() - asked)
    await sleep(50)
  }
  const { now, peak } = standIn.memory()
  console.log(
    `${name}: ${value.length} bytes, ${times} times, ${connections}x${STREAMS} streams, ${kind}: sent ${(sent / 1024).toFixed(0)} KB; ` +
      `MiB before ${before.toFixed(0)}, now ${now.toFixed(0)}, peak ${peak.toFixed(0)}; healthy at worst ${worst.toFixed(0)} ms; ` +
      `upstream saw ${standIn.seen.length}; ${open} connections left; log lines ${standIn.proxy.logLines.length}; ${JSON.stringify([...outcomes])}`,
  )
  standIn.upstream.closeAllConnections()
  standIn.proxy.child.kill('SIGKILL')
  await standIn.stop().catch(() => undefined)
}
process.exit(0)
