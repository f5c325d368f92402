import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { ExecPlugin, type ExecConfig } from '../../src/kubeconfig/exec-plugin.js'
import { loadKubeconfig } from '../../src/kubeconfig/load.js'
import { memoryLog } from '../support/log.js'
import { PKI } from '../support/pki.js'

const V1 = 'client.authentication.k8s.io/v1'

/** A plugin that counts its runs in `runs`, keeps what it was told in `info`, and then does what `body` says. */
function plugin(dir: string, body: string): ExecConfig {
  const command = join(dir, 'plugin.sh')
  writeFileSync(
    command,
    `#!/bin/sh\necho run >>'${dir}/runs'\nprintf '%s' "$KUBERNETES_EXEC_INFO" >'${dir}/info'\n${body}\n`,
  )
  chmodSync(command, 0o755)
  return { command, args: ['one', 'two words'], env: { REGION: 'eu' }, apiVersion: V1, where: 'f: exec' }
}

const runs = (dir: string) => readFileSync(join(dir, 'runs'), 'utf8').split('\n').length - 1
const credential = (status: object, apiVersion = V1) =>
  JSON.stringify({ kind: 'ExecCredential', apiVersion, status })
const print = (status: object, apiVersion = V1) => `cat <<'END'\n${credential(status, apiVersion)}\nEND`

void t.test('a token: run once for many, kept until it expires or is refused', async (t) => {
  const dir = t.testdir()
  const { log, lines } = memoryLog()
  let now = Date.parse('2030-01-01T00:00:00Z')
  const body = `n=$(wc -l <'${dir}/runs'); n=$((n))
    echo "{\\"kind\\":\\"ExecCredential\\",\\"apiVersion\\":\\"${V1}\\",\\"status\\":{\\"token\\":\\"$1-$2-$REGION-$n\\",\\"expirationTimestamp\\":\\"2030-01-01T00:10:00Z\\"}}"`
  const config = { ...plugin(dir, body), args: ['one', 'two'] }
  const credentials = new ExecPlugin(config, log, { now: () => now })
  const many = await Promise.all([
    credentials.authorization(),
    credentials.authorization(),
    credentials.clientCertificate(),
  ])
  t.same(many, ['Bearer one-two-eu-1', 'Bearer one-two-eu-1', undefined])
  t.equal(runs(dir), 1)
  t.same(JSON.parse(readFileSync(join(dir, 'info'), 'utf8')), {
    apiVersion: V1,
    kind: 'ExecCredential',
    spec: { interactive: false },
  })

  credentials.invalidate('Bearer of-before')
  t.equal(await credentials.authorization(), 'Bearer one-two-eu-1')
  credentials.invalidate('Bearer one-two-eu-1')
  t.equal(await credentials.authorization(), 'Bearer one-two-eu-2')
  now += 600_001
  t.equal(await credentials.authorization(), 'Bearer one-two-eu-3')
  t.equal(credentials.certificateVersion, 0)
  t.same(lines, [])
})

void t.test('a certificate: its version changes when another one comes', async (t) => {
  const dir = t.testdir()
  const pki = new PKI(dir)
  const ca = pki.ca('ca')
  const [one, two] = ['1', '2'].map((name) => pki.issue(ca, { name, cn: name }))
  for (const pair of [one, two]) {
    const status = { clientCertificateData: pair?.cert, clientKeyData: pair?.key }
    writeFileSync(`${pair?.certFile}.json`, credential(status))
  }
  const { log } = memoryLog()
  const config = plugin(
    dir,
    `if [ -e '${dir}/rotate' ]; then cat '${two?.certFile}.json'; else cat '${one?.certFile}.json'; fi`,
  )
  const credentials = new ExecPlugin(config, log)
  t.same(await credentials.clientCertificate(), { cert: one?.cert, key: one?.key })
  t.equal(await credentials.authorization(), undefined)
  credentials.invalidate()
  await credentials.clientCertificate()
  t.equal(credentials.certificateVersion, 0, 'the same certificate again')
  writeFileSync(join(dir, 'rotate'), '')
  credentials.invalidate()
  t.same(await credentials.clientCertificate(), { cert: two?.cert, key: two?.key })
  t.equal(credentials.certificateVersion, 1)
})

void t.test('what can go wrong is said without the output', async (t) => {
  const dir = t.testdir()
  const pki = new PKI(dir)
  const ca = pki.ca('ca')
  const alice = pki.issue(ca, { name: 'alice', cn: 'alice' })
  const bob = pki.issue(ca, { name: 'bob', cn: 'bob' })
  const command = join(dir, 'plugin.sh')
  const cases: [string, string][] = [
    ['echo top-secret', `${command} printed no JSON, expected an ExecCredential`],
    ['echo "[]"', `${command} printed another object than an ExecCredential`],
    [
      print({ token: 'top-secret' }, 'client.authentication.k8s.io/v1beta1'),
      `is configured to use API version ${V1}, ${command} returned another one`,
    ],
    [`echo '{"kind":"ExecCredential","apiVersion":"${V1}"}'`, `${command} didn't return a status field`],
    [print({}), `${command} didn't return a token or cert/key pair`],
    [print({ clientKeyData: alice.key }), `${command} returned only certificate or key, not both`],
    [
      print({ clientCertificateData: alice.cert, clientKeyData: bob.key }),
      'status.clientKeyData: the private key does not match the certificate of status.clientCertificateData',
    ],
    [print({ token: 12345 }), 'status.token is not a string'],
    [print({ token: 'top secret' }), 'the token has a character that a header cannot carry'],
    [
      print({ token: 'top-secret', expirationTimestamp: 'soon' }),
      `${command} returned an expirationTimestamp that is no RFC 3339 time`,
    ],
    ['echo login needed >&2; exit 3', `${command} failed with exit code 3`],
    ['kill -9 $$', `${command} was ended by SIGKILL`],
    ['yes | head -c 2000000', `${command} printed more than 1048576 bytes`],
  ]
  for (const [body, problem] of cases) {
    const { log } = memoryLog()
    const error = await new ExecPlugin(plugin(dir, body), log).authorization().catch((err: Error) => err)
    t.equal((error as Error).message, `f: exec: ${problem}`)
  }
  const { log } = memoryLog()
  const zero = { ...plugin(dir, ''), env: { TOKEN: 'top-secret\0' } }
  await t.rejects(new ExecPlugin(zero, log).authorization(), {
    message: `f: exec: ${command} could not be run: ERR_INVALID_ARG_VALUE`,
  })
  const missing = { ...plugin(dir, ''), command: 'no-such-plugin', installHint: 'brew install\nit' }
  await t.rejects(new ExecPlugin(missing, log).authorization(), {
    message: 'f: exec: executable no-such-plugin not found: brew install it',
  })
})

