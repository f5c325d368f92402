/**
 * How many events a second each audit backend and mode delivers, into files in a temporary directory. In batch mode
 * nothing slows the sender down, so that a full buffer drops what is beyond the backend's pace.
 *
 * `node build/bench/backends.js [seconds]`, with the number of seconds for each row (2).
 */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { Backend } from '../src/audit/backend/backend.js'
import { newAuditBackend } from '../src/audit/backend/new-audit-backend.js'
import { DeliveryHealth } from '../src/audit/backend/delivery-health.js'
import { configureBackends } from '../src/audit/backend/registry.js'
import { newEventEncoder } from '../src/audit/encode.js'
import type { Event } from '../src/audit/event.js'
import { AuditMetrics } from '../src/audit/metrics.js'
import { settingsOf } from '../test/support/flags.js'
import { writeKubeconfigFile } from '../test/support/kubeconfig.js'

const MB = 2 ** 20
const milliseconds = Number(process.argv[2] ?? 2) * 1000
const directory = mkdtempSync(join(tmpdir(), 'bench-backends-'))

/** A webhook's receiver that reads everything and is content. */
const receiver = createServer((request, response) => void request.resume().on('end', () => response.end()))
receiver.listen(0, '127.0.0.1')
await once(receiver, 'listening')
const configFile = writeKubeconfigFile(join(mkdtempSync(join(tmpdir(), 'bench-webhook-')), 'kubeconfig'), {
  server: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`,
})

/** An event that is `size` bytes long in the log. */
function eventOfSize(size: number): Event {
  const event: Event = {
    level: 'RequestResponse',
    auditID: 'b3a2f8f0-2f5e-4a57-9c8d-3f1f5a0c7a11',
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/default/configmaps?limit=500',
    verb: 'list',
    user: { username: 'alice', groups: ['developers', 'system:authenticated'] },
    sourceIPs: ['192.0.2.1'],
    userAgent: 'kubectl/v1.20.2 (linux/amd64) kubernetes/faecb19',
    objectRef: { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' },
    responseStatus: { code: 200 },
    responseObject: '""',
    requestReceivedTimestamp: 1_700_000_000_000_000,
    stageTimestamp: 1_700_000_000_000_500,
  }
  const missing = size - newEventEncoder('audit.k8s.io/v1')(event).length - 1
  return { ...event, responseObject: JSON.stringify('x'.repeat(missing)) }
}

/** How many events were handed to the backend, so many at a time, and how long it took until all were delivered. */
async function measure(
  backend: Backend,
  event: Event,
  concurrency: number,
): Promise<{ sent: number; seconds: number }> {
  const start = performance.now()
  const end = start + milliseconds
  let sent = 0
  const send = async () => {
    while (performance.now() < end) {
      const stored = backend.processEvents([event])
      sent++
      // In batch mode nobody waits; a turn of the event loop every now and then stands for the requests in between.
      if (typeof stored !== 'boolean') await stored
      else if (sent % 100 === 0) await setImmediate()
    }
  }
  await Promise.all(Array.from({ length: concurrency }, send))
  await backend.shutdown(AbortSignal.timeout(30_000))
  return { sent, seconds: (performance.now() - start) / 1000 }
}

async function row(name: string, size: number, concurrency: number, flags: readonly string[]) {
  const registry = new Registry()
  const deps = {
    log: pino({ level: 'silent' }),
    metrics: new AuditMetrics(registry),
    health: () => new DeliveryHealth(0),
    onReloadable: () => {},
    onFileSeal: () => {},
  }
  const backend = await newAuditBackend(configureBackends(settingsOf(flags)), deps)
  if (backend === undefined) throw new Error(`${name}: no backend`)
  const { sent, seconds } = await measure(backend, eventOfSize(size), concurrency)
  const { values } = await registry.getSingleMetric('kube_audit_proxy_audit_dropped_events_total')!.get()
  const dropped = values.reduce((sum, { value }) => sum + value, 0)
  const perSecond = (sent - dropped) / seconds
  const written = readdirSync(directory).reduce((sum, file) => sum + statSync(join(directory, file)).size, 0)
  for (const file of readdirSync(directory)) rmSync(join(directory, file))
  return {
    backend: name,
    'event bytes': size,
    'at a time': concurrency,
    'events/s': Math.round(perSecond),
    'MB/s': Number(((perSecond * size) / MB).toFixed(1)),
    'MB written': Math.round(written / MB),
    dropped,
  }
}

const path = join(directory, 'audit.log')
const log = [`--audit-log-path=${path}`, '--audit-log-maxsize=1000']
const batch = [...log, '--audit-log-mode=batch']
const truncate = [...log, '--audit-log-truncate-enabled']
const webhook = [`--audit-webhook-config-file=${configFile}`, '--audit-webhook-batch-throttle-enable=false']
const both = [...log, ...webhook]

const rows = []
try {
  for (const size of [1024, 20 * 1024]) {
    rows.push(await row('log, blocking', size, 1, log))
    rows.push(await row('log, blocking', size, 100, log))
    rows.push(await row('log, blocking, truncate', size, 100, truncate))
    rows.push(await row('log, batch', size, 1, batch))
    rows.push(await row('webhook, batch', size, 1, webhook))
    rows.push(await row('log, blocking + webhook, batch', size, 100, both))
  }
} finally {
  rmSync(directory, { recursive: true })
  rmSync(dirname(configFile), { recursive: true })
  receiver.close()
}
console.table(rows)
