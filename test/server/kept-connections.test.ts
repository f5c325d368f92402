import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import https from 'node:https'
import type { RequestOptions } from 'node:https'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { askHttp2, connectHttp2 } from '../support/http2.js'
import type { Issued } from '../support/pki.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const PODS = '/api/v1/namespaces/default/pods'

/** Asks over one connection that is kept, by each protocol: the status of each answer. */
async function kept(t: Test, standIn: StandIn, who: Issued): Promise<[string, () => Promise<number>][]> {
  const session = await connectHttp2(standIn.as(who))
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ports = new Set<unknown>()
  const http1 = async (): Promise<number> => {
    const options: RequestOptions = { ...standIn.as(who), agent }
    const res = await standIn.open(PODS, options)
    ports.add(res.socket.localPort)
    t.equal(ports.size, 1, 'over the connection of before')
    res.resume()
    await once(res, 'end')
    return res.statusCode ?? 0
  }
  return [
    ['HTTP/1.1', http1],
    ['HTTP/2', async () => (await askHttp2(session, { ':path': PODS })).status],
  ]
}

for (const workers of [1, 2]) {
  await t.test(
    `a certificate that is revoked while its connection is kept, --workers=${workers}`,
    async (t) => {
      const standIn = await StandIn.start({
        upstream: (_req, res) => sendJSON(res, 200, {}),
        flags: [`--workers=${workers}`],
        fileFlags: (s) => [`--client-ca-crl-file=${s.file('crl.pem', s.pki.crl(s.ca, []))}`],
      })
      t.teardown(() => standIn.stop())
      const leaver = standIn.client({ name: 'leaver', cn: 'leaver' })
      const leavers = await kept(t, standIn, leaver)
      const admins = await kept(t, standIn, standIn.admin)
      for (const [name, ask] of [...leavers, ...admins]) t.equal(await ask(), 200, name)
      writeFileSync(join(standIn.dir, 'crl.pem'), standIn.pki.crl(standIn.ca, [leaver]))
      standIn.proxy.child.kill('SIGHUP')
      // When the reload is over, the next request is the first that may not pass.
      let status = 200
      for (let i = 0; i < 300 && status === 200; i++) {
        status = (await standIn.ask(PODS, standIn.as(leaver))).status
      }
      t.equal(status, 401, 'a new connection')
      if (workers > 1) return
      const before = standIn.seen.length
      for (const [name, ask] of leavers) t.equal(await ask(), 401, name)
      t.equal(standIn.seen.length, before, 'nothing goes upstream')
      for (const [name, ask] of admins) t.equal(await ask(), 200, `${name}: others stay`)
    },
  )
}

await t.test('a certificate that expires while its session of HTTP/2 is kept', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}) })
  t.teardown(() => standIn.stop())
  const notAfter = Date.now() + 8000
  const shortLived = standIn.client({
    name: 'short',
    cn: 'short',
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(notAfter),
  })
  const session = await connectHttp2(standIn.as(shortLived))
  t.teardown(() => session.destroy())
  const asked = Date.now()
  const first = (await askHttp2(session, { ':path': PODS })).status
  // A slow machine may be too late for this one.
  if (asked < notAfter - 4000) t.equal(first, 200)
  // Its end is a time of the wall's clock, which alone can be waited for. Certificates have whole seconds.
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, notAfter + 1100 - Date.now())))
  if (!session.closed) t.equal((await askHttp2(session, { ':path': PODS })).status, 401)
})

await t.test('chains that a client sends', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}) })
  t.teardown(() => standIn.stop())
  const { pki } = standIn
  const signed = (issuer: Issued, name: string): Issued =>
    pki.issue(issuer, { name, cn: name, usage: 'client' })
  const chain = (...certificates: Issued[]): Issued => ({
    ...(certificates[0] as Issued),
    cert: certificates.map(({ cert }) => cert).join(''),
  })
  const intermediates = [pki.intermediate(standIn.ca, 'i0')]
  for (let i = 1; i < 12; i++) intermediates.push(pki.intermediate(intermediates[i - 1] as Issued, `i${i}`))
  const below = (depth: number): Issued => signed(intermediates[depth - 1] as Issued, `leaf-${depth}`)
  const sent = (depth: number): Issued[] => intermediates.slice(0, depth).reverse()
  const [one, two, five, twelve] = [below(1), below(2), below(5), below(12)]
  const user = signed(standIn.admin, 'below-a-user')
  const stranger = pki.intermediate(pki.ca('other-ca'), 'other-intermediate')
  const cases: [string, Issued, number][] = [
    ['a leaf, its intermediate and the authority', chain(one, ...sent(1)), 200],
    ['with the authority itself', chain(one, ...sent(1), standIn.ca), 200],
    ['two intermediates', chain(two, ...sent(2)), 200],
    ['five', chain(five, ...sent(5)), 200],
    ['one is missing', chain(five, ...sent(5).slice(1)), 401],
    ['twelve: too long a chain', chain(twelve, ...sent(12)), 401],
    ['below a certificate that is no authority', chain(user, standIn.admin), 401],
    ['of another authority', chain(signed(stranger, 'stranger'), stranger), 401],
    [
      'of another authority, with a good chain behind',
      chain(signed(stranger, 's2'), stranger, ...sent(1)),
      401,
    ],
  ]
  for (const [name, who, status] of cases) {
    t.equal((await standIn.ask(PODS, standIn.as(who))).status, status, `${name}, over HTTP/1.1`)
    const session = await connectHttp2(standIn.as(who))
    t.equal((await askHttp2(session, { ':path': PODS })).status, status, `${name}, over HTTP/2`)
    session.destroy()
  }
  t.strictSame(
    standIn.proxy.logLines.filter((line) => /"level":"(error|warn)"/.test(line)),
    [],
  )
})
