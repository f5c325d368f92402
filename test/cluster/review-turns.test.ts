import t from 'tap'
import { ReviewTurns, TooManyReviews } from '../../src/cluster/review-turns.js'
import { ManualTimers } from '../support/audit.js'
import { Watch } from '../support/watch.js'

/** Reviews that the test answers one by one, in the order in which they were asked. */
function setUp(limits = { inFlight: 1, waiting: 4, patience: 2000 }) {
  const timers = new ManualTimers()
  const counts = { inFlight: 0, waiting: 0, refused: 0 }
  const turns = new ReviewTurns(
    limits,
    {
      inFlight: (change) => void (counts.inFlight += change),
      waiting: (change) => void (counts.waiting += change),
      refused: () => void counts.refused++,
    },
    timers,
  )
  const asked: string[] = []
  const ended: string[] = []
  const answers: (() => void)[] = []
  const watch = new Watch()
  const take = (name: string): void => {
    const flow = name.slice(0, 1)
    const ask = () =>
      new Promise<void>((resolve) => {
        asked.push(name)
        answers.push(resolve)
        watch.changed()
      })
    turns.take(flow, ask).then(
      () => void ended.push(name),
      (err: unknown) => {
        ended.push(err instanceof TooManyReviews ? `no ${name}` : String(err))
        watch.changed()
      },
    )
  }
  /** Answers one after the other until nobody waits. */
  const drain = async (count: number): Promise<void> => {
    for (let i = 1; i <= count; i++) {
      await watch.until(() => asked.length >= i)
      answers[i - 1]?.()
    }
  }
  return { timers, counts, asked, ended, take, drain, watch }
}

await t.test('flows take turns, whoever has asked for more', async (t) => {
  const { asked, take, drain, counts } = setUp()
  for (const name of ['a1', 'a2', 'a3', 'b1', 'c1']) take(name)
  t.match(counts, { inFlight: 1, waiting: 4, refused: 0 })
  await drain(5)
  t.strictSame(asked, ['a1', 'a2', 'b1', 'c1', 'a3'])
})

await t.test('whoever waits for most makes room', async (t) => {
  const { asked, ended, take, drain, counts, watch } = setUp()
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) take(name)
  take('a6')
  await watch.until(() => ended.length === 1)
  t.strictSame(ended, ['no a6'], 'nobody makes room for their own')
  take('b1')
  take('b2')
  take('b3')
  await watch.until(() => ended.length === 4)
  t.strictSame(ended, ['no a6', 'no a5', 'no a4', 'no b3'])
  t.match(counts, { waiting: 4, refused: 4 })
  await drain(5)
  t.strictSame(asked, ['a1', 'a2', 'b1', 'a3', 'b2'])
})

await t.test('nobody waits longer than patience lasts', async (t) => {
  const { timers, asked, ended, take, drain, counts, watch } = setUp()
  take('a1')
  take('a2')
  timers.advance(1999)
  take('a3')
  timers.advance(1)
  await watch.until(() => ended.length === 1)
  t.strictSame(ended, ['no a2'])
  await drain(2)
  t.strictSame(asked, ['a1', 'a3'])
  t.match(counts, { waiting: 0, refused: 1 })
})

await t.test('a review that fails makes room as well', async (t) => {
  const { turns, counts } = (() => {
    const counts = { inFlight: 0 }
    const metrics = {
      inFlight: (n: number) => void (counts.inFlight += n),
      waiting: () => {},
      refused: () => {},
    }
    return {
      counts,
      turns: new ReviewTurns({ inFlight: 1, waiting: 1, patience: 1 }, metrics, new ManualTimers()),
    }
  })()
  const fails = () => Promise.reject(new Error('down'))
  for (let i = 0; i < 3; i++) await t.rejects(turns.take('a', fails), { message: 'down' })
  t.equal(await turns.take('a', () => Promise.resolve(1)), 1)
  t.equal(counts.inFlight, 0)
})
