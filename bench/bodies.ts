// What level RequestResponse costs a response, against level Metadata: CPU, time, and the memory of the proxy's process,
// which must not grow by more than the caps allow.
// usage: node build/bench/bodies.js
import { once } from 'node:events'
import https from 'node:https'
import { ask, Recorder } from './load.js'
import { usage } from './compare/process.js'
import { METRICS_FLAG, ProxyMetrics } from '../test/support/proxy-metrics.js'
import { StandIn } from '../test/support/stand-in.js'

const MIB = 1024 * 1024
const CAPTURE_MEMORY = 64 * MIB
/** What may wait for the disk, in blocking mode, and what is on its way through the sockets. */
const LOG_QUEUE = 64 * MIB
const UNDER_WAY = 32 * MIB
const item = (i: number): string =>
  `{"metadata":{"name":"config-${i}","namespace":"default","uid":"b3a2f8f0-2f5e-4a57-9c8d-${i}"},"data":{"text":"${'x y "z" '.replaceAll('"', '\\"').repeat(90)}"}}`
const HEAD = '{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":['
const CHUNK = Buffer.from(Array.from({ length: 80 }, (_, i) => `${item(i)},`).join(''))

interface Case {
  readonly name: string
  readonly bytes: number
  readonly requests: number
  readonly concurrency: number
  /** Limits the heap, in MiB, so that what is measured is what is in use and not what V8 has yet to throw away. */
  readonly heap?: number
  /** How much more memory than at level Metadata may be in use, in bytes. */
  readonly limit: number
}

const CASES: readonly Case[] = [
  { name: '2 KB object', bytes: 2048, requests: 4000, concurrency: 8, limit: CAPTURE_MEMORY },
  { name: '1 MB list', bytes: MIB, requests: 200, concurrency: 4, limit: CAPTURE_MEMORY },
  {
    name: '1 MB list, 100 at a time',
    bytes: MIB,
    requests: 300,
    concurrency: 100,
    limit: Infinity,
  },
  {
    name: 'the same, heap of 150 MiB',
    bytes: MIB,
    requests: 300,
    concurrency: 100,
    heap: 150,
    limit: CAPTURE_MEMORY + LOG_QUEUE + UNDER_WAY,
  },
  { name: '100 MB list', bytes: 100 * MIB, requests: 4, concurrency: 1, limit: CAPTURE_MEMORY },
]

async function measure(row: Case, level: string) {
  if (row.heap !== undefined) process.env['NODE_OPTIONS'] = `--max-old-space-size=${row.heap}`
  else delete process.env['NODE_OPTIONS']
  const bench = await StandIn.start({
    policy: `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: ${level}}]\n`,
    flags: [METRICS_FLAG, `--audit-max-capture-memory=${CAPTURE_MEMORY}`],
    upstream: (_req, res) => {
      void (async () => {
        res.writeHead(200, { 'content-type': 'application/json' })
        if (row.bytes < CHUNK.length) {
          res.end(
            `{"kind":"ConfigMap","apiVersion":"v1","metadata":{},"data":{"x":"${'y'.repeat(row.bytes - 70)}"}}`,
          )
          return
        }
        res.write(HEAD)
        for (let sent = HEAD.length; sent + CHUNK.length <= row.bytes; sent += CHUNK.length) {
          if (!res.write(CHUNK)) await once(res, 'drain')
        }
        res.end(`${item(0)}]}`)
      })()
    },
  })
  const pid = bench.proxy.child.pid as number
  const agent = new https.Agent({ keepAlive: true, maxSockets: row.concurrency })
  const request = { ...bench.as(), agent, path: '/api/v1/namespaces/default/configmaps' }
  const recorder = new Recorder()
  const run = async (requests: number, each: Recorder): Promise<void> => {
    let left = requests
    const client = async () => {
      while (left-- > 0) await each.time(() => ask(request))
    }
    await Promise.all(Array.from({ length: row.concurrency }, client))
  }
  // Code is loaded and compiled.
  await run(Math.ceil(row.requests / 10), new Recorder())
  const metrics = new ProxyMetrics(bench.proxy)
  const before = { ...usage(pid) }
  const start = performance.now()
  let peak = 0
  const sampling = setInterval(() => (peak = Math.max(peak, bench.memory().now)), 20)
  await run(row.requests, recorder)
  clearInterval(sampling)
  recorder.took(performance.now() - start)
  const cpu = usage(pid).cpu - before.cpu
  const truncated =
    (await metrics.scrape()).get('kube_audit_proxy_audit_truncated_total{reason="capture"}') ?? 0
  agent.destroy()
  await bench.stop()
  const load = recorder.load()
  return {
    growth: peak - before.memory,
    columns: {
      level,
      'CPU (us/request)': Math.round(cpu / load.requests),
      'p50 (ms)': load.p50.toFixed(2),
      'p99 (ms)': load.p99.toFixed(2),
      'memory before (MiB)': Math.round(before.memory),
      'growth (MiB)': Math.round(peak - before.memory),
      'bodies left out': truncated,
      failed: load.failed,
    },
  }
}

const rows: object[] = []
for (const row of CASES) {
  const without = await measure(row, 'Metadata')
  const with_ = await measure(row, 'RequestResponse')
  for (const { columns } of [without, with_]) rows.push({ body: row.name, ...columns })
  const more = with_.growth - without.growth
  if (more * MIB > row.limit) {
    console.error(`FAIL: ${row.name}: memory grew by ${Math.round(more)} MiB more than at level Metadata`)
    process.exitCode = 1
  }
}
console.log(`--audit-max-body-size=3145728 (the default) --audit-max-capture-memory=${CAPTURE_MEMORY}`)
console.table(rows)
