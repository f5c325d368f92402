import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import http2 from 'node:http2'
import t from 'tap'
import { getOf } from '../support/hpack.js'
import { RawHttp2 } from '../support/raw-http2.js'
import { StandIn } from '../support/stand-in.js'

const WATCH = '/api/v1/configmaps?watch=true'
const CONNECTIONS = 4
const STREAMS = 60
const EVENT = Buffer.alloc(1 << 20, 'x')
// Hundreds of connections, over TLS, on whatever machine this is.
t.setTimeout(180_000)

for (const workers of [1, 2]) {
  await t.test(`watches that nobody reads or that are taken back, --workers=${workers}`, async (t) => {
    const open = new Set<ServerResponse>()
    const standIn = await StandIn.start({
      upstream: (_req, res) => {
        open.add(res)
        res.on('close', () => open.delete(res))
        res.on('error', () => undefined)
        // Neither the proxy nor its client takes all of it.
        res.write(EVENT)
      },
      flags: [`--workers=${workers}`],
    })
    t.teardown(() => standIn.stop())
    const idle = standIn.memory().now
    const raws = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => RawHttp2.connect(standIn, undefined, standIn.admin)),
    )
    for (const [i, raw] of raws.entries()) {
      const reads = i % 2 === 1
      raw.socket.cork()
      for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
        raw.request(stream, getOf(WATCH))
        if (reads && stream % 4 === 1) raw.reset(stream, http2.constants.NGHTTP2_CANCEL)
      }
      raw.socket.uncork()
      if (reads) raw.socket.resume()
    }
    while (standIn.seen.length < (CONNECTIONS * STREAMS * 3) / 4) await once(standIn.upstream, 'request')
    const other = await standIn.open('/api/v1/pods?watch=true', { ...standIn.as(), agent: false })
    t.equal(other.statusCode, 200, 'others are served')
    other.destroy()
    for (const raw of raws) raw.socket.destroy()
    for (const res of [...open]) if (!res.destroyed) await once(res, 'close')
    t.equal(open.size, 0, 'what a client had under way ends with it')
    const { peak } = standIn.memory()
    if (workers === 1) t.ok(peak - idle < 600, `${peak.toFixed(0)} MiB after ${idle.toFixed(0)}`)
    t.strictSame(
      standIn.proxy.logLines.filter((line) => /uncaught|MaxListeners/.test(line)),
      [],
    )
  })
}
