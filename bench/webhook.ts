import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import type { Backend } from '../src/audit/backend/backend.js'
import {
  newSpooledWebhookBackend,
  type SpooledWebhookDeps,
} from '../src/audit/backend/webhook/spooled-webhook.js'
import { WebhookClient } from '../src/audit/backend/webhook/webhook-client.js'
import { newWebhookBackend } from '../src/audit/backend/webhook/webhook-backend.js'
import { newLineEncoder } from '../src/audit/encode.js'
import type { Event } from '../src/audit/event.js'
import { loadKubeconfig } from '../src/kubeconfig/load.js'
import { writeKubeconfigFile } from '../test/support/kubeconfig.js'

/*
 * How many events a second go through the webhook, in batches of 400 to a receiver on this machine (a thread of its own,
 * plain HTTP, which reads and forgets), with and without the spool, and how many the spool takes while the receiver is
 * away. The throttle is off.
 *
 *     node build/bench/webhook.js [EVENTS]
 */
const EVENTS = Number(process.argv[2] ?? 200_000)
const BATCH = 400
const IN_FLIGHT = 4
const never = new AbortController().signal

const event: Event = {
  level: 'Metadata',
  auditID: '6f9d1a52-0ad5-4f7e-9d7c-0c1c2f3b6a11',
  stage: 'ResponseComplete',
  requestURI: '/api/v1/namespaces/default/pods?limit=500',
  verb: 'list',
  user: {
    username: 'system:serviceaccount:default:bench',
    groups: ['system:serviceaccounts', 'system:authenticated'],
  },
  sourceIPs: ['192.0.2.1'],
  userAgent: 'kubectl/v1.20.2 (linux/amd64) kubernetes/faecb19',
  objectRef: { resource: 'pods', namespace: 'default', apiVersion: 'v1' },
  responseStatus: { code: 200 },
  requestReceivedTimestamp: 1_700_000_000_000_000,
  stageTimestamp: 1_700_000_000_012_345,
  annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
}

async function receive(): Promise<void> {
  const server = createServer((request, response) => request.on('end', () => response.end()).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  parentPort?.postMessage((server.address() as AddressInfo).port)
}

function newDeps(directory: string, port: number): SpooledWebhookDeps<Event> {
  const file = writeKubeconfigFile(join(directory, 'kubeconfig'), { server: `http://127.0.0.1:${port}` })
  const fail = (...problem: unknown[]) => console.error(...problem)
  return {
    client: new WebhookClient(loadKubeconfig(file, { log: pino({ level: 'silent' }) })),
    encode: newLineEncoder('audit.k8s.io/v1'),
    problems: { failed: fail, dropped: fail, trouble: () => {} },
    metrics: {
      observeBatch() {},
      observeDelivery() {},
      observeRetry() {},
      observeDamagedSegments() {},
      showSpool: () => () => {},
    },
    spoolHealth: { succeeded() {}, failed() {} },
  }
}

function spooled(directory: string, port: number): Promise<Backend> {
  return newSpooledWebhookBackend(
    {
      initialBackoff: 1000,
      spool: { directory: join(directory, 'spool'), maxSize: 4 * 2 ** 30 },
      maxBatchSize: BATCH,
      maxBatchBytes: 10 << 20,
      maxBatchWait: 1000,
      bufferSize: 10_000,
      bufferBytes: 256 << 20,
      blocks: false,
    },
    newDeps(directory, port),
  )
}

async function timed(name: string, run: () => Promise<void>): Promise<void> {
  const start = performance.now()
  const cpu = process.cpuUsage()
  await run()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const perSecond = Math.round(EVENTS / seconds).toLocaleString('en')
  const micros = ((user + system) / EVENTS).toFixed(1)
  const rss = Math.round(process.memoryUsage.rss() / 2 ** 20)
  console.log(
    `${name.padEnd(34)} ${perSecond.padStart(9)} events/s  ${micros} us CPU/event  ${rss} MiB resident`,
  )
}

/** Hands over the events a tick's worth at a time, as requests bring them. */
async function feed(backend: Backend): Promise<void> {
  for (let i = 0; i < EVENTS; i += 100) {
    for (let j = 0; j < 100; j++) void backend.processEvents([event])
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-webhook-'))
  const worker = new Worker(fileURLToPath(import.meta.url))
  try {
    const [port] = (await once(worker, 'message')) as [number]
    console.log(
      `${EVENTS.toLocaleString('en')} events of ${newLineEncoder('audit.k8s.io/v1')(event).length} bytes`,
    )

    const webhook = newWebhookBackend({ initialBackoff: 1000 }, newDeps(directory, port))
    const batch = Array<Event>(BATCH).fill(event)
    await timed('webhook', async () => {
      let sent = 0
      const send = async () => {
        while (sent < EVENTS) {
          sent += BATCH
          await webhook.processEvents(batch)
        }
      }
      await Promise.all(Array.from({ length: IN_FLIGHT }, send))
    })
    await webhook.shutdown(never)

    const live = await spooled(directory, port)
    await timed('spool and webhook', async () => {
      await feed(live)
      await live.shutdown(never)
    })

    const away = await spooled(directory, 9)
    await timed('spool, the receiver is away', () => feed(away))
    await away.shutdown(AbortSignal.abort())

    await timed('webhook, from the spool', async () => {
      const back = await spooled(directory, port)
      await back.shutdown(never)
    })
  } finally {
    await worker.terminate()
    rmSync(directory, { recursive: true })
  }
}

await (isMainThread ? main() : receive())
