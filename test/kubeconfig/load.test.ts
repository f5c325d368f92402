import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { ConfigError } from '../../src/errors.js'
import { loadKubeconfig } from '../../src/kubeconfig/load.js'
import { memoryLog } from '../support/log.js'
import { PKI } from '../support/pki.js'

const dir = t.testdir()
const pki = new PKI(dir)
const ca = pki.ca('ca')
const alice = pki.issue(ca, { name: 'alice', cn: 'alice', usage: 'client' })
const bob = pki.issue(ca, { name: 'bob', cn: 'bob', usage: 'client' })
const old = pki.issue(ca, {
  name: 'old',
  cn: 'old',
  usage: 'client',
  notAfter: new Date('2020-01-01T00:00:00Z'),
})
const base64 = (text: string) => Buffer.from(text).toString('base64')

function kubeconfig(user: object | undefined, cluster: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    contexts: [
      { name: 'main', context: { cluster: 'c', user: user === undefined ? '' : 'u' } },
      { name: 'other', context: { cluster: 'd', user: '' } },
    ],
    clusters: [
      { name: 'c', cluster: { server: 'https://127.0.0.1:6443', ...cluster } },
      { name: 'd', cluster: { server: 'https://d.example.com/k8s/clusters/x/' } },
    ],
    users: user === undefined ? [] : [{ name: 'u', user }],
  }
}

let files = 0
function write(content: object | string): string {
  const file = join(dir, `kubeconfig-${files++}`)
  writeFileSync(file, typeof content === 'string' ? content : stringify(content))
  return file
}

void t.test('inline data wins over files, and files are relative to the kubeconfig', async (t) => {
  const { log, lines } = memoryLog()
  const inline = loadKubeconfig(
    write(
      kubeconfig(
        {
          'client-certificate': 'no-such-file',
          'client-certificate-data': base64(alice.cert),
          'client-key': 'no-such-file',
          'client-key-data': base64(alice.key),
        },
        { 'certificate-authority': 'no-such-file', 'certificate-authority-data': base64(ca.cert) },
      ),
    ),
    { log },
  )
  t.equal(inline.tls.ca, ca.cert)
  t.same(await inline.credentials.clientCertificate(), { cert: alice.cert, key: alice.key })
  t.equal(await inline.credentials.authorization(), undefined)

  const file = write(
    kubeconfig(
      { 'client-certificate': 'alice.crt', 'client-key': 'alice.key', token: 'abc' },
      {
        'certificate-authority': 'ca.crt',
        'tls-server-name': 'kubernetes',
        'proxy-url': 'http://proxy:3128',
      },
    ),
  )
  const connection = loadKubeconfig(file, { log })
  t.same(connection.tls, { ca: ca.cert, servername: 'kubernetes', rejectUnauthorized: true })
  t.equal(connection.proxyUrl?.href, 'http://proxy:3128/')
  t.equal(connection.source, file)
  t.same(await connection.credentials.clientCertificate(), { cert: alice.cert, key: alice.key })
  t.equal(await connection.credentials.authorization(), 'Bearer abc')
  t.same(lines, [])
})

void t.test('what a user can be', async (t) => {
  const { log } = memoryLog()
  writeFileSync(join(dir, 'token'), 'from-file\n')
  const cases: [object | undefined, string | undefined][] = [
    [undefined, undefined],
    [{}, undefined],
    [{ token: 't' }, 'Bearer t'],
    [{ tokenFile: 'token' }, 'Bearer from-file'],
    [{ token: 't', tokenFile: 'token' }, 'Bearer t'],
    [{ username: 'u', password: 'p:ä' }, `Basic ${base64('u:p:ä')}`],
  ]
  for (const [user, authorization] of cases) {
    const { credentials } = loadKubeconfig(write(kubeconfig(user)), { log })
    t.equal(await credentials.authorization(), authorization, JSON.stringify(user))
    t.equal(await credentials.clientCertificate(), undefined)
  }
})

void t.test('the context that is asked for, a server with a path, and plain http', async (t) => {
  const { log, lines } = memoryLog()
  const file = write(kubeconfig({ token: 't' }, { server: 'http://127.0.0.1:8080' }))
  t.equal(loadKubeconfig(file, { log, context: 'other' }).server.href, 'https://d.example.com/k8s/clusters/x')
  t.same(lines, [])
  const connection = loadKubeconfig(file, { log })
  t.equal(connection.server.href, 'http://127.0.0.1:8080/')
  t.equal(await connection.credentials.authorization(), undefined, 'a token does not travel in the clear')
  t.match(lines, [{ level: 40, msg: /is not https, so the credentials of .*users\[u\].user are not used/ }])
})

