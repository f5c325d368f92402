import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import http2 from 'node:http2'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import { askHttp2 } from '../support/http2.js'
import type { Issued } from '../support/pki.js'
import { sendJSON, StandIn, type StandInOptions } from '../support/stand-in.js'
import { runCommand } from '../support/command.js'

const PODS = '/api/v1/namespaces/default/pods'

async function start(t: Test, fileFlags: StandInOptions['fileFlags'] & object): Promise<StandIn> {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, { kind: 'PodList' }),
    flags: ['--metrics-bind-address=127.0.0.1:0', '--bind-address=0.0.0.0'],
    fileFlags,
  })
  t.teardown(() => standIn.stop())
  return standIn
}

const issue = ({ pki, ca }: StandIn, name: string, dns: string[], days = 1): Issued =>
  pki.issue(ca, { name, cn: name, dns, days, usage: 'server' })

/** Who is shown to a client that asks for the name at the address. */
async function shown(
  standIn: StandIn,
  servername: string | undefined,
  options: tls.ConnectionOptions = {},
): Promise<string> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port: standIn.proxy.port,
    ca: standIn.ca.cert,
    ...(servername !== undefined && { servername }),
    checkServerIdentity: () => undefined,
    ...options,
  })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate() as X509Certificate
  socket.destroy()
  return certificate.subject.replace('CN=', '')
}

