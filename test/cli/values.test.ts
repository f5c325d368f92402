import t from 'tap'
import { formatDuration, VALUE_TYPES, type FlagType } from '../../src/cli/values.js'

// What Go's time.ParseDuration, strconv and encoding/csv say of the same texts.
const cases: Record<FlagType, [string, unknown][]> = {
  duration: [
    ['0', 0],
    ['-0', 0],
    ['0s', 0],
    ['30s', 30_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['-2ms', -2],
    ['+2ms', 2],
    ['1h1m1s1ms', 3_661_001],
    ['1us', 0.001],
    ['1µs', 0.001],
    ['1μs', 0.001],
    ['100ns', 0.0001],
    ['2562047h', 9_223_369_200_000],
    ['2562048h', undefined],
    ['', undefined],
    ['-', undefined],
    ['3', undefined],
    ['3 s', undefined],
    ['s', undefined],
    ['.s', undefined],
    ['1d', undefined],
    ['1m30', undefined],
    ['--1s', undefined],
    ['1s ', undefined],
    ['1e3s', undefined],
  ],
  int: [
    ['0', 0],
    ['-1', -1],
    ['+1', 1],
    ['6443', 6443],
    ['0x1F', 31],
    ['0b101', 5],
    ['0o17', 15],
    ['017', 15],
    ['1_000', 1000],
    ['0_7', 7],
    ['0x_ff', 255],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', undefined],
    ['08', undefined],
    ['1__0', undefined],
    ['_1', undefined],
    ['1_', undefined],
    ['0x', undefined],
    ['1.0', undefined],
    ['1e3', undefined],
    [' 1', undefined],
    ['', undefined],
  ],
  count: [
    ['4', 4],
    ['auto', 'auto'],
    ['Auto', undefined],
    ['', undefined],
    ['1.5', undefined],
  ],
  bool: [
    ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((text): [string, boolean] => [text, true]),
    ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((text): [string, boolean] => [text, false]),
    ['yes', undefined],
    ['tRUE', undefined],
    ['', undefined],
  ],
  float32: [
    ['10', 10],
    ['0.5', 0.5],
    ['.5', 0.5],
    ['-1e2', -100],
    ['1e39', undefined],
    ['Infinity', undefined],
    ['x', undefined],
    ['', undefined],
  ],
  float64: [
    ['0.001', 0.001],
    ['1e39', 1e39],
    ['1e309', undefined],
    ['', undefined],
  ],
  stringArray: [
    ['a,b', ['a,b']],
    ['', ['']],
  ],
  strings: [
    ['', []],
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    ['a,,b', ['a', '', 'b']],
    [',', ['', '']],
    ['"a,b",c', ['a,b', 'c']],
    ['"say ""hi""",c', ['say "hi"', 'c']],
    ['""', ['']],
    ['"a"b', undefined],
    ['"a', undefined],
    ['a"b', undefined],
  ],
  namedCertKey: [
    ['a.crt,a.key', [{ certFile: 'a.crt', keyFile: 'a.key', names: [] }]],
    [
      ' a.crt , a.key : *.foo.com, ::1',
      [{ certFile: 'a.crt', keyFile: 'a.key', names: ['*.foo.com', '::1'] }],
    ],
    ['a.crt', undefined],
    ['a.crt,', undefined],
    ['a.crt,a.key,b', undefined],
    ['a.crt,a.key:', undefined],
    ['a.crt,a.key:foo,,bar', undefined],
    ['', undefined],
  ],
  ip: [
    ['0.0.0.0', '0.0.0.0'],
    [' ::1 ', '::1'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['fe80::1%eth0', undefined],
    ['localhost', undefined],
    ['1.2.3', undefined],
    ['', undefined],
  ],
  string: [
    ['', ''],
    [' a ', ' a '],
  ],
}

for (const [type, table] of Object.entries(cases) as [FlagType, [string, unknown][]][]) {
  void t.test(type, (t) => {
    for (const [text, value] of table) t.same(VALUE_TYPES[type].parse(text), value, JSON.stringify(text))
    t.end()
  })
}

void t.test('durations are printed as Go prints them', (t) => {
  const table: [number, string][] = [
    [0, '0s'],
    [30_000, '30s'],
    [60_000, '1m0s'],
    [90_000, '1m30s'],
    [3_600_000, '1h0m0s'],
    [5_400_500, '1h30m0.5s'],
    [1500, '1.5s'],
    [250, '250ms'],
    [0.25, '250µs'],
    [0.0001, '100ns'],
    [-2000, '-2s'],
  ]
  for (const [value, text] of table) t.equal(formatDuration(value), text)
  t.end()
})
