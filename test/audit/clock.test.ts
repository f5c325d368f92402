import t from 'tap'
import { Clock, formatTime, newMicroTimeFormat } from '../../src/audit/clock.js'

/** A wall clock that shows milliseconds, and a monotonic one, over one true time in microseconds. */
class FakeTime {
  micros = 1_795_000_000_000_123
  step = 0
  reads = 0

  wall = (): number => Math.floor((this.micros + this.step) / 1000)
  monotonic = (): number => {
    this.reads++
    return (this.micros - 1_794_999_000_000_000) / 1000
  }
  get truth(): number {
    return this.micros + this.step
  }
}

void t.test('the first reading is right to a millisecond, and further ones to microseconds', async (t) => {
  const time = new FakeTime()
  const clock = new Clock(time.wall, time.monotonic)
  const first = clock.now()
  t.ok(Number.isInteger(first))
  t.ok(first <= time.truth + 1 && first > time.truth - 1001, `${first} for ${time.truth}`)
  let last = first
  for (let i = 0; i < 2000; i++) {
    time.micros += 37
    const now = clock.now()
    if (!(now >= last)) t.fail(`${now} after ${last}`)
    last = now
  }
  t.ok(Math.abs(last - time.truth) <= 40, `${last} for ${time.truth}`)
  time.micros += 5
  t.ok(clock.now() - last >= 4, 'microseconds pass')
})

void t.test('a step of the wall clock shows in the next reading', async (t) => {
  for (const step of [3_600_000_000, 1_500_000, 2_000, -2_000, -1_500_000, -3_600_000_000]) {
    const time = new FakeTime()
    const clock = new Clock(time.wall, time.monotonic)
    for (let i = 0; i < 1000; i++) {
      time.micros += 37
      clock.now()
    }
    const before = clock.now()
    time.step = step
    let now = clock.now()
    t.ok(Math.abs(now - time.truth) <= 1001, `step ${step}: ${now} for ${time.truth}`)
    t.ok(now - before >= Math.min(step, 0) - 1, `step ${step}: back by ${before - now}`)
    let worst = 0
    for (let i = 0; i < 2000; i++) {
      time.micros += 37
      const next = clock.now()
      worst = Math.min(worst, next - now)
      now = next
    }
    t.equal(worst, 0, `step ${step}: one step only`)
    t.ok(Math.abs(now - time.truth) <= 40, `step ${step}: ${now} for ${time.truth} in the end`)
  }
})

void t.test('a process that is stopped between the two readings does not take that for a step', async (t) => {
  const time = new FakeTime()
  const clock = new Clock(() => {
    if (time.reads % 3 === 0) time.micros += 50_000
    return time.wall()
  }, time.monotonic)
  let last = clock.now()
  for (let i = 0; i < 1000; i++) {
    time.micros += 1
    const now = clock.now()
    if (!(now > last)) t.fail(`${now} after ${last}`)
    last = now
  }
  t.ok(Math.abs(last - time.truth) <= 1001, `${last} for ${time.truth}`)
})

void t.test('the real clock', async (t) => {
  const clock = new Clock()
  const seen = new Set<number>()
  let last = 0
  for (let i = 0; i < 10_000; i++) {
    const before = Date.now()
    const now = clock.now()
    const after = Date.now()
    // A machine's clock may be stepped while a test runs, so this looks for a reading that is off by more than that.
    if (now < (before - 2) * 1000 || now > (after + 2) * 1000) t.fail(`${now} between ${before} and ${after}`)
    if (!(now >= last)) t.fail(`${now} after ${last}`)
    last = now
    seen.add(now % 1000)
  }
  t.ok(seen.size > 10, `${seen.size} different microseconds within a millisecond`)
})

void t.test('newMicroTimeFormat and formatTime', async (t) => {
  const table: [number, string][] = [
    [0, '1970-01-01T00:00:00.000000Z'],
    [1, '1970-01-01T00:00:00.000001Z'],
    [86_898, '1970-01-01T00:00:00.086898Z'],
    [999_999, '1970-01-01T00:00:00.999999Z'],
    [1_000_000, '1970-01-01T00:00:01.000000Z'],
    [1_795_227_086_086_898, '2026-11-21T02:11:26.086898Z'],
    [1_795_227_086_086_098, '2026-11-21T02:11:26.086098Z'],
    [1_795_227_086_086_008, '2026-11-21T02:11:26.086008Z'],
    [1_795_227_086_086_000, '2026-11-21T02:11:26.086000Z'],
    [1_709_251_199_999_999, '2024-02-29T23:59:59.999999Z'],
    [4_102_444_799_999_999, '2099-12-31T23:59:59.999999Z'],
    [-1, '1969-12-31T23:59:59.999999Z'],
  ]
  const formatMicroTime = newMicroTimeFormat()
  for (const [micros, text] of [...table, ...table.reverse()]) {
    t.equal(formatMicroTime(micros), text)
    t.equal(formatTime(micros), text.replace(/\.\d+/, ''))
  }
})
