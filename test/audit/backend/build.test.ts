import { join } from 'node:path'
import { Registry } from 'prom-client'
import t from 'tap'
import type { Backend } from '../../../src/audit/backend/backend.js'
import { newAuditBackend } from '../../../src/audit/backend/build.js'
import { defaultAuditBackendOptions, type AuditBackendOptions } from '../../../src/audit/backend/options.js'
import { AuditMetrics } from '../../../src/audit/metrics.js'
import { ConfigError } from '../../../src/errors.js'
import { makeEvent, never } from '../../support/audit.js'
import { eventNumbers } from '../../support/audit-backend.js'
import { memoryLog } from '../../support/log.js'

/** Stands in for the webhook. */
class Receiver implements Backend {
  readonly name = 'webhook'
  readonly received: string[] = []
  stored = true
  shutdowns = 0

  processEvents(events: readonly { auditID: string }[]): boolean {
    this.received.push(...events.map((e) => e.auditID))
    return this.stored
  }

  shutdown(): Promise<void> {
    this.shutdowns++
    return Promise.resolve()
  }
}

function setUp(change: (options: AuditBackendOptions) => void) {
  const options = defaultAuditBackendOptions()
  change(options)
  const { log, lines } = memoryLog()
  const metrics = new AuditMetrics(new Registry())
  const receiver = new Receiver()
  const encoded: string[] = []
  const built = newAuditBackend(options, {
    log,
    metrics,
    newWebhookBackend: (_, { encode }) => {
      encoded.push(encode(makeEvent('x')))
      return Promise.resolve(receiver)
    },
  })
  return { built, receiver, encoded, lines }
}

void t.test('what the options compose', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const table: [name: string | undefined, change: (options: AuditBackendOptions) => void][] = [
    [undefined, () => {}],
    ['ignoreErrors<log>', (o) => (o.log.path = path)],
    ['buffered<webhook>', (o) => (o.webhook.configFile = 'w')],
    [
      'union[ignoreErrors<log>,buffered<webhook>]',
      (o) => {
        o.log.path = path
        o.webhook.configFile = 'w'
      },
    ],
    [
      'union[buffered<truncate<log>>,truncate<webhook>]',
      (o) => {
        Object.assign(o.log, { path, mode: 'batch' })
        Object.assign(o.webhook, { configFile: 'w', mode: 'blocking-strict' })
        o.log.truncate.enabled = o.webhook.truncate.enabled = true
      },
    ],
  ]
  for (const [name, change] of table) {
    const backend = await setUp(change).built
    t.equal(backend?.name, name)
    await backend?.shutdown(never)
  }
})

void t.test('log and webhook both have every event, and shut down', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const { built, receiver, encoded } = setUp((o) => {
    o.log.path = path
    Object.assign(o.webhook, { configFile: 'w', version: 'audit.k8s.io/v1beta1' })
  })
  const backend = (await built)!
  t.equal(await backend.processEvents([makeEvent(1), makeEvent(2)]), true)
  t.same(eventNumbers([path]), [1, 2])
  t.same(receiver.received, [], 'waits for its batch')
  await backend.shutdown(never)
  t.same(receiver.received, ['1', '2'])
  t.equal(receiver.shutdowns, 1)
  t.match(encoded, [/"apiVersion":"audit.k8s.io\/v1beta1"/])
})

void t.test('blocking-strict alone passes a failure on', async (t) => {
  for (const mode of ['blocking', 'blocking-strict'] as const) {
    const { built, receiver } = setUp((o) => Object.assign(o.webhook, { configFile: 'w', mode }))
    const backend = (await built)!
    receiver.stored = false
    t.equal(await backend.processEvents([makeEvent(1)]), mode === 'blocking')
    await backend.shutdown(never)
  }
})

void t.test('when the log cannot be opened the webhook is let go', async (t) => {
  const { built, receiver } = setUp((o) => {
    o.log.path = t.testdir()
    o.webhook.configFile = 'w'
  })
  await t.rejects(built, ConfigError)
  t.equal(receiver.shutdowns, 1)
})

void t.test('options are validated', async (t) => {
  await t.rejects(setUp((o) => Object.assign(o.log, { path: '-', maxage: -1 })).built, /--audit-log-maxage/)
})
