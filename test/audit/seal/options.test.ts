import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { configureBackends } from '../../../src/audit/backend/registry.js'
import { ConfigError } from '../../../src/errors.js'
import { never } from '../../support/audit.js'
import { openBackends, sendEvents } from '../../support/audit-backend.js'
import { settingsOf } from '../../support/flags.js'
import { writeKubeconfigFile } from '../../support/kubeconfig.js'
import { openSealed, problems, shown, TestKey, verified } from '../../support/sealed-log.js'
import { WebhookReceiver } from '../../support/webhook-receiver.js'

void t.test('what cannot be sealed', async (t) => {
  const dir = t.testdir({ 'text.key': 'x', 'ec.key': '' })
  const key = new TestKey(dir)
  const open = new TestKey(dir, 'open.key')
  chmodSync(open.file, 0o640)
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    format: 'pem',
    type: 'pkcs8',
  })
  writeFileSync(join(dir, 'ec.key'), ec, { mode: 0o600 })
  chmodSync(join(dir, 'ec.key'), 0o600)
  chmodSync(join(dir, 'text.key'), 0o600)
  const log = `--audit-log-path=${join(dir, 'audit.log')}`
  const seal = `--audit-seal-key-file=${key.file}`
  const cases: [string[], RegExp][] = [
    [[seal], /^--audit-seal-key-file is set, expected --audit-log-path as well/],
    [[log, '--audit-seal-strict'], /^--audit-seal-strict is set, expected --audit-seal-key-file as well/],
    [
      [log, '--audit-seal-anchor=stdout'],
      /^--audit-seal-anchor is set, expected --audit-seal-key-file as well/,
    ],
    [[log, seal, '--audit-seal-interval=1ms'], /^--audit-seal-interval: found 1ms, expected at least 10ms/],
    [
      [log, seal, '--audit-seal-strict', '--audit-log-mode=batch'],
      /^--audit-log-mode: found batch, expected blocking/,
    ],
    [
      [log, seal, '--audit-seal-anchor=webhook'],
      /^--audit-seal-anchor: found webhook, expected --audit-webhook-config-file as well/,
    ],
    [['--audit-log-path=/dev/null', seal], /^--audit-log-path: found \/dev\/null, expected a regular file/],
    [[log, `--audit-seal-key-file=${join(dir, 'none')}`], /none: no such file/],
    [[log, `--audit-seal-key-file=${open.file}`], /found mode 0640, expected 0600/],
    [[log, `--audit-seal-key-file=${join(dir, 'ec.key')}`], /found a key of type ec, expected Ed25519/],
    [
      [log, `--audit-seal-key-file=${join(dir, 'text.key')}`],
      /no key found, expected an Ed25519 private key/,
    ],
  ]
  for (const [flags, message] of cases) {
    const open = async () => openBackends(configureBackends(settingsOf(flags)))
    await t.rejects(open(), { name: ConfigError.name, message }, flags.join(' '))
  }
})

void t.test('strict: what is answered is sealed', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  const { backend } = await openSealed(path, key, 'seal-strict', 'seal-interval=1h')
  t.same(await sendEvents(backend, 0, 50, { concurrency: 10 }), [])
  const report = await verified(path, key)
  t.same(problems(report), [], shown(report))
  t.equal(report.files[0]?.sealedLines, 50, 'while it is open')
  await backend.shutdown(never)
})

void t.test('anchors at the webhook, the last one too', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  const receiver = await WebhookReceiver.start()
  t.teardown(() => receiver.stop())
  const kubeconfig = join(t.testdirName, 'kubeconfig')
  writeKubeconfigFile(kubeconfig, { server: receiver.url })
  const flags = [
    `--audit-log-path=${path}`,
    `--audit-seal-key-file=${key.file}`,
    '--audit-seal-anchor=webhook',
    `--audit-webhook-config-file=${kubeconfig}`,
  ]
  const { backend } = await openBackends(configureBackends(settingsOf(flags)))
  await sendEvents(backend!, 0, 5)
  await backend!.shutdown(never)
  const anchors = join(t.testdirName, 'anchors')
  writeFileSync(anchors, receiver.requests.map(({ body }) => body).join('\n'))
  const items = receiver.requests.flatMap(({ items }) => items as unknown as { verb: string }[])
  const statements = readFileSync(`${path}.seal`, 'utf8').trimEnd().split('\n')
  t.equal(items.filter(({ verb }) => verb === 'seal').length, statements.length)
  t.equal(items.length, statements.length + 5)
  const report = await verified(path, key, anchors)
  t.same(problems(report), [], shown(report))
})
