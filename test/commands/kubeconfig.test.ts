import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { runCommand } from '../support/command.js'
import { PKI } from '../support/pki.js'
import { sendJSON, StandIn } from '../support/stand-in.js'

const dir = t.testdir({
  config: `apiVersion: v1
kind: Config
current-context: shop # the one we use
preferences: {colors: true}
contexts:
- {name: shop, context: {cluster: shop, user: alice, namespace: web}}
- {name: other, context: {cluster: other, user: bob}}
clusters:
- name: shop
  cluster:
    server: https://10.0.0.1:6443
    tls-server-name: kubernetes
    certificate-authority: pki/ca.crt
    proxy-url: http://proxy:3128
    extensions: [{name: x, extension: {a: 1}}]
- name: other
  cluster: {server: https://10.0.0.2, insecure-skip-tls-verify: true, certificate-authority: ''}
users:
- name: alice
  user: {client-certificate: pki/alice.crt, client-key: /etc/alice.key}
- name: bob
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, args: [a], interactiveMode: Never}
- name: carol
  user: {tokenFile: token, exec: {command: aws}}
`,
  'empty.yaml': '',
  'broken.yaml': 'users: [{token: hunter2}\ncontexts: x: y',
  'no-context.yaml': 'current-context: a\ncontexts: []\n',
})
const config = join(dir, 'config')
const ca = new PKI(join(dir, 'pki')).ca('ca')
const URL = 'https://audit.example.com:6443'

void t.test('one cluster is replaced, everything else stays', async (t) => {
  const { code, stdout, stderr } = await runCommand([
    'kubeconfig',
    '--server',
    URL,
    '--ca',
    ca.certFile,
    config,
  ])
  t.same([code, stderr], [0, ''])
  t.match(stdout, /current-context: shop # the one we use/)
  t.strictSame(parse(stdout), {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'shop',
    preferences: { colors: true },
    contexts: [
      { name: 'shop', context: { cluster: 'shop', user: 'alice', namespace: 'web' } },
      { name: 'other', context: { cluster: 'other', user: 'bob' } },
    ],
    clusters: [
      {
        name: 'shop',
        cluster: {
          server: URL,
          'proxy-url': 'http://proxy:3128',
          extensions: [{ name: 'x', extension: { a: 1 } }],
          'certificate-authority-data': Buffer.from(ca.cert).toString('base64'),
        },
      },
      {
        name: 'other',
        cluster: {
          server: 'https://10.0.0.2',
          'insecure-skip-tls-verify': true,
          'certificate-authority': '',
        },
      },
    ],
    users: [
      {
        name: 'alice',
        user: { 'client-certificate': join(dir, 'pki/alice.crt'), 'client-key': '/etc/alice.key' },
      },
      {
        name: 'bob',
        user: {
          exec: {
            apiVersion: 'client.authentication.k8s.io/v1',
            command: join(dir, 'login'),
            args: ['a'],
            interactiveMode: 'Never',
          },
        },
      },
      { name: 'carol', user: { tokenFile: join(dir, 'token'), exec: { command: 'aws' } } },
    ],
  })
})

void t.test('--context and $KUBECONFIG', async (t) => {
  const args = ['kubeconfig', '--server', `${URL}/`, '--ca', ca.certFile]
  const { stdout } = await runCommand([...args, '--context=other'], { env: { KUBECONFIG: config } })
  const { clusters } = parse(stdout)
  t.equal(clusters[0].cluster.server, 'https://10.0.0.1:6443')
  t.equal(clusters[1].cluster.server, URL)
  t.notOk('insecure-skip-tls-verify' in clusters[1].cluster)
  const several = await runCommand(args, { env: { KUBECONFIG: `${config}:/other` } })
  t.equal(several.code, 2)
  t.match(several.stderr, /\$KUBECONFIG names several files/)
})

void t.test('bad usage', async (t) => {
  const server = `--server=${URL}`
  const caFlag = `--ca=${ca.certFile}`
  const cases: [string[], RegExp][] = [
    [[caFlag, config], /--server is not set/],
    [[server, config], /--ca is not set/],
    [['--server=http://x', caFlag, config], /--server: found "http:\/\/x", expected https:/],
    [['--server=https://a:b@x', caFlag, config], /--server: found/],
    [[server, `--ca=${ca.keyFile}`, config], /--ca: .*no certificate found/],
    [[server, caFlag, join(dir, 'none')], /KUBECONFIG: .*none: no such file/],
    [[server, caFlag, join(dir, 'empty.yaml')], /empty\.yaml: expected a kubeconfig/],
    [[server, caFlag, join(dir, 'broken.yaml')], /broken\.yaml: line \d: /],
    [[server, caFlag, join(dir, 'no-context.yaml')], /contexts: none has the name "a"/],
    [[server, caFlag, '--context=x', config], /contexts: none has the name "x"/],
  ]
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await runCommand(['kubeconfig', ...args])
    t.same([code, stdout], [2, ''], args.join(' '))
    t.match(stderr, expected)
    t.notMatch(stderr, /hunter2/)
    t.equal(stderr.split('\n').length, 2, 'one line')
  }
})

void t.test('what it prints works', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, { kind: 'Status' }) })
  t.teardown(() => standIn.stop())
  const { stdout } = await runCommand([
    ...['kubeconfig', '--server', standIn.proxy.url, '--ca', standIn.ca.certFile],
    standIn.kubeconfig,
  ])
  const { clusters, users } = parse(stdout)
  const answer = await standIn.ask('/api/v1/pods', {
    host: '127.0.0.1',
    port: Number(new globalThis.URL(clusters[0].cluster.server).port),
    ca: Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64'),
    cert: readFileSync(users[0].user['client-certificate']),
    key: readFileSync(users[0].user['client-key']),
  })
  t.equal(answer.status, 200)
})
