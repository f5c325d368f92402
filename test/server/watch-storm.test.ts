import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import http2 from 'node:http2'
import t from 'tap'
import { getOf } from '../support/hpack.js'
import { RawHttp2 } from '../support/raw-http2.js'
import { StandIn } from '../support/stand-in.js'

const WATCH = '/api/v1/configmaps?watch=true'
const CONNECTIONS = 10
const STREAMS = 100
// Thousands of streams, over TLS, on whatever machine this is.
t.setTimeout(180_000)

for (const workers of [1, 2]) {
  await t.test(
    `watches that nobody reads, and watches that are taken back, --workers=${workers}`,
    async (t) => {
      const event = Buffer.alloc(1 << 20, 'x')
      const open = new Set<ServerResponse>()
      const standIn = await StandIn.start({
        upstream: (_req, res) => {
          open.add(res)
          res.on('close', () => open.delete(res))
          res.on('error', () => undefined)
          // Neither the proxy nor its client takes all of it.
          res.write(event)
        },
        flags: [`--workers=${workers}`],
      })
      t.teardown(() => standIn.stop())
      const idle = standIn.memory().now
      for (let round = 0; round < 2; round++) {
        const raws = await Promise.all(
          Array.from({ length: CONNECTIONS }, () => RawHttp2.connect(standIn, undefined, standIn.admin)),
        )
        // One that does not read its socket either, and one that takes half of its watches back, again and again.
        for (const [i, raw] of raws.entries()) {
          raw.socket.cork()
          for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
            raw.request(stream, getOf(WATCH))
            if (i % 2 === 1 && stream % 4 === 1) raw.reset(stream, http2.constants.NGHTTP2_CANCEL)
          }
          raw.socket.uncork()
          if (i % 2 === 1) raw.socket.resume()
        }
        const watches = (CONNECTIONS * STREAMS * 3) / 4
        while (standIn.seen.length < (round + 1) * watches + round) await once(standIn.upstream, 'request')
        const other = await standIn.open('/api/v1/pods?watch=true', { ...standIn.as(), agent: false })
        t.equal(other.statusCode, 200, 'others are served')
        other.destroy()
        for (const raw of raws) raw.socket.destroy()
        // What a client that left had under way ends upstream.
        for (const res of [...open]) if (!res.destroyed) await once(res, 'close')
      }
      const { peak } = standIn.memory()
      if (workers === 1)
        t.ok(peak - idle < 1000, `${peak.toFixed(0)} MiB after ${idle.toFixed(0)}, of a thousand watches`)
      t.strictSame(
        standIn.proxy.logLines.filter((line) => /uncaught|MaxListeners/.test(line)),
        [],
      )
    },
  )
}
