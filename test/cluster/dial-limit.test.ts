import { Socket } from 'node:net'
import t from 'tap'
import { DialLimit } from '../../src/cluster/dial-limit.js'
import type { Timers } from '../../src/timers.js'

/** A dial that the test ends. */
class Dialing {
  readonly open: { resolve: (socket: Socket) => void; reject: (err: Error) => void }[] = []
  started = 0
  most = 0
  readonly dial = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      this.started++
      this.open.push({ resolve, reject })
      this.most = Math.max(this.most, this.open.length)
    })
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

await t.test('few connections are opened at a time, and each gets its turn', async (t) => {
  const limit = new DialLimit()
  const [one, other] = [new Dialing(), new Dialing()]
  const dials = [limit.limited(() => one.dial()), limit.limited(() => other.dial())]
  const results = Array.from({ length: 100 }, (_, i) =>
    dials[i % 2]!().then(
      () => 'opened',
      () => 'failed',
    ),
  )
  await turn()
  t.equal(one.open.length + other.open.length, 32, 'all who share the limit')
  for (let i = 0; i < 100; i++) {
    const { resolve, reject } = (one.open.shift() ?? other.open.shift())!
    if (i % 3 === 0) reject(new Error('refused'))
    else resolve(new Socket())
    await turn()
    t.ok(one.open.length + other.open.length <= 32)
  }
  t.equal((await Promise.all(results)).filter((result) => result === 'opened').length, 66)
  t.equal(one.started + other.started, 100)
  const again = dials[0]!()
  one.open.shift()?.resolve(new Socket())
  t.ok(await again, 'there is room again')
})

await t.test('who waits as long as a connection may take has none', async (t) => {
  const after: { ms: number; f: () => void; cancelled: boolean }[] = []
  const timers: Timers = {
    now: () => 0,
    after(ms, f) {
      const timer = { ms, f, cancelled: false }
      after.push(timer)
      return { cancel: () => (timer.cancelled = true) }
    },
  }
  const dialing = new Dialing()
  const dial = new DialLimit(timers).limited(dialing.dial)
  for (let i = 0; i < 32; i++) void dial()
  const waits = dial()
  const waitsLonger = dial()
  t.strictSame(
    after.map(({ ms }) => ms),
    [30_000, 30_000],
  )
  after[0]?.f()
  await t.rejects(waits, { message: 'no connection could be opened within 30000 ms' })
  dialing.open.shift()?.resolve(new Socket())
  await turn()
  t.equal(after[1]?.cancelled, true)
  t.equal(dialing.started, 33)
  dialing.open.pop()?.resolve(new Socket())
  t.ok(await waitsLonger)
})

await t.test('no more wait than there is room for', async (t) => {
  const dialing = new Dialing()
  const dial = new DialLimit().limited(dialing.dial)
  for (let i = 0; i < 32 + 4096; i++) void dial()
  await t.rejects(dial(), { message: '4096 connections wait to be opened' })
  t.equal(dialing.started, 32)
})
