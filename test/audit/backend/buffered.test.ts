import t from 'tap'
import { BufferedBackend, estimateBytes, type BufferedConfig } from '../../../src/audit/backend/buffered.js'
import { PluginProblems } from '../../../src/audit/backend/plugin-problems.js'
import { HeldBackend, InstantBackend, makeEvent, ManualTimers, never, Report } from '../../support/audit.js'

const config: BufferedConfig = {
  plugin: 'log',
  bufferSize: 100,
  bufferBytes: 1 << 30,
  maxBatchSize: 3,
  maxBatchWait: 1000,
  maxInFlight: 1,
}

function setUp<D extends HeldBackend | InstantBackend>(delegate: D, fields: Partial<BufferedConfig> = {}) {
  const timers = new ManualTimers()
  const report = new Report(timers)
  const errors = new PluginProblems('buffered', report.metrics, report.problems, 'log')
  const buffered = new BufferedBackend(
    delegate,
    { ...config, ...fields },
    estimateBytes,
    errors,
    report.metrics,
    timers,
  )
  const send = (...ids: (string | number)[]) => buffered.processEvents(ids.map((id) => makeEvent(id)))
  return { timers, report, buffered, delegate, send }
}

void t.test('a batch is sent when it is full', async (t) => {
  const { send, delegate, timers } = setUp(new InstantBackend())
  t.equal(send(1, 2), true)
  t.same(delegate.batches, [])
  send(3, 4)
  t.same(delegate.batches, [['1', '2', '3']])
  t.equal(timers.size, 1, 'the next batch has its own wait')
})

void t.test('a batch is sent when its first event has waited long enough', async (t) => {
  const { send, delegate, timers } = setUp(new InstantBackend())
  send(1)
  timers.advance(999)
  send(2)
  t.same(delegate.batches, [])
  timers.advance(1)
  t.same(delegate.batches, [['1', '2']])
  t.equal(timers.size, 0)
})

void t.test('batches of one do not wait', async (t) => {
  const { send, delegate, timers } = setUp(new InstantBackend(), { maxBatchSize: 1, maxBatchWait: 0 })
  send(1, 2)
  t.same(delegate.batches, [['1'], ['2']])
  t.equal(timers.size, 0)
})

void t.test('a buffer smaller than a batch still delivers', async (t) => {
  const { send, delegate } = setUp(new InstantBackend(), { bufferSize: 2, maxBatchSize: 400 })
  send(1, 2, 3, 4)
  t.same(delegate.batches, [
    ['1', '2'],
    ['3', '4'],
  ])
})

void t.test('no more batches are with the delegate than allowed', async (t) => {
  const { send, delegate } = setUp(new HeldBackend(), { maxBatchSize: 1, maxInFlight: 2 })
  send(1, 2, 3, 4)
  t.same(delegate.batches, [['1'], ['2']])
  await delegate.answer()
  t.same(delegate.batches, [['1'], ['2'], ['3']])
})

void t.test('the batches with the delegate are bounded in bytes', async (t) => {
  const { buffered, delegate } = setUp(new HeldBackend(), { maxBatchSize: 1, maxInFlight: 100 })
  const responseObject = 'x'.repeat(20 << 20)
  buffered.processEvents([1, 2, 3].map((id) => makeEvent(id, { responseObject })))
  t.same(delegate.batches, [['1']])
  await delegate.answer()
  t.same(delegate.batches, [['1'], ['2']])
})

void t.test('a full buffer drops events, counts and logs them', async (t) => {
  const { send, delegate, report, timers } = setUp(new HeldBackend(), { bufferSize: 3, maxBatchSize: 1 })
  t.equal(send(1, 2, 3, 4, 5, 6), true, 'whoever asked does not have to know')
  send(7)
  t.equal(await report.value('kube_audit_proxy_audit_queue_events', { plugin: 'log' }), 3)
  t.ok((await report.value('kube_audit_proxy_audit_queue_bytes', { plugin: 'log' })) > 3 * 1024)
  t.equal(await report.value('apiserver_audit_error_total', { plugin: 'buffered' }), 3)
  t.equal(await report.value('kube_audit_proxy_audit_dropped_events_total', { plugin: 'buffered' }), 3)
  t.match(report.lines, [
    { plugin: 'buffered', backend: 'log', count: 2, reason: /the buffer is full: 3 events/ },
  ])
  timers.advance(10_000)
  t.match(report.lines[1], { count: 1, suppressed: 1 })
  for (let i = 0; i < 4; i++) await delegate.answer()
  t.same(delegate.batches, [['1'], ['2'], ['3'], ['4']])
  send(8)
  t.same(delegate.batches.at(-1), ['8'], 'and takes events again')
})

