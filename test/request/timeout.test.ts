import t from 'tap'
import { invalidTimeout, requestedTimeout } from '../../src/request/timeout.js'

/** The query, and what time.ParseDuration says; undefined where it is content. */
const TIMEOUTS: readonly (readonly [string, string | undefined])[] = [
  ['', undefined],
  ['timeout=', undefined],
  ['timeoutSeconds=soon', undefined],
  ['timeout=0', undefined],
  ['timeout=-0', undefined],
  ['timeout=%2b1h', undefined],
  ['timeout=1m30s', undefined],
  ['timeout=1.5h.5m', undefined],
  ['timeout=5.s', undefined],
  ['timeout=.5s', undefined],
  ['timeout=00000000000000000000000000001s', undefined],
  ['timeout=1%c2%b5s2%ce%bcs', undefined],
  ['timeout=9223372036854775807ns', undefined],
  ['timeout=-9223372036854775808ns', undefined],
  ['timeout=1s&timeout=soon', undefined],
  ['timeout=soon;&timeout=1s', undefined],
  ['timeout=%zz&x=1', undefined],
  ['timeout=soon', 'time: invalid duration "soon"'],
  ['a=b&%74imeout=soon', 'time: invalid duration "soon"'],
  ['timeout=%&timeout=soon', 'time: invalid duration "soon"'],
  ['timeout=+', 'time: invalid duration " "'],
  ['timeout=%2b', 'time: invalid duration "+"'],
  ['timeout=.', 'time: invalid duration "."'],
  ['timeout=.s', 'time: invalid duration ".s"'],
  ['timeout=--1s', 'time: invalid duration "--1s"'],
  ['timeout=5', 'time: missing unit in duration "5"'],
  ['timeout=1s5', 'time: missing unit in duration "1s5"'],
  ['timeout=1d', 'time: unknown unit "d" in duration "1d"'],
  ['timeout=1S', 'time: unknown unit "S" in duration "1S"'],
  ['timeout=1.2.3s', 'time: missing unit in duration "1.2.3s"'],
  ['timeout=1%22%5c', 'time: unknown unit "\\"\\\\" in duration "1\\"\\\\"'],
  ['timeout=%c3%a9%0a', 'time: invalid duration "\\xc3\\xa9\\x0a"'],
  ['timeout=9223372036854775808ns', 'time: invalid duration "9223372036854775808ns"'],
  ['timeout=99999999999999999999s', 'time: invalid duration "99999999999999999999s"'],
  ['timeout=3000000h', 'time: invalid duration "3000000h"'],
]

await t.test('?timeout= as kube-apiserver reads it', (t) => {
  for (const [query, error] of TIMEOUTS) {
    const expected = error && `invalid timeout specified in the request URL - ${error}`
    t.equal(invalidTimeout(query), expected, query)
  }
  t.end()
})

await t.test('how long that is, in milliseconds', (t) => {
  const durations: readonly (readonly [string, number | undefined])[] = [
    ['', undefined],
    ['timeout=', undefined],
    ['timeout=soon', undefined],
    ['timeout=0', undefined],
    ['timeout=-5s', undefined],
    ['timeout=1m30s', 90_000],
    ['timeout=1.5ms', 1.5],
    ['timeoutSeconds=5&timeout=%31s', 1000],
    ['timeout=2s&timeout=1s', 2000],
  ]
  for (const [query, milliseconds] of durations) t.equal(requestedTimeout(query), milliseconds, query)
  t.end()
})
