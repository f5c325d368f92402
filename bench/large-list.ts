// Streams a large list through the proxy to a slow reader, and reports how much memory the proxy's process gains.
// usage: node build/bench/large-list.js [MEGABYTES] [LEVEL]
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { StandIn } from '../test/support/stand-in.js'

const megabytes = Number(process.argv[2] ?? 200)
const level = process.argv[3] ?? 'Metadata'
const policy = `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: ${level}}]\n`
const item = Buffer.from(`,{"metadata":{"name":"${'n'.repeat(1000)}"}}`)
const chunk = Buffer.concat(Array.from({ length: 64 }, () => item))
const total = megabytes * 1024 * 1024

const bench = await StandIn.start({
  policy,
  upstream: (_req, res) => {
    void (async () => {
      res.writeHead(200, { 'content-type': 'application/json' })
      res.write('{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":[{}')
      for (let sent = 0; sent < total; sent += chunk.length) {
        if (!res.write(chunk)) await once(res, 'drain')
      }
      res.end(']}')
    })()
  },
})

// The first request is not part of the measurement: it loads code.
for await (const _ of await bench.open('/version')) void _
const before = bench.memory()
const started = performance.now()
let received = 0
let peak = 0
let paused = 0
for await (const data of await bench.open('/api/v1/configmaps')) {
  received += (data as Buffer).length
  peak = Math.max(peak, bench.memory().now)
  // A reader that stops for a while, again and again, while the upstream would go on.
  if (received / total > (paused + 1) / 20) {
    paused++
    await sleep(100)
  }
}
const seconds = (performance.now() - started) / 1000
await bench.stop()

console.log(
  `a list of ${(received / 1024 / 1024).toFixed(0)} MiB at level ${level}, to a reader that stops ${paused} times`,
)
console.table({
  seconds: seconds.toFixed(1),
  'memory before (MiB)': before.now.toFixed(0),
  'memory at its peak (MiB)': peak.toFixed(0),
  'growth (MiB)': (peak - before.now).toFixed(0),
})
