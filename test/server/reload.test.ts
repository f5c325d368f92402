import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { readAuditLog } from '../support/audit-log.js'
import { PKI, type Issued } from '../support/pki.js'
import { sendJSON, StandIn, type StandInOptions } from '../support/stand-in.js'

const POLICY = (level: string) => `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: ${level}}]\n`
const NAME = 'audit-policy-file'
const RELOADED = '"msg":"configuration reloaded"'

/** Asks without pause, over connections that stay open and over new ones, until stopped. */
class Load {
  readonly failures: string[] = []
  answered = 0
  #stopped = false
  readonly #agents = [new https.Agent({ keepAlive: true }), new https.Agent({ keepAlive: false })]
  readonly #workers: Promise<void>[]

  constructor(readonly as: () => RequestOptions) {
    this.#workers = this.#agents.flatMap((agent) => [this.#work(agent), this.#work(agent)])
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#workers)
    for (const agent of this.#agents) agent.destroy()
  }

  async #work(agent: https.Agent): Promise<void> {
    while (!this.#stopped) {
      try {
        const req = https.get({ ...this.as(), agent, path: '/api/v1/pods' })
        const [res] = (await once(req, 'response')) as [IncomingMessage]
        await text(res)
        if (res.statusCode !== 200) this.failures.push(`status ${res.statusCode}`)
        this.answered++
      } catch (err) {
        this.failures.push(String(err))
      }
    }
  }
}

async function start(t: Test, options: Partial<StandInOptions> = {}) {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList' }),
    ...options,
    flags: ['--metrics-bind-address=127.0.0.1:0', ...(options.flags ?? [])],
  })
  t.teardown(() => standIn.stop())
  const { proxy, pki } = standIn
  return {
    standIn,
    proxy,
    pki,
    file: (name: string) => join(standIn.dir, name),
    /** Does it under load, waits for the line, and sees that no request failed. */
    underLoad: async (
      t: Test,
      change: () => void,
      line = RELOADED,
      as = () => standIn.as(),
    ): Promise<void> => {
      const load = new Load(as)
      const from = proxy.logLines.length
      change()
      await proxy.logged(line, from)
      const { answered } = load
      // At least one more round after the reload.
      while (load.answered < answered + 8 && load.failures.length === 0) await standIn.ask('/api/v1/pods')
      await load.stop()
      t.strictSame(load.failures, [])
    },
    metric: async (name: string, file: string, result?: string): Promise<number> => {
      const [res] = (await once(get(`http://127.0.0.1:${proxy.metricsPort}/metrics`), 'response')) as [
        IncomingMessage,
      ]
      const labels = result === undefined ? `file="${file}"` : `file="${file}",result="${result}"`
      const page = await text(res)
      const line = page.split('\n').find((line) => line.startsWith(`${name}{${labels}}`))
      return Number(line?.split(' ').at(-1))
    },
  }
}

/** The serving certificate that a new connection is shown. */
async function shown(options: RequestOptions): Promise<X509Certificate> {
  const socket = connect({ ...options, port: Number(options.port), host: '127.0.0.1' } as never)
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  if (certificate === undefined) throw new Error('no certificate')
  return certificate
}

function install(from: Issued, to: { certFile: string; keyFile: string }): void {
  copyFileSync(from.certFile, to.certFile)
  copyFileSync(from.keyFile, to.keyFile)
}

