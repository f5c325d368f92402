import t from 'tap'
import { formatDouble } from '../../../../src/audit/capture/json/json-values.js'
import { formatDuration } from '../../../../src/audit/capture/protobuf/format.js'

void t.test('durations are as Go prints them', (t) => {
  const cases: [bigint, string][] = [
    [0n, '0s'],
    [1n, '1ns'],
    [1100n, '1.1µs'],
    [2_200_000n, '2.2ms'],
    [3_300_000_000n, '3.3s'],
    [245_000_000_000n, '4m5s'],
    [245_001_000_000n, '4m5.001s'],
    [18_367_001_000_000n, '5h6m7.001s'],
    [480_000_000_001n, '8m0.000000001s'],
    [3_600_000_000_000n, '1h0m0s'],
    [-1_500_000_000n, '-1.5s'],
    [2n ** 63n - 1n, '2562047h47m16.854775807s'],
    [-(2n ** 63n), '-2562047h47m16.854775808s'],
  ]
  for (const [ns, text] of cases) t.equal(formatDuration(ns), text)
  t.end()
})

void t.test('doubles are as encoding/json prints them', (t) => {
  const cases: [number, string][] = [
    [1, '1'],
    [0.1, '0.1'],
    [1e20, '100000000000000000000'],
    [1e21, '1e+21'],
    [1e-6, '0.000001'],
    [1e-7, '1e-7'],
    [-0, '-0'],
    [Infinity, 'null'],
  ]
  for (const [value, text] of cases) t.equal(formatDouble(value), text)
  t.end()
})
