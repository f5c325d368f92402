// A webhook that accepts connections and never answers, while requests go on: what that costs the requests, how much
// memory the proxy's process takes, and whether each event is accounted for.
// usage: node build/bench/dead-webhook.js [MINUTES] [REQUESTS_PER_SECOND]
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { usage } from './compare/process.js'
import { openLoop, type Load } from './load.js'
import { METRICS_FLAG, ProxyMetrics, sumOf, type Samples } from '../test/support/proxy-metrics.js'
import { sendJSON, StandIn } from '../test/support/stand-in.js'
import { writeKubeconfig } from '../test/support/webhook.js'

const minutes = Number(process.argv[2] ?? 5)
const perSecond = Number(process.argv[3] ?? 1000)
const MEMORY_LIMIT_MIB = 300
/** The event's id is the only text of this form: `<` and `"` within others are escaped. */
const AUDIT_ID = Buffer.from(',"auditID":"')

/** Events that a receiver that is well got. */
let delivered = 0

/** Takes and counts events. */
function healthy(): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      for (let i = body.indexOf(AUDIT_ID); i >= 0; i = body.indexOf(AUDIT_ID, i + AUDIT_ID.length))
        delivered++
      response.end()
    })
  })
}

/** A port that first belongs to nobody who answers, and then to a receiver that is well. */
class Receiver {
  readonly #sockets = new Set<Socket>()
  readonly #healthy = healthy()
  #isDead: boolean
  readonly #server = createSocketServer({ pauseOnConnect: true }, (socket) => {
    if (!this.#isDead) {
      this.#healthy.emit('connection', socket.resume())
      return
    }
    this.#sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
  })

  constructor(isDead: boolean) {
    this.#isDead = isDead
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  revive(): void {
    this.#isDead = false
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.revive()
    this.#server.close()
    this.#healthy.closeAllConnections()
  }
}

interface Result {
  readonly load: Load
  /** With those that warmed it up. */
  readonly requests: number
  /** MiB, every ten seconds. */
  readonly memory: number[]
  /** Microseconds of CPU that the proxy's process spent on a request and its events. */
  readonly cpu: number
  readonly peak: number
  /** Of the metrics and of the receiver, when all was delivered that could be. */
  readonly made: number
  readonly delivered: number
  readonly lost: Samples
}

async function run(isDead: boolean, seconds: number): Promise<Result> {
  delivered = 0
  const receiver = new Receiver(isDead)
  const directory = mkdtempSync(join(tmpdir(), 'bench-webhook-'))
  const config = writeKubeconfig(directory, { server: `http://127.0.0.1:${await receiver.listen()}` })
  const bench = await StandIn.start({
    upstream: (_req, res) =>
      sendJSON(res, 200, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' } }),
    flags: ['--audit-log-path=', `--audit-webhook-config-file=${config}`, METRICS_FLAG],
  })
  const metrics = new ProxyMetrics(bench.proxy)
  const request = { ...bench.as(), path: '/api/v1/namespaces/default/configmaps/x' }
  // Code is loaded and compiled, connections are opened.
  const warm = await openLoop(request, { seconds: 3, perSecond, concurrency: 16 })
  const memory = [bench.memory().now]
  const sampling = setInterval(() => memory.push(bench.memory().now), 10_000)
  const pid = bench.proxy.child.pid as number
  const before = usage(pid).cpu
  const load = await openLoop(request, { seconds, perSecond, concurrency: 16 })
  const cpu = (usage(pid).cpu - before) / load.requests
  clearInterval(sampling)
  const { peak } = bench.memory()
  receiver.revive()
  // The longest pause between two attempts is 41 seconds.
  const isSettled = (s: Samples): boolean =>
    sumOf(s, 'kube_audit_proxy_audit_queue_events') === 0 &&
    delivered + sumOf(s, 'apiserver_audit_error_total') >= sumOf(s, 'apiserver_audit_event_total')
  const end = await metrics.until(isSettled, 180)
  await bench.stop()
  receiver.close()
  rmSync(directory, { recursive: true })
  const requests = warm.requests + load.requests
  return {
    load,
    requests,
    memory,
    cpu,
    peak,
    made: sumOf(end, 'apiserver_audit_event_total'),
    delivered,
    lost: end,
  }
}

// Before and after, because other work on the machine may change meanwhile.
const controlSeconds = Math.min(60, minutes * 60)
const before = await run(false, controlSeconds)
const dead = await run(true, minutes * 60)
const after = await run(false, controlSeconds)

const row = ({ load, cpu, peak, made, delivered, lost }: Result) => ({
  'requests/s': Math.round(load.perSecond),
  failed: load.failed,
  'p50 (ms)': load.p50.toFixed(2),
  'p99 (ms)': load.p99.toFixed(2),
  'CPU (us/request)': Math.round(cpu),
  'peak memory (MiB)': Math.round(peak),
  events: made,
  delivered,
  'lost, by the metric': sumOf(lost, 'apiserver_audit_error_total'),
  'of them to a full buffer': lost.get('apiserver_audit_error_total{plugin="buffered"}') ?? 0,
})
console.log(
  `${perSecond} requests/s wanted, two events each; ${minutes} minutes of a receiver that never answers`,
)
console.table({ 'it answers': row(before), 'it never answers': row(dead), 'it answers again': row(after) })
console.log(`memory (MiB) every 10 seconds: ${dead.memory.map(Math.round).join(' ')}`)
const lost = sumOf(dead.lost, 'apiserver_audit_error_total')
if (dead.peak >= MEMORY_LIMIT_MIB) fail(`memory reached ${Math.round(dead.peak)} MiB`)
if (dead.made - dead.delivered !== lost)
  fail(`${dead.made - dead.delivered} events are missing, ${lost} are counted`)

if (dead.made !== dead.requests * 2) fail(`${dead.requests} requests made ${dead.made} events`)

function fail(what: string): void {
  console.error(`FAIL: ${what}`)
  process.exitCode = 1
}