await t.test('--tls-sni-cert-key', async (t) => {
  let own!: Issued
  const standIn = await start(t, (s) => {
    own = issue(s, 'own', ['own.example', '*.own.example'])
    const told = issue(s, 'told', ['unrelated.example'])
    const local = issue(s, 'local', [])
    return [
      `--tls-sni-cert-key=${own.certFile},${own.keyFile}`,
      `--tls-sni-cert-key=${told.certFile},${told.keyFile}:told.example,*.wild.example`,
      `--tls-sni-cert-key=${local.certFile},${local.keyFile}:127.0.0.2`,
    ]
  })

  await t.test('whom a client asks for', async (t) => {
    for (const [name, cn] of [
      ['own.example', 'own'],
      ['a.own.example', 'own'],
      ['told.example', 'told'],
      ['x.wild.example', 'told'],
      ['unrelated.example', 'told'],
      ['other.example', 'proxy'],
      [undefined, 'proxy'],
    ] as const) {
      t.equal(await shown(standIn, name), cn, `${name}`)
      t.equal(await shown(standIn, name, { maxVersion: 'TLSv1.2' }), cn, `${name} with TLS 1.2`)
    }
  })

  await t.test('an address that clients come to', async (t) => {
    t.equal(await shown(standIn, undefined, { host: '127.0.0.2' }), 'local')
    t.equal(await shown(standIn, undefined, { host: '127.0.0.3' }), 'proxy')
    t.equal(await shown(standIn, 'own.example', { host: '127.0.0.2' }), 'own', 'a name goes before it')
    t.equal(await shown(standIn, 'other.example', { host: '127.0.0.2' }), 'proxy')
  })

  await t.test('client certificates and both protocols are as with the other certificate', async (t) => {
    for (const target of [{ servername: 'own.example' }, { host: '127.0.0.2' }]) {
      const options = { ...standIn.as(), ...target, checkServerIdentity: () => undefined }
      t.equal((await standIn.ask(PODS, { ...options, agent: false })).status, 200)
      t.equal(standIn.seen.at(-1)?.headers['x-remote-user'], 'admin')
      const { cert, key, ca } = standIn.as() as { cert: string; key: string; ca: string }
      const host = 'host' in target ? target.host : '127.0.0.1'
      const session = http2.connect(`https://${host}:${standIn.proxy.port}`, {
        ...target,
        cert,
        key,
        ca,
        checkServerIdentity: () => undefined,
      })
      t.teardown(() => session.destroy())
      t.equal((await askHttp2(session, { ':path': PODS })).status, 200)
      t.equal(standIn.seen.at(-1)?.headers['x-remote-user'], 'admin')
      session.close()
    }
    const stranger = standIn.pki.issue(standIn.pki.ca('stranger-ca'), {
      name: 'stranger',
      cn: 'x',
      usage: 'client',
    })
    const options = {
      ...standIn.as(stranger),
      servername: 'own.example',
      checkServerIdentity: () => undefined,
    }
    t.equal((await standIn.ask(PODS, { ...options, agent: false })).status, 401)
  })

  await t.test('what is no TLS ends the connection', async (t) => {
    for (const host of ['127.0.0.1', '127.0.0.2'])
      await t.rejects(once(get({ host, port: standIn.proxy.port }), 'response'), { code: 'ECONNRESET' })
    t.equal(await shown(standIn, undefined, { host: '127.0.0.2' }), 'local')
  })

  await t.test('files that change', async (t) => {
    const { proxy } = standIn
    const expiry = async (): Promise<number> => {
      const [page] = (await once(get(`http://127.0.0.1:${proxy.metricsPort}/metrics`), 'response')) as [
        IncomingMessage,
      ]
      const label = `kube_audit_proxy_certificate_expiration_seconds{file="tls-sni-cert-key=${own.certFile}"} `
      const line = (await text(page)).split('\n').find((line) => line.startsWith(label))
      return Number(line?.slice(label.length))
    }
    t.ok((await expiry()) < 86_400)
    const renewed = issue(standIn, 'renewed', ['own.example', 'new.example'], 10)
    let from = proxy.logLines.length
    copyFileSync(renewed.certFile, own.certFile)
    copyFileSync(renewed.keyFile, own.keyFile)
    // Both may have changed one after the other.
    while ((await shown(standIn, 'own.example')) !== 'renewed')
      from = (await proxy.logged(`"file":"tls-sni-cert-key=${own.certFile}"`, from)) + 1
    for (const [name, cn] of [
      ['own.example', 'renewed'],
      ['new.example', 'renewed'],
      ['a.own.example', 'proxy'],
      ['told.example', 'told'],
    ] as const)
      t.equal(await shown(standIn, name), cn, name)
    t.equal(await shown(standIn, undefined, { host: '127.0.0.2' }), 'local')
    t.ok((await expiry()) > 9 * 86_400)

    from = proxy.logLines.length
    writeFileSync(own.certFile, 'nothing')
    const line = await proxy.logged('cannot reload', from)
    t.match(proxy.logLines[line], `--tls-sni-cert-key: ${own.certFile}: no certificate found`)
    t.equal(await shown(standIn, 'own.example'), 'renewed', 'the old one stays')

    // The one that is broken keeps no other from being renewed.
    from = proxy.logLines.length
    const address = issue(standIn, 'address', [])
    const local = standIn.pki.read('local')
    copyFileSync(address.certFile, local.certFile)
    copyFileSync(address.keyFile, local.keyFile)
    while ((await shown(standIn, undefined, { host: '127.0.0.2' })) !== 'address')
      from = (await proxy.logged(`"file":"tls-sni-cert-key=${local.certFile}"`, from)) + 1
    t.equal(await shown(standIn, 'own.example'), 'renewed')
  })
})

await t.test('bad values stop the start with one line', async (t) => {
  const standIn = await start(t, () => [])
  const { certFile, keyFile } = issue(standIn, 'good', [])
  const other = issue(standIn, 'other', [])
  const serving = standIn.pki.read('serving')
  for (const [value, line] of [
    ['a.crt', 'invalid argument "a.crt" for "--tls-sni-cert-key" flag: expected CERTFILE,KEYFILE or'],
    [`${certFile},/nowhere`, '--tls-sni-cert-key: /nowhere'],
    [`${certFile},${other.keyFile}`, `--tls-sni-cert-key: ${other.keyFile}: the private key does not match`],
  ] as const) {
    const { code, stderr } = await runCommand([
      `--kubeconfig=${standIn.kubeconfig}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--tls-sni-cert-key=${certFile},${keyFile}`,
      `--tls-sni-cert-key=${value}`,
    ])
    t.not(code, 0)
    t.match(stderr, line)
  }
})