await t.test('the policy', async (t) => {
  const { standIn, proxy, file, underLoad, metric } = await start(t, { policy: POLICY('Metadata') })
  // RequestReceived is on disk before the request goes on.
  const level = (auditID: string) =>
    readAuditLog(standIn.auditLog).find((event) => event.auditID === auditID)?.level
  await standIn.ask('/api/v1/pods', { headers: { 'audit-id': 'before' } })
  t.equal(level('before'), 'Metadata')

  const startedAt = await metric('kube_audit_proxy_config_last_reload_success_timestamp_seconds', NAME)
  await underLoad(t, () => writeFileSync(file('policy.yaml'), POLICY('Request')))
  await standIn.ask('/api/v1/pods', { headers: { 'audit-id': 'after' } })
  t.equal(level('after'), 'Request')
  t.equal(await metric('kube_audit_proxy_config_reload_total', NAME, 'success'), 1)
  t.ok(
    (await metric('kube_audit_proxy_config_last_reload_success_timestamp_seconds', NAME)) > startedAt,
    'the time of the last success moves',
  )

  const from = proxy.logLines.length
  await underLoad(t, () => writeFileSync(file('policy.yaml'), 'kind: Policy\nrules: [{'), 'cannot reload')
  await standIn.ask('/api/v1/pods', { headers: { 'audit-id': 'bad' } })
  t.equal(level('bad'), 'Request', 'the last good policy stays')
  const errors = proxy.logLines.slice(from).filter((line) => line.includes('"level":"error"'))
  t.equal(errors.length, 1, 'one line says so')
  t.match(errors[0], file('policy.yaml'))
  t.equal(await metric('kube_audit_proxy_config_reload_total', NAME, 'failure'), 1)

  await underLoad(t, () => writeFileSync(file('policy.yaml'), POLICY('None')))
  await standIn.ask('/api/v1/pods', { headers: { 'audit-id': 'mended' } })
  t.equal(level('mended'), undefined)
})

const WHOLE = [
  'apiVersion: audit.k8s.io/v1',
  'kind: Policy',
  'rules:',
  '- level: None',
  '  users: [system:kube-proxy]',
  '- level: Metadata',
  '',
].join('\n')

/** It parses, and records nothing. */
const HALF = WHOLE.slice(0, WHOLE.indexOf('None') + 4)

await t.test('half a policy, while somebody is writing it, is not read', async (t) => {
  /** The first reload, and requests without an event; undefined where the test was too slow to be somebody who is writing. */
  const write = async () => {
    const { standIn, proxy, file } = await start(t, { policy: WHOLE })
    const policy = file('policy.yaml')
    const lost: string[] = []
    let last = performance.now()
    const writes = (text: string): boolean => {
      writeFileSync(policy, text)
      const pause = performance.now() - last
      last += pause
      return pause < 500
    }
    writes(HALF)
    proxy.child.kill('SIGHUP')
    for (let i = 0; i < 40; i++) {
      const auditID = `meanwhile-${i}`
      await standIn.ask('/api/v1/pods', { headers: { 'audit-id': auditID } })
      if (!readAuditLog(standIn.auditLog).some((event) => event.auditID === auditID)) lost.push(auditID)
      await delay(60)
      if (!writes(`${HALF} `) || !writes(HALF)) return undefined
    }
    if (!writes(WHOLE)) return undefined
    const line = await proxy.logged(`"file":"${NAME}"`)
    return { lost, reloaded: JSON.parse(proxy.logLines[line] ?? '') as object }
  }
  let result = await write()
  while (result === undefined) result = await write()
  t.strictSame(result.lost, [])
  t.match(result.reloaded, { msg: 'configuration reloaded', rules: 2, added: 0, removed: 0 })
})

await t.test('a policy that says less', async (t) => {
  const { proxy, file } = await start(t, { policy: WHOLE })
  writeFileSync(file('policy.yaml'), HALF)
  const line = await proxy.logged('records less')
  t.match(JSON.parse(proxy.logLines[line] ?? ''), { level: 'warn', file: NAME })
  t.match(JSON.parse(proxy.logLines[line - 1] ?? ''), {
    msg: 'configuration reloaded',
    rules: 1,
    added: 1,
    addedRules: ['1: None'],
    removed: 2,
    removedRules: ['1: None', '2: Metadata'],
  })
})

