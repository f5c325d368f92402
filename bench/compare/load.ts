// A closed loop of GETs over a number of connections, in a process of its own. Prints one line of JSON: LoadResult.
// usage: node load.js URL CA CERT KEY PROTOCOL CONNECTIONS SECONDS
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'

export interface LoadResult {
  readonly requests: number
  readonly errors: number
  readonly seconds: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

const [url, ca, cert, key, protocol, connections, seconds] = process.argv.slice(2)
const target = new URL(url as string)
const tls = {
  ca: readFileSync(ca as string),
  cert: readFileSync(cert as string),
  key: readFileSync(key as string),
}
const latencies: number[] = []
let errors = 0

/** One GET; resolves when its body has ended. */
type Get = () => Promise<void>

function http1(): Get {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...tls })
  return () =>
    new Promise((resolve, reject) => {
      https
        .get(target, { agent }, (res) => {
          if (res.statusCode !== 200) errors++
          res.resume().on('end', resolve).on('error', reject)
        })
        .on('error', reject)
    })
}

function http2Streams(): Get {
  const session = http2.connect(target.origin, tls)
  return () =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': target.pathname })
      stream.on('response', (headers) => {
        if (headers[':status'] !== 200) errors++
      })
      stream.on('error', reject)
      stream.resume().on('end', resolve)
    })
}

async function loop(get: Get, until: number, record: boolean): Promise<void> {
  while (performance.now() < until) {
    const start = performance.now()
    await get()
    if (record) latencies.push(performance.now() - start)
  }
}

const count = Number(connections)
// Over HTTP/2 a few connections carry the streams, as client-go's do.
const sessions = protocol === 'h2' ? Array.from({ length: 4 }, http2Streams) : []
const gets = Array.from({ length: count }, (_, i) => sessions[i % 4] ?? http1())
await Promise.all(gets.map((get) => loop(get, performance.now() + 3000, false)))
process.send?.('warm')
const begin = performance.now()
await Promise.all(gets.map((get) => loop(get, begin + Number(seconds) * 1000, true)))
const elapsed = (performance.now() - begin) / 1000
latencies.sort((a, b) => a - b)
const quantile = (q: number): number => latencies[Math.floor((latencies.length - 1) * q)] ?? NaN
const result: LoadResult = {
  requests: latencies.length,
  errors,
  seconds: elapsed,
  p50: quantile(0.5),
  p99: quantile(0.99),
}
process.send?.(result)
process.exit(0)
