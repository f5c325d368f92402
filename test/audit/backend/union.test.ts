import t from 'tap'
import { IgnoreErrorsBackend } from '../../../src/audit/backend/blocking.js'
import { union } from '../../../src/audit/backend/union.js'
import { HeldBackend, InstantBackend, makeEvent, never } from '../../support/audit.js'

void t.test('a union of one is that one', async (t) => {
  const one = new InstantBackend()
  t.equal(union([one]), one)
})

void t.test('every backend has the events at once, though one is slow and another fails', async (t) => {
  const slow = new HeldBackend()
  const failing = new InstantBackend('failing', false)
  const last = new InstantBackend('last')
  const all = union([slow, failing, last])
  t.equal(all.name, 'union[held,failing,last]')
  const stored = all.processEvents([makeEvent(1)])
  for (const backend of [slow, failing, last]) t.same(backend.batches, [['1']], backend.name)
  await slow.answer(true)
  t.equal(await stored, false)
})

void t.test('results', async (t) => {
  const yes = () => new InstantBackend('yes', true)
  const no = () => new InstantBackend('no', false)
  const event = makeEvent(1)
  t.equal(union([yes(), yes()]).processEvents([event]), true, 'no promise where none is needed')
  t.equal(union([no(), yes()]).processEvents([event]), false)
  t.equal(union([yes(), no()]).processEvents([event]), false)
  for (const answer of [true, false]) {
    const held = new HeldBackend()
    const stored = union([yes(), held]).processEvents([event])
    await held.answer(answer)
    t.equal(await stored, answer)
  }
})

void t.test('shutdown reaches all', async (t) => {
  const [a, b] = [new HeldBackend(), new HeldBackend()]
  await union([a, b]).shutdown(never)
  t.same([a.shutdowns, b.shutdowns], [1, 1])
})

void t.test('ignoreErrors waits, and is never false', async (t) => {
  const held = new HeldBackend()
  const ignoring = new IgnoreErrorsBackend(held)
  t.equal(ignoring.name, 'ignoreErrors<held>')
  let answered = false
  const stored = Promise.resolve(ignoring.processEvents([makeEvent(1)])).then((result) => {
    answered = true
    return result
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(answered, false)
  await held.answer(false)
  t.equal(await stored, true)
  t.equal(new IgnoreErrorsBackend(new InstantBackend('no', false)).processEvents([makeEvent(1)]), true)
  await ignoring.shutdown(never)
  t.equal(held.shutdowns, 1)
})
