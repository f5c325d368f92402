import t from 'tap'
import { InFlight, type Stoppable } from '../../src/server/in-flight.js'
import { stopSpread } from '../../src/server/spread.js'
import { ManualTimers, never } from '../support/audit.js'

/** How many of so many are stopped after each of the moments, in milliseconds. */
function stopped(count: number, gracePeriod: number, moments: number[], signal = never): number[] {
  const timers = new ManualTimers()
  const stops = Array.from({ length: count }, () => 0)
  stopSpread(
    stops.map((_, i) => ({ stop: () => void (stops[i] = (stops[i] as number) + 1) })),
    gracePeriod,
    signal,
    timers,
  )
  return moments.map((moment) => {
    timers.advance(moment - timers.now())
    if (stops.some((times) => times > 1)) throw new Error('one was stopped twice')
    return stops.reduce((sum, times) => sum + times, 0)
  })
}

void t.test('200 in a second where the period has room for more', (t) => {
  t.same(stopped(1, 60_000, [0, 1000]), [1, 1])
  t.same(stopped(1000, 60_000, [0, 1000, 4000, 5000, 9000]), [1, 201, 801, 1000, 1000])
  t.end()
})

void t.test('as many as must be where it has not', (t) => {
  t.same(stopped(10_000, 10_000, [0, 1000, 9000, 10_000]), [1, 1001, 9001, 10_000])
  t.same(stopped(100, 1, [0, 5]), [1, 100])
  t.end()
})

void t.test('when the deadline comes first, the rest is for others', (t) => {
  t.same(stopped(1000, 60_000, [0, 1000], AbortSignal.abort()), [0, 0])
  t.end()
})

void t.test(
  'watches are ended one after the other, what else is long-running at once, the rest not',
  async (t) => {
    const timers = new ManualTimers()
    const inFlight = new InFlight(timers)
    const log: string[] = []
    const add = (name: string, endless: boolean, watch: boolean): Stoppable => {
      const request: Stoppable = {
        endless,
        watch,
        closeConnection: () => undefined,
        stop: () => {
          log.push(name)
          inFlight.delete(request)
        },
      }
      inFlight.add(request)
      return request
    }
    add('watch 1', true, true)
    add('logs', true, false)
    add('watch 2', true, true)
    const list = add('list', false, false)
    add('watch 3', true, true)
    const drained = inFlight.drain(never, 1000)
    t.same(log, ['logs', 'watch 1'])
    timers.advance(5)
    t.same(log, ['logs', 'watch 1', 'watch 2'])
    add('watch 4', true, true)
    t.same(log.at(-1), 'watch 4', 'one that begins now ends now')
    timers.advance(5)
    t.same(log, ['logs', 'watch 1', 'watch 2', 'watch 4', 'watch 3'])
    inFlight.delete(list)
    await drained
    t.equal(inFlight.size, 0)
  },
)

void t.test('at the deadline all are ended', async (t) => {
  const inFlight = new InFlight(new ManualTimers())
  let stops = 0
  for (let i = 0; i < 3; i++) {
    const watch: Stoppable = {
      endless: true,
      watch: true,
      closeConnection: () => undefined,
      stop: () => {
        stops++
        inFlight.delete(watch)
      },
    }
    inFlight.add(watch)
  }
  const deadline = new AbortController()
  const drained = inFlight.drain(deadline.signal, 1000)
  t.equal(stops, 1)
  deadline.abort()
  await drained
  t.equal(stops, 3)
})
