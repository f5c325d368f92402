import t from 'tap'
import { boundedError, boundedMessage, boundedValue } from '../src/log-values.js'

void t.test('values', (t) => {
  t.equal(boundedValue('short'), 'short')
  t.equal(boundedValue('x'.repeat(1024)), 'x'.repeat(1024))
  t.equal(boundedValue('x'.repeat(300_000)), `${'x'.repeat(1024)}...(298976 more)`)
  t.strictSame(boundedValue({ auditID: 'y'.repeat(2000), count: 3, list: ['z'.repeat(1025)] }), {
    auditID: `${'y'.repeat(1024)}...(976 more)`,
    count: 3,
    list: [`${'z'.repeat(1024)}...(1 more)`],
  })
  t.equal((boundedValue(Array.from({ length: 1000 }, () => 'x')) as unknown[]).length, 32)
  t.strictSame(boundedValue({ a: { b: { c: { d: 1 } } } }), { a: { b: { c: '...' } } })
  t.equal(boundedMessage('m'.repeat(5000)), `${'m'.repeat(4096)}...(904 more)`)
  t.end()
})

void t.test('errors have none of what libraries put there', (t) => {
  const err = Object.assign(new Error('e'.repeat(9000)), {
    code: 'ECODE',
    headers: { authorization: 'secret' },
  })
  const logged = boundedError(err) as Record<string, string>
  t.strictSame(Object.keys(logged), ['type', 'message', 'stack', 'code'])
  t.ok((logged['message'] as string).length < 5000)
  t.ok((logged['stack'] as string).length < 9000)
  t.end()
})
