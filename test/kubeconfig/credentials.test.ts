import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { certificateFiles, tokenFile } from '../../src/kubeconfig/credentials.js'
import { inClusterConnection } from '../../src/kubeconfig/in-cluster.js'
import { memoryLog } from '../support/log.js'
import { PKI } from '../support/pki.js'

void t.test('a token file is read again after a minute and after a 401', async (t) => {
  const file = join(t.testdir(), 'token')
  const { log, lines } = memoryLog()
  let now = 1_000_000
  writeFileSync(file, 'one\n')
  const credentials = tokenFile(file, 'users[u].user.tokenFile', log, () => now)
  writeFileSync(file, 'two\n')
  now += 49_999
  t.equal(await credentials.authorization(), 'Bearer one')
  now += 1
  t.same(await Promise.all([credentials.authorization(), credentials.authorization()]), [
    'Bearer two',
    'Bearer two',
  ])

  writeFileSync(file, 'three')
  credentials.invalidate('Bearer one')
  t.equal(await credentials.authorization(), 'Bearer two', 'what was refused is not the token in use')
  credentials.invalidate('Bearer two')
  t.equal(await credentials.authorization(), 'Bearer three')

  for (const [change, problem] of [
    [() => rmSync(file), 'no such file'],
    [() => writeFileSync(file, ' '), 'the token is empty'],
  ] as const) {
    change()
    credentials.invalidate()
    t.equal(await credentials.authorization(), 'Bearer three', 'the last token stays')
    t.match(lines.at(-1), { level: 50, msg: `${file}: ${problem}; the last token stays in use` })
  }
  t.notMatch(JSON.stringify(lines), /three/)
})

void t.test('certificate files are read again, and only a pair that fits is taken', async (t) => {
  const pki = new PKI(t.testdir())
  const ca = pki.ca('ca')
  const first = pki.issue(ca, { name: 'first', cn: 'a' })
  const second = pki.issue(ca, { name: 'second', cn: 'a' })
  const { log, lines } = memoryLog()
  let now = Date.now()
  const source = { where: '--cert', file: first.certFile }
  const credentials = certificateFiles(source, { where: '--key', file: first.keyFile }, log, () => now)
  t.equal((await credentials.clientCertificate())?.cert, first.cert)

  writeFileSync(first.certFile, second.cert)
  now += 60_000
  t.equal((await credentials.clientCertificate())?.cert, first.cert, 'the key is not replaced yet')
  t.equal(credentials.certificateVersion, 0)
  t.match(lines, [{ level: 50, msg: /^--key: .*first.key: the private key does not match .* stays in use$/ }])

  writeFileSync(first.keyFile, second.key)
  t.equal((await credentials.clientCertificate())?.cert, first.cert, 'not within the minute')
  now += 60_000
  t.same(await credentials.clientCertificate(), { cert: second.cert, key: second.key })
  t.equal(credentials.certificateVersion, 1)
})

void t.test('in a pod', async (t) => {
  const dir = t.testdir()
  const ca = new PKI(dir).ca('ca')
  const { log } = memoryLog()
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
  t.throws(() => inClusterConnection({ log, env: {} }), {
    name: 'ConfigError',
    message: /KUBERNETES_SERVICE_HOST/,
  })
  t.throws(() => inClusterConnection({ log, env, directory: dir }), {
    name: 'ConfigError',
    message: `in-cluster configuration: ${dir}/token: no such file`,
  })
  writeFileSync(join(dir, 'token'), 'pod-token')
  const connection = inClusterConnection({ log, env, directory: dir })
  t.equal(connection.server.href, 'https://[fd00::1]/')
  t.same(connection.tls, { ca: ca.cert, rejectUnauthorized: true })
  t.equal(await connection.credentials.authorization(), 'Bearer pod-token')
})
