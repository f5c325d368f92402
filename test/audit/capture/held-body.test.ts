import t from 'tap'
import { HeldBody } from '../../../src/audit/capture/held-body.js'
import { CaptureBudget } from '../../../src/audit/capture/capture-budget.js'

const hold = (budget: CaptureBudget, user = 'alice') => budget.hold(user, () => undefined)

void t.test('holds what it is given, in whatever pieces', (t) => {
  const text = Buffer.from(
    Array.from({ length: 60000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join(''),
  )
  for (const size of [1, 7, 100, 1023, 1024, 5000, 60000]) {
    const budget = new CaptureBudget(256 << 20)
    const held = new HeldBody(100000, hold(budget))
    for (let i = 0; i < text.length; i += size) {
      if (held.add(text.subarray(i, i + size)) !== undefined) t.fail('refused')
      if (i === 20 * size) t.ok(held.first(9 * size).equals(text.subarray(0, 9 * size)))
    }
    t.equal(budget.used, text.length)
    t.ok(held.first(10).equals(text.subarray(0, 10)))
    t.ok(held.concat().equals(text), `pieces of ${size}`)
    t.ok(held.concat().equals(text), 'again')
    held.free()
    t.equal(budget.used, 0)
    t.equal(held.bytes, 0)
  }
  t.end()
})

void t.test('one chunk is not copied', (t) => {
  const chunk = Buffer.from('{}')
  const held = new HeldBody(10, hold(new CaptureBudget(256 << 20)))
  held.add(chunk)
  t.equal(held.concat(), chunk)
  t.end()
})

void t.test('small and large chunks in turn keep their order', (t) => {
  const held = new HeldBody(1e6, hold(new CaptureBudget(256 << 20)))
  const parts: Buffer[] = []
  for (let i = 0; i < 60; i++) parts.push(Buffer.alloc(i % 3 === 0 ? 2000 : 3, i))
  for (const part of parts) held.add(part)
  t.ok(held.concat().equals(Buffer.concat(parts)))
  t.end()
})

void t.test('the limits', (t) => {
  const budget = new CaptureBudget(14)
  const one = new HeldBody(10, hold(budget))
  const two = new HeldBody(10, hold(budget, 'bob'))
  t.equal(one.add(Buffer.alloc(7)), undefined)
  t.equal(one.add(Buffer.alloc(4)), 'body')
  t.equal(two.add(Buffer.alloc(7)), undefined)
  t.equal(two.add(Buffer.alloc(1)), 'total')
  t.equal(budget.used, 14)
  one.free()
  t.equal(two.add(Buffer.alloc(1)), undefined)
  two.free()
  two.free()
  t.equal(budget.used, 0)
  t.equal(one.concat().length, 0)
  t.end()
})