void t.test('the buffer is bounded in bytes', async (t) => {
  const { buffered, delegate, report } = setUp(new HeldBackend(), { bufferBytes: 50_000, maxBatchSize: 1 })
  const bodies = { requestObject: 'x'.repeat(10_000), responseObject: 'x'.repeat(10_000) }
  buffered.processEvents([1, 2, 3, 4, 5].map((id) => makeEvent(id, bodies)))
  t.equal(await report.value('apiserver_audit_error_total', { plugin: 'buffered' }), 2)
  for (let i = 0; i < 3; i++) await delegate.answer()
  t.same(delegate.batches, [['1'], ['2'], ['3']])
})

void t.test('the throttle lets a burst through and then so many batches a second', async (t) => {
  const throttle = { qps: 2, burst: 3 }
  const { send, delegate, timers } = setUp(new InstantBackend(), { maxBatchSize: 1, throttle })
  send(1, 2, 3, 4, 5, 6)
  t.equal(delegate.batches.length, 3)
  timers.advance(499)
  t.equal(delegate.batches.length, 3)
  timers.advance(1)
  t.equal(delegate.batches.length, 4)
  timers.advance(1000)
  t.equal(delegate.batches.length, 6)
  timers.advance(60_000)
  send(7, 8, 9, 10)
  t.equal(delegate.batches.length, 9, 'a pause is worth no more than the burst')
  t.same(delegate.batches.flat(), ['1', '2', '3', '4', '5', '6', '7', '8', '9'])
})

void t.test('a failed delivery is counted and does not stop the next', async (t) => {
  const { send, delegate, report } = setUp(new HeldBackend(), { maxBatchSize: 1 })
  send(1, 2)
  await delegate.answer(false)
  await delegate.answer(true)
  const value = (result: string) =>
    report.value('kube_audit_proxy_audit_batches_total', { plugin: 'log', result })
  t.equal(await value('failure'), 1)
  t.equal(await value('success'), 1)
})

void t.test('shutdown delivers everything once and then shuts the delegate down', async (t) => {
  const throttle = { qps: 1, burst: 1 }
  const { send, delegate, buffered, timers, report } = setUp(new HeldBackend(), { throttle })
  send(1, 2, 3, 4, 5, 6, 7)
  t.same(delegate.batches.length, 1)
  const done = buffered.shutdown(never)
  for (let i = 0; i < 3; i++) {
    t.equal(delegate.shutdowns, 0)
    await delegate.answer()
  }
  await done
  t.same(delegate.batches, [['1', '2', '3'], ['4', '5', '6'], ['7']])
  t.equal(delegate.shutdowns, 1)
  t.equal(timers.size, 0)
  t.equal(await report.value('kube_audit_proxy_audit_queue_events', { plugin: 'log' }), 0)
})

void t.test('what the deadline leaves behind is counted', async (t) => {
  const { send, delegate, buffered, report } = setUp(new HeldBackend())
  send(1, 2, 3, 4, 5)
  const deadline = new AbortController()
  const done = buffered.shutdown(deadline.signal)
  deadline.abort()
  await done
  t.same(delegate.batches, [['1', '2', '3']])
  t.equal(delegate.shutdowns, 1, 'the delegate counts what it has')
  t.equal(await report.value('apiserver_audit_error_total', { plugin: 'buffered' }), 2)
  t.match(report.lines, [{ count: 2, reason: /shutdown deadline/ }])
})

void t.test('shutdown of an empty buffer, even past the deadline', async (t) => {
  const { delegate, buffered, report } = setUp(new InstantBackend())
  await buffered.shutdown(AbortSignal.abort())
  t.same(delegate.batches, [])
  t.same(report.lines, [])
})
