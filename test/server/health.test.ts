import { copyFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { sendJSON, StandIn, type StandInOptions } from '../support/stand-in.js'

async function start(t: Test, options: Partial<StandInOptions> = {}) {
  const answer = { status: 200 }
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, answer.status, {}),
    ...options,
    flags: [
      '--healthz-bind-address=127.0.0.1:0',
      '--metrics-bind-address=127.0.0.1:0',
      ...(options.flags ?? []),
    ],
  })
  t.teardown(() => standIn.stop())
  const fetch = async (port: number, path: string) => {
    const [res] = (await once(get(`http://127.0.0.1:${port}${path}`), 'response')) as [IncomingMessage]
    return { status: res.statusCode, body: await text(res), type: res.headers['content-type'] }
  }
  const page = (path: string) => fetch(standIn.proxy.healthzPort, path)
  return {
    standIn,
    answer,
    page,
    metrics: async () => (await fetch(standIn.proxy.metricsPort, '/metrics')).body,
    /** Asks until the page has that status. */
    becomes: async (path: string, status: number) => {
      for (const until = Date.now() + 20_000; Date.now() < until; await sleep(50)) {
        const found = await page(path)
        if (found.status === status) return found
      }
      throw new Error(`${path} does not become ${status}`)
    },
  }
}

await t.test('whoever listens everywhere is told so', async (t) => {
  const { standIn } = await start(t, { flags: ['--healthz-bind-address=:0'] })
  const said = standIn.proxy.logLines.filter((line) => line.includes('on all interfaces'))
  t.equal(said.length, 1, 'and of the other, which has an address, nothing')
  t.match(JSON.parse(said[0] ?? ''), { level: 'info', flag: 'healthz-bind-address' })
})

const READYZ = [
  '[+]ping ok',
  '[+]upstream ok',
  '[+]certificate-expiry ok',
  '[+]audit-backend-log ok',
  '[+]shutdown ok',
  'readyz check passed',
  '',
]

await t.test("the pages have kube-apiserver's form", async (t) => {
  const { page, standIn, answer } = await start(t)
  answer.status = 403
  for (const path of ['/healthz', '/livez', '/readyz', '/readyz/ping', '/readyz/upstream']) {
    t.match(await page(path), { status: 200, body: 'ok', type: 'text/plain; charset=utf-8' }, path)
  }
  t.match(await page('/livez?verbose'), { status: 200, body: '[+]ping ok\nlivez check passed\n' })
  t.match(await page('/readyz?verbose=1'), { status: 200, body: READYZ.join('\n') })
  t.equal(
    (await page('/readyz?verbose&exclude=upstream&exclude=etcd')).body,
    READYZ.map((line) => line.replace('upstream ok', 'upstream excluded: ok'))
      .toSpliced(5, 0, 'warn: some health checks cannot be excluded: no matches for "etcd"')
      .join('\n'),
  )
  t.equal((await page('/readyz/etcd')).status, 404)
  t.match(
    standIn.seen.map(({ url, peer }) => [url, peer]),
    [['/readyz', undefined]],
    'the upstream is asked once in a while, and without credentials',
  )
})

await t.test('an upstream that is away', async (t) => {
  const { standIn, page, becomes, answer } = await start(t)
  t.equal((await page('/readyz')).status, 200)
  await standIn.stopUpstream()
  const { body } = await becomes('/readyz', 500)
  t.equal(
    body,
    READYZ.join('\n')
      .replace('[+]upstream ok', '[-]upstream failed: reason withheld')
      .replace('passed', 'failed'),
  )
  t.match((await page('/readyz/upstream')).body, /^internal server error: .*ECONNREFUSED/)
  t.equal((await page('/readyz?exclude=upstream')).status, 200)
  t.equal((await page('/livez')).status, 200, 'to start the proxy again would not help')
  await standIn.startUpstream()
  await becomes('/readyz', 200)
  answer.status = 500
  await becomes('/readyz', 500)
  t.match((await page('/readyz/upstream')).body, 'answered with 500')
})

await t.test('a proxy that shuts down', async (t) => {
  const { standIn, page } = await start(t, { flags: ['--shutdown-delay-duration=1h'] })
  t.equal((await page('/readyz')).status, 200)
  standIn.proxy.child.kill('SIGTERM')
  await standIn.proxy.logged('shutting down')
  t.match(await page('/readyz'), { status: 500, body: '[-]shutdown failed: reason withheld' })
  t.equal((await page('/livez')).status, 200)
  t.equal((await standIn.ask('/api')).status, 200, 'requests are still served')
  standIn.proxy.child.kill('SIGKILL')
})

await t.test('a certificate that expires', async (t) => {
  const { standIn, page, metrics, becomes } = await start(t)
  const left = (page: string) =>
    Number(/^kube_audit_proxy_certificate_expiration_seconds\{file="tls-cert-file"\} (.*)$/m.exec(page)?.[1])
  const seconds = left(await metrics())
  t.ok(seconds > 3600 && seconds < 25 * 3600, `${seconds} seconds are left`)
  const request = { name: 'expired', cn: 'proxy', ip: ['127.0.0.1'], usage: 'server' } as const
  const expired = standIn.pki.issue(standIn.ca, { ...request, notAfter: new Date(Date.now() - 60_000) })
  copyFileSync(expired.certFile, join(standIn.dir, 'pki/serving.crt'))
  copyFileSync(expired.keyFile, join(standIn.dir, 'pki/serving.key'))
  const { body } = await becomes('/readyz', 500)
  t.match(body, '[-]certificate-expiry failed')
  t.match((await page('/readyz/certificate-expiry')).body, '--tls-cert-file: the certificate expired on ')
  t.ok(left(await metrics()) < 0)
})

await t.test('an audit backend that fails for longer than it may', async (t) => {
  const dir = t.testdir()
  const webhook = join(dir, 'webhook.yaml')
  writeFileSync(
    webhook,
    `{clusters: [{name: r, cluster: {server: "http://127.0.0.1:1"}}],
      contexts: [{name: r, context: {cluster: r}}], current-context: r}`,
  )
  const { standIn, page, becomes } = await start(t, {
    flags: [
      `--audit-webhook-config-file=${webhook}`,
      '--audit-webhook-batch-max-wait=1ms',
      '--audit-webhook-initial-backoff=10ms',
      '--readyz-audit-grace-period=1ms',
    ],
  })
  t.match((await page('/readyz?verbose')).body, '[+]audit-backend-webhook ok')
  await standIn.ask('/api/v1/pods')
  const { body } = await becomes('/readyz', 500)
  t.match(body, '[-]audit-backend-webhook failed: reason withheld')
  t.match(body, '[+]audit-backend-log ok')
  t.match((await page('/readyz/audit-backend-webhook')).body, /nothing was stored for .*ECONNREFUSED/)
})
