import t from 'tap'
import { PluginProblems } from '../../../src/audit/backend/plugin-problems.js'
import { TruncateBackend } from '../../../src/audit/backend/truncate.js'
import { newLineEncoder } from '../../../src/audit/encode.js'
import type { Event } from '../../../src/audit/event.js'
import { HeldBackend, InstantBackend, makeEvent, never, Report } from '../../support/audit.js'

const encode = newLineEncoder('audit.k8s.io/v1')
const sizeOf = (event: Event) => encode(event).length

function setUp<D extends HeldBackend | InstantBackend>(
  delegate: D,
  maxEventSize: number,
  maxBatchSize: number,
) {
  const report = new Report()
  const errors = new PluginProblems('truncate', report.metrics, report.problems, 'log')
  const config = { maxEventSize, maxBatchSize }
  return { report, delegate, truncate: new TruncateBackend(delegate, config, encode, errors, report.metrics) }
}

const object = JSON.stringify({ data: 'x'.repeat(2000) })
const full = makeEvent('a', { level: 'RequestResponse', requestObject: object, responseObject: object })

void t.test('events', async (t) => {
  const bare = sizeOf(
    makeEvent('a', { level: 'RequestResponse', annotations: { 'audit.k8s.io/truncated': 'true' } }),
  )
  const euro = makeEvent('a', { level: 'Request', requestObject: JSON.stringify('€'.repeat(1000)) })
  const table: [
    name: string,
    event: Event,
    maxEventSize: number,
    result: 'kept' | 'truncated' | 'dropped',
  ][] = [
    ['exactly as large as allowed', full, sizeOf(full), 'kept'],
    ['a byte too large', full, sizeOf(full) - 1, 'truncated'],
    ['bodies removed: exactly as large as allowed', full, bare, 'truncated'],
    ['bodies removed: a byte too large', full, bare - 1, 'dropped'],
    ['a body in one direction', { ...full, responseObject: undefined }, 1000, 'truncated'],
    ['level Request', { ...full, level: 'Request' }, 1000, 'truncated'],
    [
      'level Metadata has no bodies to remove',
      makeEvent('a', { requestURI: '/'.repeat(2000) }),
      1000,
      'dropped',
    ],
    ['bytes count, not characters', euro, 2500, 'truncated'],
  ]
  for (const [name, event, maxEventSize, result] of table) {
    const { truncate, delegate, report } = setUp(new InstantBackend(), maxEventSize, 1 << 20)
    const before = structuredClone(event)
    t.equal(truncate.processEvents([event]), true, name)
    t.same(event, before, `${name}: the event itself is not changed`)
    const [got] = delegate.events
    if (result === 'kept') t.equal(got, event, name)
    if (result === 'dropped') t.equal(got, undefined, name)
    if (result === 'truncated') {
      t.same(got?.annotations, { 'audit.k8s.io/truncated': 'true' }, name)
      t.notOk(got?.requestObject ?? got?.responseObject, name)
      t.ok(sizeOf(got!) <= maxEventSize, name)
    }
    const dropped = result === 'dropped' ? 1 : 0
    t.equal(await report.value('apiserver_audit_error_total', { plugin: 'truncate' }), dropped, name)
    t.equal(
      await report.value('kube_audit_proxy_audit_dropped_events_total', { plugin: 'truncate' }),
      dropped,
      name,
    )
    t.equal(report.lines.length, dropped, name)
  }
})

void t.test('only events that lost a body are counted as truncated', async (t) => {
  const { truncate, report } = setUp(new InstantBackend(), 1000, 1 << 20)
  void truncate.processEvents([full, makeEvent('b', { level: 'Request', requestURI: '/'.repeat(2000) })])
  t.equal(await report.value('kube_audit_proxy_audit_truncated_total', { reason: 'truncate' }), 1)
})

void t.test('other annotations stay', async (t) => {
  const { truncate, delegate } = setUp(new InstantBackend(), 1000, 1000)
  void truncate.processEvents([{ ...full, annotations: { a: 'b' } }])
  t.same(delegate.events[0]?.annotations, { a: 'b', 'audit.k8s.io/truncated': 'true' })
})

void t.test('batches', async (t) => {
  const size = sizeOf(makeEvent(0))
  const table: [name: string, maxBatchSize: number, batches: string[][]][] = [
    ['one batch', size * 5, [['0', '1', '2', '3', '4']]],
    ['a byte less', size * 5 - 1, [['0', '1', '2', '3'], ['4']]],
    ['two in each', size * 2, [['0', '1'], ['2', '3'], ['4']]],
    ['one in each', size, [['0'], ['1'], ['2'], ['3'], ['4']]],
  ]
  for (const [name, maxBatchSize, batches] of table) {
    const { truncate, delegate } = setUp(new InstantBackend(), size, maxBatchSize)
    t.equal(await truncate.processEvents([0, 1, 2, 3, 4].map((id) => makeEvent(id))), true, name)
    t.same(delegate.batches, batches, name)
  }
})

void t.test('one batch that fails makes it false', async (t) => {
  const size = sizeOf(makeEvent(0))
  const { truncate, delegate } = setUp(new HeldBackend(), size, size)
  const stored = truncate.processEvents([makeEvent(0), makeEvent(1)])
  await delegate.answer(true)
  await delegate.answer(false)
  t.equal(await stored, false)
})

void t.test('nothing left to hand on', async (t) => {
  const { truncate, delegate } = setUp(new InstantBackend(), 10, 10)
  t.equal(truncate.processEvents([full]), true)
  t.same(delegate.batches, [])
  await truncate.shutdown(never)
})
