import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import {
  newSpooledWebhookBackend,
  type SpooledWebhookOptions,
} from '../../../src/audit/backend/webhook/spooled-webhook.js'
import { newLineEncoder } from '../../../src/audit/encode.js'
import { ConfigError } from '../../../src/errors.js'
import { PKI } from '../../support/pki.js'
import { mountSmallDisk } from '../../support/small-disk.js'
import { inTurn, ok, status, WebhookReceiver, type Answer } from '../../support/webhook-receiver.js'
import {
  auditEvent,
  auditEvents,
  base64,
  never,
  RecordedProblems,
  webhookDeps,
  writeKubeconfig,
} from '../../support/webhook.js'

const pki = new PKI(t.testdir())
const ca = pki.ca('ca')
const serving = pki.issue(ca, { name: 'serving', cn: 'receiver', ip: ['127.0.0.1'] })

interface Setup {
  readonly directory: string
  readonly kubeconfig: string
  readonly receiver: WebhookReceiver
}

async function setUp(t: Test, answer: Answer = ok): Promise<Setup> {
  const directory = t.testdir()
  const receiver = await WebhookReceiver.start({ serving })
  t.teardown(() => receiver.stop())
  receiver.answer = answer
  const cluster = { server: receiver.url, 'certificate-authority-data': base64(ca.cert) }
  return { directory: join(directory, 'spool'), kubeconfig: writeKubeconfig(directory, cluster), receiver }
}

async function start({ directory, kubeconfig }: Setup, options: Partial<SpooledWebhookOptions> = {}) {
  const report = new RecordedProblems()
  const backend = await newSpooledWebhookBackend(
    {
      initialBackoff: 1,
      spool: { directory, maxSize: 16 << 20 },
      maxBatchSize: 10,
      maxBatchBytes: 10 << 20,
      maxBatchWait: 0,
      bufferSize: 1000,
      bufferBytes: 32 << 20,
      blocks: false,
      ...options,
    },
    webhookDeps(kubeconfig, report, { timeout: 5000 }),
  )
  return { backend, report }
}

function auditIDs(from: number, to: number): string[] {
  return auditEvents(from, to).map((event) => event.auditID)
}

/** What is on disk at this moment. */
function spooled(directory: string): string[] {
  const files = segments(directory).sort()
  const text = files.map((name) => readFileSync(join(directory, name), 'latin1')).join('')
  return [...text.matchAll(/"auditID":"(\d+)"/g)].map(([, auditID]) => auditID ?? '')
}

function segments(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith('.segment'))
}

void t.test('events arrive in order, in batches, and leave the disk', async (t) => {
  const setup = await setUp(t)
  const { backend, report } = await start(setup)
  t.equal(backend.name, 'spooled<webhook>')
  t.equal(backend.processEvents(auditEvents(0, 95)), true)
  await setup.receiver.watch.until(() => setup.receiver.auditIDs.length === 95)
  await backend.shutdown(never)
  t.strictSame(setup.receiver.auditIDs, auditIDs(0, 95))
  t.ok(setup.receiver.requests.every(({ items }) => items.length <= 10))
  t.strictSame(segments(setup.directory), [])
  t.strictSame(report.messages, [])
  t.ok(report.batches.length >= 10 && report.batches.every((success) => success))
})

void t.test('a batch that is not full waits, and goes at shutdown at the latest', async (t) => {
  const setup = await setUp(t)
  const { backend } = await start(setup, { maxBatchWait: 3_600_000 })
  void backend.processEvents(auditEvents(0, 15))
  await setup.receiver.watch.until(() => setup.receiver.requests.length === 1)
  t.equal(setup.receiver.requests[0]?.items.length, 10)
  void backend.processEvents(auditEvents(15, 18))
  await backend.shutdown(never)
  t.strictSame(
    setup.receiver.requests.map(({ items }) => items.length),
    [10, 8],
  )
})

void t.test('a batch has no more bytes than it may', async (t) => {
  const setup = await setUp(t)
  const { backend } = await start(setup, { maxBatchBytes: 3000 })
  const requestObject = JSON.stringify({ data: 'x'.repeat(1000) })
  void backend.processEvents(auditIDs(0, 6).map((auditID) => auditEvent(auditID, { requestObject })))
  await backend.shutdown(never)
  t.strictSame(
    setup.receiver.requests.map(({ items }) => items.length),
    [2, 2, 2],
  )
})

void t.test('the throttle is asked before each batch', async (t) => {
  const setup = await setUp(t)
  let asked = 0
  const { backend } = await start(setup, { throttle: { take: () => (asked++ % 2 === 0 ? 1 : 0) } })
  void backend.processEvents(auditEvents(0, 30))
  await setup.receiver.watch.until(() => setup.receiver.auditIDs.length === 30)
  t.equal(asked, 6)
  await backend.shutdown(never)
})