await t.test('SIGHUP reads everything again', async (t) => {
  const { proxy, underLoad, metric } = await start(t)
  const from = proxy.logLines.length
  await underLoad(t, () => proxy.child.kill('SIGHUP'), '"file":"proxy-client-cert-file","msg":')
  const files = proxy.logLines
    .slice(from)
    .filter((line) => line.includes(RELOADED))
    .map((line) => (JSON.parse(line) as { file: string }).file)
  t.strictSame(files, [
    'audit-policy-file',
    'tls-cert-file',
    'client-ca-file',
    'kubeconfig',
    'proxy-client-cert-file',
  ])
  for (const file of files) t.equal(await metric('kube_audit_proxy_config_reload_total', file, 'success'), 1)
})

await t.test('the serving certificate', async (t) => {
  const { standIn, pki, file, underLoad, metric } = await start(t)
  const before = await shown(standIn.as())
  const next = pki.issue(standIn.ca, { name: 'serving-2', cn: 'proxy', ip: ['127.0.0.1'], usage: 'server' })
  const files = { certFile: file('pki/serving.crt'), keyFile: file('pki/serving.key') }
  await underLoad(t, () => install(next, files))
  const after = await shown(standIn.as())
  t.equal(after.fingerprint256, new X509Certificate(next.cert).fingerprint256)
  t.not(after.fingerprint256, before.fingerprint256)

  // A certificate without its key: somebody is in the middle of replacing both.
  const third = pki.issue(standIn.ca, { name: 'serving-3', cn: 'proxy', ip: ['127.0.0.1'], usage: 'server' })
  await underLoad(t, () => copyFileSync(third.certFile, files.certFile), 'cannot reload')
  t.equal((await shown(standIn.as())).fingerprint256, after.fingerprint256)
  t.equal(await metric('kube_audit_proxy_config_reload_total', 'tls-cert-file', 'failure'), 1)
  await underLoad(t, () => copyFileSync(third.keyFile, files.keyFile))
  t.equal((await shown(standIn.as())).fingerprint256, new X509Certificate(third.cert).fingerprint256)
})

await t.test('a mounted Secret, whose files are links that change together', async (t) => {
  const dir = t.testdir()
  const put = (version: string, policy: string) => {
    mkdirSync(join(dir, version))
    writeFileSync(join(dir, version, 'policy.yaml'), policy)
    symlinkSync(version, join(dir, '..tmp'))
    renameSync(join(dir, '..tmp'), join(dir, '..data'))
  }
  put('..1', POLICY('Metadata'))
  symlinkSync('..data/policy.yaml', join(dir, 'policy.yaml'))
  const { standIn, underLoad } = await start(t, {
    flags: [`--audit-policy-file=${join(dir, 'policy.yaml')}`],
  })
  await underLoad(t, () => put('..2', POLICY('None')))
  await standIn.ask('/api/v1/pods', { headers: { 'audit-id': 'unseen' } })
  t.notOk(readAuditLog(standIn.auditLog).some((event) => event.auditID === 'unseen'))
})

await t.test('the client CA', async (t) => {
  const clients = new PKI(t.testdir())
  const [firstCA, otherCA] = [clients.ca('first'), clients.ca('other')]
  const first = clients.issue(firstCA, { name: 'first-user', cn: 'first', usage: 'client' })
  const newcomer = clients.issue(otherCA, { name: 'newcomer', cn: 'newcomer', usage: 'client' })
  const caFile = join(t.testdirName, 'client-ca.crt')
  writeFileSync(caFile, firstCA.cert)
  const { standIn, proxy, underLoad } = await start(t, { flags: [`--client-ca-file=${caFile}`] })
  const status = async (who: Issued, agent: https.Agent | false = false) =>
    (await standIn.ask('/api/v1/pods', { ...standIn.as(who), agent })).status
  const open = new https.Agent({ keepAlive: true, maxSockets: 1 })
  const openNewcomer = new https.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => [open, openNewcomer].forEach((agent) => agent.destroy()))
  const [asFirst, asNewcomer] = [() => standIn.as(first), () => standIn.as(newcomer)]

  t.equal(await status(first, open), 200)
  t.equal(await status(newcomer), 401)
  await underLoad(t, () => writeFileSync(caFile, firstCA.cert + otherCA.cert), RELOADED, asFirst)
  t.equal(await status(newcomer, openNewcomer), 200, 'who was added is known')
  t.equal(await status(first, open), 200, 'who was there stays')

  await underLoad(t, () => writeFileSync(caFile, 'no certificates\n'), 'cannot reload', asNewcomer)
  t.equal(await status(newcomer, openNewcomer), 200)

  const from = proxy.logLines.length
  await underLoad(t, () => writeFileSync(caFile, otherCA.cert), RELOADED, asNewcomer)
  t.equal(await status(first), 401, 'who was removed is unknown')
  const socket = Object.values(open.freeSockets).flat()[0]
  t.ok(socket, 'a connection from before is still open')
  t.equal(await status(first, open), 401, 'and as good as a new one')
  t.equal(Object.values(open.freeSockets).flat()[0], socket)
  t.equal(await status(newcomer, openNewcomer), 200)
  t.equal(proxy.logLines.slice(from).filter((line) => line.includes('"level":"error"')).length, 0)
})

