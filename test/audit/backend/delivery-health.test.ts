import t from 'tap'
import { DeliveryHealth } from '../../../src/audit/backend/delivery-health.js'

void t.test('a backend is ill when nothing was stored for the grace period, though it was tried', (t) => {
  let now = 0
  const health = new DeliveryHealth(300_000, () => now)
  t.equal(health.problem(), undefined)
  health.failed('the disk is full')
  now = 299_999
  health.failed('the disk is full')
  t.equal(health.problem(), undefined, 'not yet')
  now = 300_000
  t.equal(health.problem(), undefined, 'not by time alone')
  health.failed('no answer')
  t.equal(health.problem(), 'nothing was stored for 300 seconds: no answer')
  now = 600_000
  t.equal(health.problem(), 'nothing was stored for 600 seconds: no answer')
  now = 600_001
  t.equal(health.problem(), undefined, 'nothing was tried for long, so nobody knows')
  health.failed('no answer')
  t.equal(health.problem(), 'nothing was stored for 600 seconds: no answer')
  health.succeeded()
  t.equal(health.problem(), undefined)
  t.end()
})