void t.test('nothing leaves before a status of 2xx, however many attempts it takes', async (t) => {
  const setup = await setUp(
    t,
    inTurn(
      ...[500, 503, 404, 400, 401, 403, 301].map((code) => status(code)),
      (response) => response.destroy(),
      ok,
    ),
  )
  const { backend, report } = await start(setup)
  void backend.processEvents(auditEvents(0, 10))
  await setup.receiver.watch.until(() => setup.receiver.requests.length === 9)
  await backend.shutdown(never)
  for (const { items } of setup.receiver.requests) {
    t.strictSame(
      items.map((item) => item.auditID),
      auditIDs(0, 10),
    )
  }
  t.equal(report.retries, 8)
  t.equal(report.failedEvents + report.droppedEvents, 0)
})

void t.test('a receiver that is slow to answer gets several batches at a time, in order', async (t) => {
  const answers: (() => void)[] = []
  const setup = await setUp(t, (response) => answers.push(() => response.end()))
  const { backend } = await start(setup)
  void backend.processEvents(auditEvents(0, 100))
  await setup.receiver.watch.until(() => answers.length === 4)
  t.strictSame(setup.receiver.auditIDs, auditIDs(0, 40))
  for (const answer of answers.reverse()) answer()
  setup.receiver.answer = ok
  await backend.shutdown(never)
  t.strictSame(setup.receiver.auditIDs, auditIDs(0, 100))
  t.strictSame(segments(setup.directory), [])
})

void t.test('what a batch behind a failed one delivered is not acknowledged', async (t) => {
  const setup = await setUp(t, () => {})
  const first = await start(setup)
  void first.backend.processEvents(auditEvents(0, 20))
  await setup.receiver.watch.until(() => setup.receiver.requests.length === 1)
  setup.receiver.answer = ok
  await first.report.watch.until(() => first.report.batches.length === 1)
  await first.backend.shutdown(AbortSignal.abort())
  const before = setup.receiver.requests.length
  const second = await start(setup)
  await second.backend.shutdown(never)
  const again = setup.receiver.requests
    .slice(before)
    .flatMap(({ items }) => items.map((item) => item.auditID))
  t.strictSame(again, auditIDs(0, 20))
})

void t.test('an outage: what was spooled goes on after the next start', async (t) => {
  const setup = await setUp(t, status(503))
  const first = await start(setup, { initialBackoff: 3_600_000 })
  void first.backend.processEvents(auditEvents(0, 500))
  await first.report.watch.until(() => first.report.messages.length > 0)
  void first.backend.processEvents(auditEvents(500, 1000))
  await first.backend.shutdown(never)
  t.match(
    first.report.messages.join('\n'),
    /1000 events are in .*spool, to be delivered after the next start/,
  )
  t.equal(first.report.failedEvents + first.report.droppedEvents, 0)
  t.equal(setup.receiver.requests.length, 1)

  setup.receiver.requests.length = 0
  setup.receiver.answer = ok
  const second = await start(setup, { maxBatchSize: 400, maxBatchWait: 3_600_000 })
  await setup.receiver.watch.until(() => setup.receiver.auditIDs.length >= 800)
  await second.backend.shutdown(never)
  // Batches that are under way together arrive as they can.
  t.strictSame(setup.receiver.auditIDs.sort(byNumber), auditIDs(0, 1000))
  t.strictSame(segments(setup.directory), [])
})

void t.test('the last events of the last process do not wait for a batch to fill', async (t) => {
  const setup = await setUp(t, status(503))
  const first = await start(setup, { initialBackoff: 3_600_000 })
  void first.backend.processEvents(auditEvents(0, 13))
  await first.backend.shutdown(AbortSignal.abort())
  setup.receiver.requests.length = 0
  setup.receiver.answer = ok
  const second = await start(setup, { maxBatchWait: 3_600_000 })
  await setup.receiver.watch.until(() => setup.receiver.requests.length === 2)
  t.strictSame(setup.receiver.auditIDs, auditIDs(0, 13))
  await second.backend.shutdown(never)
})

void t.test('at the shutdown deadline a hanging delivery is left, and what it had stays', async (t) => {
  const setup = await setUp(t, () => {})
  const first = await start(setup)
  void first.backend.processEvents(auditEvents(0, 5))
  await setup.receiver.watch.until(() => setup.receiver.requests.length === 1)
  const deadline = new AbortController()
  const down = first.backend.shutdown(deadline.signal)
  deadline.abort()
  await down
  t.match(first.report.messages, [/^events stay in the spool: 5 events/])
  setup.receiver.answer = ok
  const second = await start(setup)
  await second.backend.shutdown(never)
  t.strictSame(setup.receiver.auditIDs, [...auditIDs(0, 5), ...auditIDs(0, 5)])
})