void t.test('warnings', (t) => {
  const { log, lines } = memoryLog()
  loadKubeconfig(
    write(
      kubeconfig(
        { 'client-certificate': 'old.crt', 'client-key': 'old.key' },
        { 'insecure-skip-tls-verify': true },
      ),
    ),
    { log },
  )
  t.match(lines, [
    {
      level: 40,
      msg: /clusters\[c\].cluster.insecure-skip-tls-verify: the server's certificate is not verified/,
    },
    {
      level: 40,
      msg: /users\[u\].user.client-certificate: .*old.crt: the certificate expired on Jan {2}1 00:00:00 2020/,
    },
  ])
  t.notOk(JSON.stringify(lines).includes('PRIVATE KEY') || JSON.stringify(lines).includes(old.key))
  t.end()
})

void t.test('mistakes are one line with the file and the field', (t) => {
  const { log } = memoryLog()
  mkdirSync(join(dir, 'folder'))
  const exec = (fields: object) => ({
    exec: { apiVersion: 'client.authentication.k8s.io/v1beta1', command: 'x', ...fields },
  })
  const context = { name: 'main', context: { cluster: 'c', user: 'u' } }
  const cases: [object | string, string][] = [
    ['a: b: c', 'line 1: Nested mappings are not allowed in compact mappings'],
    ['users: []\nusers: []\n', 'line 2: Map keys must be unique'],
    ['- 1', 'expected a kubeconfig, found a list'],
    ['', 'expected a kubeconfig, found nothing'],
    [{}, 'current-context: is not set'],
    [{ 'current-context': 'x' }, 'current-context: no entry of contexts has the name "x"; there are none'],
    [{ 'current-context': 1 }, 'current-context: found a number, expected a string (put it in quotes)'],
    [
      { 'current-context': 'x', contexts: [context] },
      'current-context: no entry of contexts has the name "x"; there are main',
    ],
    [
      { 'current-context': 'main', contexts: [context] },
      'contexts[main].context.cluster: no entry of clusters has the name "c"; there are none',
    ],
    [
      { ...kubeconfig({}), users: [] },
      'contexts[main].context.user: no entry of users has the name "u"; there are none',
    ],
    [{ ...kubeconfig({}), clusters: {} }, 'clusters: found a mapping, expected a list'],
    [{ ...kubeconfig({}), clusters: ['c'] }, 'clusters[0]: found a string, expected a mapping'],
    [kubeconfig({}, { server: '' }), 'clusters[c].cluster.server: is not set, expected https://HOST:PORT'],
    [
      kubeconfig({}, { server: 'host:1' }),
      'clusters[c].cluster.server: found "host:1", expected https://HOST:PORT',
    ],
    [
      kubeconfig({}, { server: 'https://a:b@host' }),
      'clusters[c].cluster.server: must not have a user name or password in it',
    ],
    [
      kubeconfig({}, { 'certificate-authority': 'nope' }),
      `clusters[c].cluster.certificate-authority: ${dir}/nope: no such file`,
    ],
    [
      kubeconfig({}, { 'certificate-authority': 'folder' }),
      `clusters[c].cluster.certificate-authority: ${dir}/folder: is a directory, expected a file`,
    ],
    [
      kubeconfig({}, { 'certificate-authority': 'alice.key' }),
      `clusters[c].cluster.certificate-authority: ${dir}/alice.key: no certificate found, expected PEM (-----BEGIN CERTIFICATE-----)`,
    ],
    [
      kubeconfig({}, { 'certificate-authority-data': 'no base64!' }),
      'clusters[c].cluster.certificate-authority-data: is not base64',
    ],
    [
      kubeconfig({}, { 'certificate-authority': 'ca.crt', 'insecure-skip-tls-verify': true }),
      'clusters[c].cluster.insecure-skip-tls-verify: cannot be true together with a certificate authority',
    ],
    [
      kubeconfig({}, { 'insecure-skip-tls-verify': 'yes' }),
      'clusters[c].cluster.insecure-skip-tls-verify: found a string, expected true or false',
    ],
    [
      kubeconfig({}, { server: 'ftp://user:hidden@host' }),
      'clusters[c].cluster.server: found a URL with a user in it, expected https://HOST:PORT',
    ],
    ['contexts: *nothing', 'Unresolved alias (the anchor must be set before the alias): nothing'],
    [
      kubeconfig({}, { 'proxy-url': 'socks5://user:hidden@host' }),
      'clusters[c].cluster.proxy-url: found the scheme socks5, expected http://HOST:PORT or https://HOST:PORT',
    ],
    [
      kubeconfig({ 'client-certificate': 'x', 'client-key': 'alice.key' }),
      `users[u].user.client-certificate: ${dir}/x: no such file`,
    ],
    [
      kubeconfig({ 'client-certificate': 'alice.crt' }),
      'users[u].user.client-key: is not set, though client-certificate is',
    ],
    [
      kubeconfig({ 'client-key': 'alice.key' }),
      'users[u].user.client-certificate: is not set, though client-key is',
    ],
    [
      kubeconfig({ 'client-certificate': 'alice.crt', 'client-key': 'alice.crt' }),
      `users[u].user.client-key: ${dir}/alice.crt: no usable private key found, expected an unencrypted PEM private key`,
    ],
    [
      kubeconfig({ 'client-certificate': 'alice.crt', 'client-key-data': base64(bob.key) }),
      `users[u].user.client-key-data: the private key does not match the certificate of FILE: users[u].user.client-certificate: ${dir}/alice.crt`,
    ],
    [kubeconfig({ tokenFile: 'nope' }), `users[u].user.tokenFile: ${dir}/nope: no such file`],
    [
      kubeconfig({ token: 'a\nb' }),
      'users[u].user.token: the token has a character that a header cannot carry',
    ],
    [
      kubeconfig({ token: 't', username: 'u', password: 'p' }),
      'users[u].user.username: cannot be set together with a token, only one of the two is allowed',
    ],
    [
      kubeconfig({ 'auth-provider': { name: 'gcp' } }),
      'users[u].user.auth-provider: is not supported (Kubernetes 1.26 removed it); use an exec plugin or a token',
    ],
    [
      kubeconfig({ as: 'admin' }),
      'users[u].user.as: is not supported; give credentials that need no impersonation',
    ],
    [kubeconfig(exec({ command: '' })), 'users[u].user.exec.command: is not set'],
    [
      kubeconfig(exec({ apiVersion: 'client.authentication.k8s.io/v1alpha1' })),
      'users[u].user.exec.apiVersion: found "client.authentication.k8s.io/v1alpha1", expected client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1',
    ],
    [
      kubeconfig(exec({ apiVersion: 'client.authentication.k8s.io/v1' })),
      'users[u].user.exec.interactiveMode: is not set, which client.authentication.k8s.io/v1 needs, expected Never or IfAvailable',
    ],
    [
      kubeconfig(exec({ interactiveMode: 'Always' })),
      'users[u].user.exec.interactiveMode: is Always, but the proxy has no terminal to ask at',
    ],
    [kubeconfig(exec({ args: ['a', 1] })), 'users[u].user.exec.args: expected a list of strings'],
    [kubeconfig(exec({ env: [{ value: 'x' }] })), 'users[u].user.exec.env[0].name: is not set'],
  ]
  for (const [content, problem] of cases) {
    const file = write(content)
    let caught: unknown
    try {
      loadKubeconfig(file, { log })
    } catch (err) {
      caught = err
    }
    t.type(caught, ConfigError, problem)
    const message = (caught as Error | undefined)?.message ?? ''
    t.equal(message.replaceAll(file, 'FILE').replace(/ at line \d+, column \d+:?$/, ''), `FILE: ${problem}`)
    t.notMatch(message, /\n|PRIVATE|hidden/)
  }
  t.throws(() => loadKubeconfig(join(dir, 'none'), { log }), {
    message: `--kubeconfig: ${dir}/none: no such file`,
  })
  t.end()
})

void t.test('an encrypted key is named as what it is', (t) => {
  const { log } = memoryLog()
  const encrypted = join(dir, 'encrypted.key')
  execFileSync('openssl', ['pkcs8', '-topk8', '-in', alice.keyFile, '-out', encrypted, '-passout', 'pass:x'])
  t.throws(
    () =>
      loadKubeconfig(
        write(kubeconfig({ 'client-certificate': 'alice.crt', 'client-key': 'encrypted.key' })),
        { log },
      ),
    { message: /client-key: .*encrypted.key: the private key is encrypted/ },
  )
  t.end()
})
