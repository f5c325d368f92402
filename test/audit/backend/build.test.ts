import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import type { Backend } from '../../../src/audit/backend/backend.js'
import { newAuditBackend } from '../../../src/audit/backend/new-audit-backend.js'
import { defaultAuditBackendOptions, type AuditBackendOptions } from '../../../src/audit/backend/options.js'
import { AuditMetrics } from '../../../src/audit/metrics.js'
import { makeEvent, never } from '../../support/audit.js'
import { eventNumbers } from '../../support/audit-backend.js'
import { memoryLog } from '../../support/log.js'

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

async function build(change: (options: AuditBackendOptions) => void): Promise<Backend | undefined> {
  const options = defaultAuditBackendOptions()
  change(options)
  return newAuditBackend(options, { log: memoryLog().log, metrics: new AuditMetrics(new Registry()) })
}

void t.test('what the options compose', async (t) => {
  const { path, configFile, directory } = await startReceiver(t)
  const spool = { directory: join(directory, 'spool'), maxBytes: 1 << 20 }
  const table: [name: string | undefined, change: (options: AuditBackendOptions) => void][] = [
    [undefined, () => {}],
    ['ignoreErrors<log>', (o) => (o.log.path = path)],
    ['buffered<webhook>', (o) => (o.webhook.configFile = configFile)],
    ['spooled<webhook>', (o) => Object.assign(o.webhook, { configFile, spool })],
    [
      'union[ignoreErrors<log>,buffered<webhook>]',
      (o) => {
        o.log.path = path
        o.webhook.configFile = configFile
      },
    ],
    [
      'union[buffered<truncate<log>>,truncate<webhook>]',
      (o) => {
        Object.assign(o.log, { path, mode: 'batch' })
        Object.assign(o.webhook, { configFile, mode: 'blocking-strict' })
        o.log.truncate.enabled = o.webhook.truncate.enabled = true
      },
    ],
  ]
  for (const [name, change] of table) {
    const backend = await build(change)
    t.equal(backend?.name, name)
    await backend?.shutdown(never)
  }
})

void t.test('log and webhook both have every event, and shut down', async (t) => {
  const { path, configFile, received, versions } = await startReceiver(t)
  const backend = (await build((o) => {
    o.log.path = path
    Object.assign(o.webhook, { configFile, version: 'audit.k8s.io/v1beta1' })
  }))!
  t.equal(await backend.processEvents([makeEvent(1), makeEvent(2)]), true)
  t.same(eventNumbers([path]), [1, 2])
  t.same(received, [], 'waits for its batch')
  await backend.shutdown(never)
  t.same(received, ['1', '2'])
  t.same(versions, ['audit.k8s.io/v1beta1'])
})

void t.test('a spool delivers, below the throttle', async (t) => {
  const { directory, configFile, received } = await startReceiver(t)
  const spool = { directory: join(directory, 'spool'), maxBytes: 1 << 20 }
  const backend = (await build((o) => Object.assign(o.webhook, { configFile, spool })))!
  t.equal(backend.processEvents([makeEvent(1), makeEvent(2)]), true)
  await backend.shutdown(never)
  t.same(received, ['1', '2'])
})

void t.test('blocking-strict alone passes a failure on', async (t) => {
  const { configFile, answer } = await startReceiver(t)
  answer.status = 400
  for (const mode of ['blocking', 'blocking-strict'] as const) {
    const backend = (await build((o) => Object.assign(o.webhook, { configFile, mode, initialBackoff: 0 })))!
    t.equal(await backend.processEvents([makeEvent(1)]), mode === 'blocking')
    await backend.shutdown(never)
  }
})

void t.test('mistakes stop the start', async (t) => {
  const { path, configFile, directory } = await startReceiver(t)
  const table: [message: RegExp, change: (options: AuditBackendOptions) => void][] = [
    [/^--audit-log-path: EISDIR/, (o) => Object.assign(o.log, { path: directory })],
    [/^--audit-log-maxage/, (o) => Object.assign(o.log, { path, maxage: -1 })],
    [
      /missing\.yaml/,
      (o) => {
        o.log.path = path
        o.webhook.configFile = join(directory, 'missing.yaml')
      },
    ],
    [
      /audit\.log/,
      (o) => Object.assign(o.webhook, { configFile, spool: { directory: path, maxBytes: 1 << 20 } }),
    ],
  ]
  for (const [message, change] of table) await t.rejects(build(change), { name: 'ConfigError', message })
})
