import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { newestApiserver } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'
import { PKI } from '../support/pki.js'

const SCRIPT = fileURLToPath(new URL('../../../certs/make-certs', import.meta.url))

async function makeCerts(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(SCRIPT, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

const certificate = (file: string) => new X509Certificate(readFileSync(file))
const mode = (file: string) => statSync(file).mode & 0o777
const text = (file: string) => readFileSync(file, 'utf8')

void t.test('a serving certificate of an authority of our own', async (t) => {
  const out = join(t.testdir(), 'new', 'folder')
  const args = ['serving', '--host', 'audit.example.com,127.0.0.1,::1,*.example.org', '--out', out]
  const { code, stderr } = await makeCerts(args)
  t.same([code, stderr], [0, ''])
  const [ca, leaf] = [certificate(join(out, 'ca.crt')), certificate(join(out, 'tls.crt'))]
  t.ok(ca.ca)
  t.ok(leaf.verify(ca.publicKey))
  t.ok(leaf.checkPrivateKey(createPrivateKey(text(join(out, 'tls.key')))))
  t.same([leaf.ca, leaf.keyUsage], [false, ['1.3.6.1.5.5.7.3.1']])
  t.equal(leaf.subject, 'CN=audit.example.com')
  t.equal(
    leaf.subjectAltName,
    'DNS:audit.example.com, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:*.example.org',
  )
  t.same(
    ['ca.key', 'tls.key', 'ca.crt', 'tls.crt'].map((name) => mode(join(out, name))),
    [0o600, 0o600, 0o644, 0o644],
  )
  t.same(readdirSync(out).sort(), ['ca.crt', 'ca.key', 'tls.crt', 'tls.key'], 'nothing else is left')
})

void t.test('renewal', async (t) => {
  const out = t.testdir()
  const files = ['ca.crt', 'ca.key', 'tls.crt', 'tls.key'] as const
  const state = () =>
    Object.fromEntries(files.map((name) => [name, text(join(out, name))])) as Record<string, string>
  const changed = async (...args: string[]) => {
    const before = state()
    const { code, stderr } = await makeCerts(['serving', '--out', out, ...args])
    t.same([code, stderr], [0, ''])
    const after = state()
    return files.filter((name) => before[name] !== after[name])
  }
  await makeCerts(['serving', '--out', out, '--host=a.example.com,10.0.0.1'])
  chmodSync(join(out, 'tls.key'), 0o600)
  const host = '--host=a.example.com,10.0.0.1'
  t.same(await changed(host), ['tls.crt'], 'a key is never overwritten unasked')
  t.same(await changed(host, '--if-expires-in=30'), [])
  t.same(await changed(host, '--if-expires-in=366'), ['tls.crt'])
  t.same(await changed('--host=a.example.com,10.0.0.2', '--if-expires-in=30'), ['tls.crt'], 'another address')
  t.same(await changed('--host=b.example.com', '--if-expires-in=30'), ['tls.crt'], 'another name')
  t.same(await changed(host, '--new-key', '--days=10'), ['tls.crt', 'tls.key'])
  const days = (Date.parse(certificate(join(out, 'tls.crt')).validTo) - Date.now()) / 86_400_000
  t.ok(days > 9 && days <= 10, 'about 10 days')
})

void t.test('a client certificate of the cluster’s authority', async (t) => {
  const dir = t.testdir()
  const ca = new PKI(join(dir, 'pki')).ca('ca')
  const other = new PKI(join(dir, 'other')).ca('ca')
  const args = ['client', '--out', dir, '--ca-cert', ca.certFile, '--ca-key']
  t.equal((await makeCerts([...args, ca.keyFile])).code, 0)
  const leaf = certificate(join(dir, 'client.crt'))
  t.same([leaf.subject, leaf.keyUsage], ['CN=kube-audit-proxy', ['1.3.6.1.5.5.7.3.2']])
  t.ok(leaf.verify(new X509Certificate(ca.cert).publicKey))
  t.equal(mode(join(dir, 'client.key')), 0o600)

  const before = text(join(dir, 'client.crt'))
  const wrong = await makeCerts([...args, other.keyFile])
  t.equal(wrong.code, 1)
  t.match(wrong.stderr, /is not the key of/)
  t.equal(text(join(dir, 'client.crt')), before)
})

void t.test('the front-proxy certificate of kubeadm', async (t) => {
  const dir = t.testdir()
  const pki = new PKI(join(dir, 'made'))
  const ca = pki.ca('front-proxy-ca')
  const client = pki.issue(ca, {
    name: 'front-proxy-client',
    cn: 'front-proxy-client',
    usage: 'client',
    days: 30,
  })
  const args = ['front-proxy', '--pki-dir', join(dir, 'pki')]
  const missing = await makeCerts(args)
  t.equal(missing.code, 1)
  t.match(missing.stderr, /pki\/front-proxy-client\.crt: no such file/)

  mkdirSync(join(dir, 'pki'))
  copyFileSync(ca.certFile, join(dir, 'pki/front-proxy-ca.crt'))
  copyFileSync(client.certFile, join(dir, 'pki/front-proxy-client.crt'))
  copyFileSync(client.keyFile, join(dir, 'pki/front-proxy-client.key'))
  const found = await makeCerts(args)
  t.equal(found.code, 0)
  t.match(found.stdout, `--proxy-client-cert-file=${join(dir, 'pki/front-proxy-client.crt')}\n`)

  const out = join(dir, 'out')
  t.match(
    (await makeCerts([...args, '--out', out])).stdout,
    `--proxy-client-key-file=${join(out, 'front-proxy-client.key')}\n`,
  )
  t.equal(text(join(out, 'front-proxy-client.key')), client.key)
  t.equal(mode(join(out, 'front-proxy-client.key')), 0o600)

  copyFileSync(pki.ca('another').certFile, join(dir, 'pki/front-proxy-ca.crt'))
  const foreign = await makeCerts(args)
  t.equal(foreign.code, 1)
  t.match(foreign.stderr, /not \(or no longer\) valid for the authority/)
})

void t.test('bad usage leaves nothing behind', async (t) => {
  const out = t.testdir()
  const cases: [string[], number, RegExp][] = [
    [[], 2, /expected serving, client or front-proxy/],
    [['servin'], 2, /found servin, expected/],
    [['serving'], 2, /--host is not set/],
    [['serving', '--host'], 2, /--host needs a value/],
    [['serving', '--host=a,,b'], 2, /--host: found , expected/],
    [['serving', '--host=a\nsubjectAltName=DNS:b'], 2, /--host: found/],
    [['client', '--signer=own'], 2, /--signer own/],
    [['client', '--signer=me'], 2, /--signer: found me/],
    [['client', '--user=a/b'], 2, /--user: found/],
    [['serving', '--host=a', '--signer=csr'], 2, /--signer-name is not set/],
    [['serving', '--host=a', '--days=x'], 2, /--days: found x/],
    [['serving', '--host=a', '--overwrite=1'], 2, /unknown option --overwrite/],
    [['client', '--ca-cert=/none'], 1, /\/none: no such file/],
  ]
  for (const [args, expectedCode, expected] of cases) {
    const { code, stderr } = await makeCerts(
      args.length === 0 ? [] : [...args.slice(0, 1), '--out', out, ...args.slice(1)],
    )
    t.equal(code, expectedCode, args.join(' '))
    t.match(stderr, expected)
  }
  t.same(readdirSync(out), [])
  writeFileSync(join(out, 'ca.crt'), '')
  t.match((await makeCerts(['serving', '--host=a', '--out', out])).stderr, /only one of ca\.crt and ca\.key/)
  t.match((await makeCerts(['--help'])).stdout, /^Usage:/m)
})

void t.test('through the certificates API', { skip: TestCluster.skip() || noKubectl() }, async (t) => {
  const cluster = await TestCluster.start()
  t.teardown(() => cluster.stop())
  const out = t.testdir()
  const env = { KUBECTL: kubectl() }
  const args = ['client', '--signer=csr', '--timeout=0', '--kubeconfig', cluster.kubeconfigFile, '--out', out]
  const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
  const list = async () => JSON.parse((await cluster.request(requests)).body.toString()).items

  const first = await makeCerts(args, env)
  t.equal(first.code, 3, first.stderr)
  const [made] = await list()
  t.equal(made.spec.signerName, 'kubernetes.io/kube-apiserver-client')
  t.same(made.spec.usages, ['digital signature', 'client auth'])
  t.ok(first.stdout.includes(`kubectl certificate approve ${made.metadata.name}\n`))
  t.same(readdirSync(out).sort(), ['client.csr', 'client.key.new'])
  t.equal(mode(join(out, 'client.key.new')), 0o600)
  t.equal((await makeCerts(args, env)).code, 3)
  t.equal((await list()).length, 1, 'the same request, still')

  // Approve as the message says. Nothing here signs, so the test does what kube-controller-manager would.
  execFileSync(kubectl(), [
    '--kubeconfig',
    cluster.kubeconfigFile,
    'certificate',
    'approve',
    made.metadata.name,
  ])
  const [approved] = await list()
  const [csr, crt, ext] = ['request.pem', 'signed.pem', 'ext'].map((name) => join(cluster.dir, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(csr, Buffer.from(approved.spec.request, 'base64'))
  writeFileSync(ext, 'extendedKeyUsage=clientAuth')
  const sign = [
    'x509',
    '-req',
    '-in',
    csr,
    '-CA',
    cluster.ca.certFile,
    '-CAkey',
    cluster.ca.keyFile,
    '-days',
    '1',
  ]
  execFileSync('openssl', [...sign, '-set_serial', '77', '-extfile', ext, '-out', crt], { stdio: 'ignore' })
  approved.status.certificate = Buffer.from(text(crt)).toString('base64')
  const path = `${requests}/${approved.metadata.name}/status`
  const headers = { 'content-type': 'application/json' }
  const update = await cluster.request(path, { method: 'PUT', headers, body: JSON.stringify(approved) })
  t.equal(update.status, 200, update.body.toString())

  const last = await makeCerts(args, env)
  t.equal(last.code, 0, last.stderr)
  t.same(readdirSync(out).sort(), ['client.crt', 'client.key'])
  const leaf = certificate(join(out, 'client.crt'))
  t.equal(leaf.subject, 'CN=kube-audit-proxy')
  t.ok(leaf.checkPrivateKey(createPrivateKey(text(join(out, 'client.key')))))
  // The apiserver knows whose it is.
  const config = JSON.parse(text(cluster.kubeconfigFile))
  config.users[0].user = {
    'client-certificate': join(out, 'client.crt'),
    'client-key': join(out, 'client.key'),
  }
  const kubeconfig = join(out, 'kubeconfig')
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  const asked = spawn(kubectl(), ['--kubeconfig', kubeconfig, 'get', 'pods'])
  let answer = ''
  asked.stderr.on('data', (chunk: Buffer) => (answer += chunk.toString()))
  await once(asked, 'close')
  t.match(answer, /User "kube-audit-proxy" cannot list resource "pods"/)

  const denied = await makeCerts([...args, '--new-key', '--user=denied'], env)
  t.equal(denied.code, 3)
  const key = text(join(out, 'client.key'))
  const name = /certificatesigningrequest\/(\S+)/.exec(denied.stdout)?.[1] ?? ''
  execFileSync(kubectl(), ['--kubeconfig', cluster.kubeconfigFile, 'certificate', 'deny', name])
  const refused = await makeCerts([...args, '--user=denied'], env)
  t.equal(refused.code, 1)
  t.match(refused.stderr, /Denied/)
  t.equal(text(join(out, 'client.key')), key, 'the key in use stays')
  t.notOk(existsSync(join(out, 'client.key.new')))
})

function kubectl(): string {
  return join(newestApiserver().dir, 'kubectl')
}

function noKubectl(): string | false {
  return existsSync(kubectl()) ? false : 'there is no kubectl beside kube-apiserver'
}