void t.test('beyond the maximal size new events are dropped and counted', async (t) => {
  const setup = await setUp(t, status(503))
  const spool = { directory: setup.directory, maxSize: 64 << 10 }
  const { backend, report } = await start(setup, { spool, initialBackoff: 3_600_000 })
  void backend.processEvents(auditEvents(0, 1000))
  await report.watch.until(() => report.droppedEvents > 0)
  const stored = 1000 - report.droppedEvents
  t.ok((report.spoolBytes?.() ?? Infinity) <= 64 << 10)
  t.match(report.messages.join('\n'), /dropped: the spool is full/)
  await backend.shutdown(never)
  t.equal(report.spoolBytes, undefined)
  setup.receiver.requests.length = 0
  setup.receiver.answer = ok
  const second = await start(setup)
  await second.backend.shutdown(never)
  t.strictSame(setup.receiver.auditIDs, auditIDs(0, stored))
})

void t.test('events in another version than before', async (t) => {
  const setup = await setUp(t, status(503))
  const first = await start(setup, { initialBackoff: 3_600_000 })
  void first.backend.processEvents(auditEvents(0, 3))
  await first.backend.shutdown(AbortSignal.abort())
  setup.receiver.requests.length = 0
  setup.receiver.answer = ok
  const report = new RecordedProblems()
  const deps = webhookDeps(setup.kubeconfig, report)
  let hasMore = false
  const second = await newSpooledWebhookBackend(
    {
      initialBackoff: 1,
      spool: { directory: setup.directory, maxSize: 1 << 20 },
      maxBatchSize: 100,
      maxBatchBytes: 10 << 20,
      maxBatchWait: 3_600_000,
      bufferSize: 10,
      bufferBytes: 1 << 20,
      blocks: false,
      throttle: { take: () => (hasMore ? 0 : 1) },
    },
    { ...deps, encode: newLineEncoder('audit.k8s.io/v1beta1') },
  )
  void second.processEvents(auditEvents(3, 5))
  setImmediate(() => (hasMore = true))
  await setup.receiver.watch.until(() => setup.receiver.auditIDs.length === 5)
  await second.shutdown(never)
  const versions = setup.receiver.requests.map(
    ({ body }) => (JSON.parse(body) as { apiVersion: string }).apiVersion,
  )
  t.strictSame(versions, ['audit.k8s.io/v1', 'audit.k8s.io/v1beta1'])
  t.strictSame(setup.receiver.auditIDs, auditIDs(0, 5))
})

void t.test('a full disk: events go through memory, up to a limit, in order', async (t) => {
  const disk = mountSmallDisk(t, 128)
  if (disk === undefined) return
  const setup = { ...(await setUp(t, status(503))), directory: join(disk, 'spool') }
  const { backend, report } = await start(setup, { initialBackoff: 3_600_000, bufferSize: 50 })
  let fed = 0
  while (report.droppedEvents === 0) {
    void backend.processEvents(auditEvents(fed, fed + 20))
    fed += 20
    await new Promise((resolve) => setImmediate(resolve))
  }
  const kept = fed - report.droppedEvents
  t.match(report.messages.join('\n'), /ENOSPC/)
  t.match(
    report.messages.join('\n'),
    /dropped: the spool cannot be written and the buffer in memory is full: 50 events/,
  )
  await backend.shutdown(AbortSignal.abort())
  t.equal(report.droppedEvents, fed - kept + 50, 'those in memory are lost with the process, and counted')

  setup.receiver.requests.length = 0
  setup.receiver.answer = ok
  const second = await start(setup)
  await second.backend.shutdown(never)
  t.strictSame(setup.receiver.auditIDs, auditIDs(0, kept - 50))
})

void t.test('a disk that is full for a while, and a receiver that comes back', async (t) => {
  const disk = mountSmallDisk(t, 128)
  if (disk === undefined) return
  const setup = { ...(await setUp(t, status(503))), directory: join(disk, 'spool') }
  const { backend, report } = await start(setup, {
    initialBackoff: 20,
    maxBatchSize: 100,
    bufferSize: 10_000,
  })
  void backend.processEvents(auditEvents(0, 2000))
  await report.watch.until(() => /ENOSPC/.test(report.messages.join('\n')))
  setup.receiver.requests.length = 0
  setup.receiver.answer = ok
  await setup.receiver.watch.until(() => setup.receiver.auditIDs.length === 2000)
  t.strictSame(setup.receiver.auditIDs, auditIDs(0, 2000))
  await backend.shutdown(never)
  t.equal(report.droppedEvents + report.failedEvents, 0)
})

