import t from 'tap'
import { RateLimitedLog } from '../src/rate-limited-log.js'
import { ManualTimers } from './support/audit.js'

function setUp() {
  const timers = new ManualTimers()
  const lines: object[] = []
  const log = new RateLimitedLog(
    { warn: (fields: object, msg: string) => void lines.push({ ...fields, msg }) },
    1000,
    timers,
  )
  return { timers, lines, log }
}

void t.test('one line per interval and kind, and none of the counts is lost', async (t) => {
  const { timers, lines, log } = setUp()
  log.warn('a', { reason: 1 }, 'no', 5)
  log.warn('a', { reason: 2 }, 'no', 7)
  log.warn('b', { reason: 3 }, 'other')
  log.warn('a', { reason: 4 }, 'no', 8)
  t.same(lines.splice(0), [
    { reason: 1, count: 5, msg: 'no' },
    { reason: 3, count: 1, msg: 'other' },
  ])
  timers.advance(1000)
  t.same(lines.splice(0), [{ reason: 4, count: 15, suppressed: 2, msg: 'no' }])
  log.warn('a', { reason: 5 }, 'no')
  t.same(lines, [], 'the line at the end of the interval begins another')
  timers.advance(1000)
  t.equal(lines.splice(0).length, 1)
  timers.advance(1000)
  t.equal(timers.size, 0)
  log.warn('a', { reason: 6 }, 'no')
  t.equal(lines.length, 1, 'after a quiet interval the next one is written at once')
})

void t.test('close writes what was held back and stops the timers', async (t) => {
  const { timers, lines, log } = setUp()
  log.warn('a', {}, 'no')
  log.warn('a', {}, 'no', 3)
  log.close()
  t.same(lines[1], { count: 3, suppressed: 1, msg: 'no' })
  t.equal(timers.size, 0)
})
