import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { makeEvent, never } from '../../support/audit.js'
import { backendOf, eventNumbers } from '../../support/audit-backend.js'

/** A webhook's receiver, which notes the auditIDs that it is sent, and its kubeconfig. */
async function startReceiver(t: Pick<Test, 'testdir' | 'teardown'>) {
  const received: string[] = []
  const versions: string[] = []
  const answer = { status: 200 }
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { apiVersion, items } = JSON.parse(body) as { apiVersion: string; items: { auditID: string }[] }
      versions.push(apiVersion)
      received.push(...items.map(({ auditID }) => auditID))
      response.writeHead(answer.status).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const directory = t.testdir({
    'webhook.yaml': `{clusters: [{name: r, cluster: {server: "http://127.0.0.1:${(server.address() as AddressInfo).port}"}}],
      contexts: [{name: r, context: {cluster: r}}], current-context: r}`,
  })
  const configFile = join(directory, 'webhook.yaml')
  return { received, versions, answer, directory, configFile, path: join(directory, 'audit.log') }
}

void t.test('what the flags compose', async (t) => {
  const { path, configFile, directory } = await startReceiver(t)
  const log = `--audit-log-path=${path}`
  const webhook = `--audit-webhook-config-file=${configFile}`
  const table: [name: string | undefined, flags: string[]][] = [
    [undefined, []],
    ['ignoreErrors<log>', [log]],
    ['buffered<webhook>', [webhook]],
    ['spooled<webhook>', [webhook, `--audit-webhook-spool-directory=${join(directory, 'spool')}`]],
    [
      'ignoreErrors<spooled<webhook>>',
      [
        ...[webhook, `--audit-webhook-spool-directory=${join(directory, 'spool')}`],
        '--audit-webhook-mode=blocking',
      ],
    ],
    ['union[ignoreErrors<log>,buffered<webhook>]', [log, webhook]],
    [
      'union[buffered<truncate<log>>,truncate<webhook>]',
      [
        ...[log, '--audit-log-mode=batch', '--audit-log-truncate-enabled'],
        ...[webhook, '--audit-webhook-mode=blocking-strict', '--audit-webhook-truncate-enabled'],
      ],
    ],
  ]
  for (const [name, flags] of table) {
    const backend = await backendOf(...flags)
    t.equal(backend?.name, name)
    await backend?.shutdown(never)
  }
})

void t.test('log and webhook both have every event, and shut down', async (t) => {
  const { path, configFile, received, versions } = await startReceiver(t)
  const backend = (await backendOf(
    `--audit-log-path=${path}`,
    `--audit-webhook-config-file=${configFile}`,
    '--audit-webhook-version=audit.k8s.io/v1beta1',
  ))!
  t.equal(await backend.processEvents([makeEvent(1), makeEvent(2)]), true)
  t.same(eventNumbers([path]), [1, 2])
  t.same(received, [], 'waits for its batch')
  await backend.shutdown(never)
  t.same(received, ['1', '2'])
  t.same(versions, ['audit.k8s.io/v1beta1'])
})

void t.test('a spool delivers, below the throttle', async (t) => {
  const { directory, configFile, received } = await startReceiver(t)
  const spool = `--audit-webhook-spool-directory=${join(directory, 'spool')}`
  const backend = (await backendOf(`--audit-webhook-config-file=${configFile}`, spool))!
  t.equal(backend.processEvents([makeEvent(1), makeEvent(2)]), true)
  await backend.shutdown(never)
  t.same(received, ['1', '2'])
})

void t.test('blocking-strict alone passes a failure on', async (t) => {
  const { configFile, answer } = await startReceiver(t)
  answer.status = 400
  for (const mode of ['blocking', 'blocking-strict'] as const) {
    const backend = (await backendOf(
      `--audit-webhook-config-file=${configFile}`,
      `--audit-webhook-mode=${mode}`,
      '--audit-webhook-initial-backoff=0',
    ))!
    t.equal(await backend.processEvents([makeEvent(1)]), mode === 'blocking')
    await backend.shutdown(never)
  }
})

void t.test('mistakes stop the start', async (t) => {
  const { path, configFile, directory } = await startReceiver(t)
  const webhook = `--audit-webhook-config-file=${configFile}`
  const table: [message: RegExp, flags: string[]][] = [
    [/^--audit-log-path: EISDIR/, [`--audit-log-path=${directory}`]],
    [/^--audit-log-maxage/, [`--audit-log-path=${path}`, '--audit-log-maxage=-1']],
    [
      /missing\.yaml/,
      [`--audit-log-path=${path}`, `--audit-webhook-config-file=${join(directory, 'missing.yaml')}`],
    ],
    [/audit\.log/, [webhook, `--audit-webhook-spool-directory=${path}`]],
  ]
  for (const [message, flags] of table) await t.rejects(backendOf(...flags), { name: 'ConfigError', message })
})