void t.test('in a blocking mode a request waits for the spool, not for the receiver', async (t) => {
  const setup = await setUp(t, () => {})
  const { backend, report } = await start(setup, { blocks: true })
  const requests = [auditEvents(0, 1), auditEvents(1, 3), [], auditEvents(3, 4)]
  const stored = await Promise.all(requests.map(async (events) => backend.processEvents(events)))
  t.strictSame(stored, [true, true, true, true])
  t.strictSame(spooled(setup.directory), auditIDs(0, 4))
  t.equal(report.spoolProblem, undefined)
  await backend.shutdown(AbortSignal.abort())
})

void t.test('in a blocking mode, what the spool does not take', async (t) => {
  await t.test('because it is full', async (t) => {
    const setup = await setUp(t, status(503))
    const spool = { directory: setup.directory, maxSize: 64 << 10 }
    const { backend, report } = await start(setup, { spool, initialBackoff: 3_600_000, blocks: true })
    const stored = await Promise.all(
      auditEvents(0, 1000).map(async (event) => backend.processEvents([event])),
    )
    const yes = stored.filter(Boolean).length
    t.ok(yes > 10)
    t.strictSame(spooled(setup.directory), auditIDs(0, yes))
    t.equal(report.droppedEvents, 1000 - yes)
    t.match(report.spoolProblem, /the spool is full/)
    await backend.shutdown(AbortSignal.abort())
  })

  await t.test('because the disk is', async (t) => {
    const disk = mountSmallDisk(t, 128)
    if (disk === undefined) return
    const setup = { ...(await setUp(t, status(503))), directory: join(disk, 'spool') }
    const { backend, report } = await start(setup, { initialBackoff: 3_600_000, blocks: true })
    let stored = 0
    while (await backend.processEvents(auditEvents(stored, stored + 1))) stored++
    t.match(report.spoolProblem, /ENOSPC/)
    t.equal(await backend.processEvents(auditEvents(stored, stored + 1)), false)
    t.strictSame(spooled(setup.directory), auditIDs(0, stored))
    await backend.shutdown(AbortSignal.abort())
    t.equal(report.droppedEvents, 2, 'they waited in memory')
  })
})

void t.test('a busy process does not keep events from the spool until it has time', async (t) => {
  const setup = await setUp(t, () => {})
  const { backend } = await start(setup)
  void backend.processEvents(auditEvents(0, 1))
  const until = performance.now() + 10
  while (performance.now() < until);
  void backend.processEvents(auditEvents(1, 2))
  t.strictSame(spooled(setup.directory), auditIDs(0, 2), 'in the same tick')
  await backend.shutdown(AbortSignal.abort())
})

void t.test('a directory that another process has', async (t) => {
  const setup = await setUp(t)
  const { backend } = await start(setup)
  await t.rejects(start(setup), ConfigError)
  await backend.shutdown(never)
})

void t.test(
  'no event is missing after a process is killed again and again',
  { timeout: 120_000 },
  async (t) => {
    const TOTAL = 50_000
    const KILLS = 10
    // Only what was answered counts: a receiver may forget what it was cut off from.
    const arrivals: string[] = []
    const setup = await setUp(t, (response, { items }) => {
      setTimeout(() => {
        if (response.destroyed) return
        arrivals.push(...items.map((item) => item.auditID))
        response.end()
      }, 20)
    })
    let accepted = 0
    for (let run = 0; run <= KILLS; run++) {
      const child = startChild(setup, accepted, TOTAL)
      const killAt = Math.round((TOTAL * (run + 1)) / (KILLS + 1))
      const receivedBefore = setup.receiver.requests.length
      await new Promise<void>((resolve) => {
        child.on('message', (message: { accepted: number }) => {
          accepted = message.accepted
          if (accepted >= killAt) resolve()
        })
      })
      if (run < KILLS) {
        // In the middle of both: it has events to spool and to send.
        await setup.receiver.watch.until(() => setup.receiver.requests.length > receivedBefore)
        child.kill('SIGKILL')
        await once(child, 'exit')
      } else {
        t.equal(accepted, TOTAL)
        child.removeAllListeners('message')
        child.send('shutdown')
        const [end] = (await once(child, 'message')) as [
          { messages: string[]; failed: number; dropped: number },
        ]
        t.equal(end.failed + end.dropped, 0)
        await once(child, 'exit')
      }
    }
    const arrived = new Set(arrivals)
    const missing = auditIDs(0, TOTAL).filter((auditID) => !arrived.has(auditID))
    t.strictSame(missing, [])
    t.comment(`${arrivals.length - arrived.size} of ${TOTAL} events arrived more than once`)
    t.strictSame(segments(setup.directory), [])
  },
)

function startChild({ kubeconfig, directory }: Setup, from: number, to: number): ChildProcess {
  const script = fileURLToPath(new URL('../../support/spool-child.js', import.meta.url))
  return fork(script, [kubeconfig, directory, String(from), String(to)])
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b)
}