void t.test('stderr goes to the log, a secret in it does not', async (t) => {
  const dir = t.testdir()
  const { log, lines } = memoryLog()
  const jwt = `${'a'.repeat(30)}.${'b'.repeat(60)}.${'c'.repeat(43)}`
  const body = `cat >&2 <<'END'
no session: run login. got ${jwt} and token: hunter2
-----BEGIN PRIVATE KEY-----
AAAA/BBBB
-----END PRIVATE KEY-----
END
exit 1`
  let now = 0
  const credentials = new ExecPlugin(plugin(dir, body), log, { now: () => now })
  await t.rejects(credentials.authorization())
  t.equal(lines.length, 1)
  t.match(lines[0], {
    level: 40,
    msg: /^f: exec: .*plugin.sh failed$/,
    stderr: /^no session: run login. got \[redacted\]/,
  })
  t.notMatch(JSON.stringify(lines), /bbb|hunter2|AAAA|BBBB/)

  await t.rejects(credentials.authorization())
  t.equal(runs(dir), 1, 'a failure is not repeated at once')
  now = 1000
  await t.rejects(credentials.authorization())
  t.equal(runs(dir), 2)
})

void t.test('a plugin that does not end is ended, by the time-out or by close', async (t) => {
  const dir = t.testdir()
  const { log } = memoryLog()
  const slow = plugin(dir, 'exec sleep 1000')
  await t.rejects(new ExecPlugin(slow, log, { timeout: 100 }).authorization(), {
    message: `f: exec: ${slow.command} did not end within 100 ms`,
  })

  const other = t.testdir({ sub: {} })
  const started = watch(other)
  const credentials = new ExecPlugin(plugin(other, `touch '${other}/started'; exec sleep 1000`), log)
  const result = t.rejects(credentials.authorization(), { message: /was stopped$/ })
  while (!existsSync(join(other, 'started'))) await once(started, 'change')
  started.close()
  credentials.close()
  await result
})

void t.test('what a plugin leaves behind keeps nobody waiting after close', async (t) => {
  const dir = t.testdir({ sub: {} })
  const { log } = memoryLog()
  const started = watch(dir)
  // The shell is killed; what it runs has its output still open.
  const body = `sleep 20 & touch '${dir}/started'; wait`
  const credentials = new ExecPlugin(plugin(dir, body), log)
  const result = credentials.authorization().catch((err: Error) => err.message)
  while (!existsSync(join(dir, 'started'))) await once(started, 'change')
  started.close()
  const orphanEnds = new Promise((resolve) => setTimeout(resolve, 15_000, 'waited').unref())
  credentials.close()
  t.match(await Promise.race([result, orphanEnds]), /was stopped$/)
})

void t.test('a megabyte of spaces behind the word token, on stderr', async (t) => {
  const dir = t.testdir()
  const { log, lines } = memoryLog()
  const body = `printf 'login again token%1000000s' '' >&2; exit 1`
  await t.rejects(new ExecPlugin(plugin(dir, body), log).authorization(), { message: /exit code 1$/ })
  t.match(lines, [{ stderr: 'login again token' }])
})

void t.test('from a kubeconfig: a relative command, and what it is told of the cluster', async (t) => {
  const dir = t.testdir()
  const { log } = memoryLog()
  const ca = new PKI(dir).ca('ca')
  plugin(dir, `${print({ token: 'from-plugin' }, 'client.authentication.k8s.io/v1beta1')}`)
  const file = join(dir, 'kubeconfig')
  const cluster = {
    server: 'https://127.0.0.1:6443/x',
    'certificate-authority': 'ca.crt',
    'tls-server-name': 'kubernetes',
    extensions: [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'a' } }],
  }
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1beta1',
    command: './plugin.sh',
    provideClusterInfo: true,
    env: [{ name: 'A', value: 'b' }],
  }
  writeFileSync(
    file,
    stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { exec } }],
    }),
  )
  const { credentials } = loadKubeconfig(file, { log })
  t.notOk(existsSync(join(dir, 'runs')), 'it is run when it is needed')
  t.equal(await credentials.authorization(), 'Bearer from-plugin')
  t.same(JSON.parse(readFileSync(join(dir, 'info'), 'utf8')), {
    apiVersion: 'client.authentication.k8s.io/v1beta1',
    kind: 'ExecCredential',
    spec: {
      cluster: {
        server: 'https://127.0.0.1:6443/x',
        'tls-server-name': 'kubernetes',
        'certificate-authority-data': Buffer.from(ca.cert).toString('base64'),
        config: { audience: 'a' },
      },
      interactive: false,
    },
  })
})
