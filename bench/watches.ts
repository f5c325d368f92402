// Opens watches through the proxy, sends an event to each, and reports how long the last one took to arrive and how much
// memory the proxy's process holds.
// usage: node build/bench/watches.js [WATCHES [h1]]      h1: an apiserver that does not speak HTTP/2
import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { StandIn } from '../test/support/stand-in.js'

const count = Number(process.argv[2] ?? 1000)
const rounds = 5
const policy = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n'
const event = `{"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"${'x'.repeat(1500)}"}}}\n`

const open: ServerResponse[] = []
const bench = await StandIn.start({
  policy,
  http2: process.argv[3] !== 'h1',
  upstream: (_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' })
    res.flushHeaders()
    open.push(res)
  },
})

const idle = bench.memory()
const started = performance.now()
const responses = await Promise.all(
  Array.from({ length: count }, () =>
    bench.open('/api/v1/namespaces/default/configmaps?watch=true', { agent: false }),
  ),
)
const opened = performance.now() - started
const slowest: number[] = []
for (let round = 0; round < rounds; round++) {
  const arrivals = responses.map((res) => once(res, 'data'))
  const sent = performance.now()
  for (const res of open) res.write(event)
  await Promise.all(arrivals)
  slowest.push(performance.now() - sent)
}
const busy = bench.memory()
for (const res of open) res.end()
await Promise.all(responses.map((res) => once(res.resume(), 'end')))
await bench.stop()

console.log(`${count} watches, ${rounds} events to each`)
console.table({
  'open all (ms)': opened.toFixed(0),
  'slowest event of a round (ms), worst round': Math.max(...slowest).toFixed(0),
  'memory before (MiB)': idle.now.toFixed(0),
  'memory with all open (MiB)': busy.now.toFixed(0),
  'memory at its peak (MiB)': busy.peak.toFixed(0),
})