await t.test('the front-proxy certificate', async (t) => {
  const { standIn, pki, file, underLoad } = await start(t)
  await standIn.ask('/api/v1/pods')
  t.equal(standIn.seen.at(-1)?.peer, 'front-proxy-client')
  const next = pki.issue(standIn.frontProxyCA, { name: 'fp-2', cn: 'front-proxy-client-2', usage: 'client' })
  const files = {
    certFile: file('pki/front-proxy-client.crt'),
    keyFile: file('pki/front-proxy-client.key'),
  }
  await underLoad(t, () => install(next, files))
  await standIn.ask('/api/v1/pods')
  t.equal(standIn.seen.at(-1)?.peer, 'front-proxy-client-2')
  await underLoad(t, () => writeFileSync(files.keyFile, 'not a key'), 'cannot reload')
  await standIn.ask('/api/v1/pods')
  t.equal(standIn.seen.at(-1)?.peer, 'front-proxy-client-2')
})

await t.test('the kubeconfig', async (t) => {
  let endWatch = (): void => undefined
  const { standIn, underLoad } = await start(t, {
    identity: 'impersonation',
    upstream: (req, res) => {
      if (!(req.url ?? '').includes('watch')) {
        sendJSON(res, 200, { kind: 'PodList' })
        return
      }
      res.writeHead(200, { 'content-type': 'application/json' })
      res.write('{}\n')
      endWatch = () => res.end('{}\n')
    },
  })
  const watch = await standIn.open('/api/v1/pods?watch=1', { agent: false })
  await once(watch, 'data')
  await standIn.ask('/api/v1/pods')
  t.equal(standIn.seen.at(-1)?.peer, 'kube-audit-proxy')

  const other = standIn.client({ name: 'self-2', cn: 'kube-audit-proxy-2' })
  const config = JSON.parse(readFileSync(standIn.kubeconfig, 'utf8')) as { users: { user: object }[] }
  config.users[0]!.user = { 'client-certificate': other.certFile, 'client-key': other.keyFile }
  const replace = (content: string) => {
    writeFileSync(`${standIn.kubeconfig}.new`, content, { mode: 0o600 })
    renameSync(`${standIn.kubeconfig}.new`, standIn.kubeconfig)
  }
  await underLoad(t, () => replace(JSON.stringify(config)))
  await standIn.ask('/api/v1/pods')
  t.equal(standIn.seen.at(-1)?.peer, 'kube-audit-proxy-2', 'the next request has the new credentials')
  await underLoad(t, () => replace('clusters: []'), 'cannot reload')
  await standIn.ask('/api/v1/pods')
  t.equal(standIn.seen.at(-1)?.peer, 'kube-audit-proxy-2')

  const ended = once(watch.resume(), 'end')
  endWatch()
  await ended
  t.ok(watch.complete, 'a watch over the old connections goes on to its end')
})
