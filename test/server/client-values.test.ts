import t from 'tap'
import { StandIn } from '../support/stand-in.js'

await t.test("what a client says is short in the proxy's own log", async (t) => {
  const standIn = await StandIn.start({
    upstream: (req) => req.socket.destroy(),
    reviews: (req) => req.socket.destroy(),
    flags: ['--log-level=debug'],
  })
  t.teardown(() => standIn.stop())
  const long = 'x'.repeat(300_000)
  const before = standIn.proxy.logLines.length
  for (const headers of [
    { 'audit-id': long },
    { 'audit-id': 'short', 'user-agent': long, 'x-forwarded-for': long },
    { authorization: `Bearer ${long}`, 'audit-id': long },
  ]) {
    await standIn.ask('/api/v1/pods', { ...standIn.as('nobody'), headers }).catch(() => undefined)
    await standIn.ask(`/api/v1/pods?${long}`, { ...standIn.as('nobody'), headers }).catch(() => undefined)
  }
  const lines = standIn.proxy.logLines.slice(before)
  t.ok(lines.length > 0)
  for (const line of lines) t.ok(line.length < 10_000, `${line.length} characters: ${line.slice(0, 100)}`)
})
