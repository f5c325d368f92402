import t from 'tap'
import { CaptureBudget, SMALL_BODY_BYTES } from '../../../src/audit/capture/capture-budget.js'

const KIB = 1024

const setUp = (limit: number) => {
  const budget = new CaptureBudget(limit)
  const gone: string[] = []
  const hold = (user: string, name = user) => budget.hold(user, () => gone.push(name))
  return { budget, gone, hold }
}

void t.test('one user holds everything until others come', (t) => {
  const { budget, gone, hold } = setUp(1000 * KIB)
  for (let i = 0; i < 10; i++) t.ok(hold('mallory', `m${i}`).take(100 * KIB))
  t.equal(budget.used, 1000 * KIB)
  const admin = hold('admin')
  t.ok(admin.take(90 * KIB))
  t.strictSame(gone, ['m0'], 'the body that has waited longest for its next chunk')
  t.ok(admin.take(50 * KIB))
  t.strictSame(gone, ['m0', 'm1'])
  t.equal(admin.bytes, 140 * KIB)
  t.equal(budget.used, 940 * KIB)
  t.end()
})

void t.test('a body that goes on outlives one that has stalled', (t) => {
  const { gone, hold } = setUp(300 * KIB)
  const [going, stalled] = [hold('alice', 'going'), hold('alice', 'stalled')]
  t.ok(going.take(100 * KIB))
  t.ok(stalled.take(100 * KIB))
  t.ok(going.take(50 * KIB))
  t.ok(hold('bob').take(100 * KIB))
  t.strictSame(gone, ['stalled'])
  t.end()
})

void t.test('a small body gives way after all large ones of its user', (t) => {
  const { gone, hold } = setUp(300 * KIB)
  const small = hold('alice', 'small')
  t.ok(small.take(SMALL_BODY_BYTES))
  t.ok(hold('alice', 'large').take(200 * KIB))
  t.notOk(hold('alice', 'larger').take(250 * KIB), 'the one that asks is the largest user’s last')
  t.strictSame(gone, ['large'])
  t.equal(small.bytes, SMALL_BODY_BYTES)
  t.end()
})

void t.test('who asks gives way where nobody holds more', (t) => {
  const { budget, gone, hold } = setUp(300)
  const [alice, bob, carol] = [hold('alice'), hold('bob'), hold('carol')]
  for (const holding of [alice, bob, carol]) t.ok(holding.take(100))
  t.notOk(alice.take(1))
  t.strictSame(gone, [])
  t.equal(alice.bytes, 100)
  alice.free()
  alice.free()
  t.equal(budget.used, 200)
  t.notOk(alice.take(301), 'more than there is')
  t.strictSame(gone, [], 'for which nobody loses anything')
  t.end()
})

void t.test('each of n users has an n-th for certain', (t) => {
  const limit = 1200
  let seed = 1
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n
  const { budget, hold } = setUp(limit)
  const modest = ['a', 'b', 'c'].map((user) => hold(user))
  const greedy: ReturnType<typeof hold>[] = []
  for (let i = 0; i < 5000; i++) {
    const one = modest[random(3)] as (typeof modest)[number]
    if (random(2) === 0) {
      const more = random(60)
      if (one.bytes + more <= limit / 4) {
        const before = one.bytes
        t.ok(one.take(more) && one.bytes === before + more, `step ${i}`)
      } else one.free()
    } else {
      const large = random(3) === 0 ? hold('greedy') : greedy[random(greedy.length + 1)]
      large?.take(random(400))
      if (large !== undefined) greedy.push(large)
    }
    if (budget.used > limit) t.fail('more than there is')
  }
  for (const holding of [...modest, ...greedy]) holding.free()
  t.equal(budget.used, 0)
  t.end()
})
