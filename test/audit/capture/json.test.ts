import fc from 'fast-check'
import t from 'tap'
import type { GoType } from '../../../src/audit/capture/json/go-type.js'
import { compactJSON } from '../../../src/audit/capture/json/json.js'

const compact = (text: string, type?: GoType) => compactJSON(Buffer.from(text), () => type)
/** A type whose every value is of the shape that it seems to have, down to any depth. */
const STRUCTS: GoType = {
  shape: 'struct',
  isNilable: false,
  member: (name) => (name === 's' ? STRUCTS : LISTS),
}
const LISTS: GoType = { shape: 'list', isNilable: true, member: () => STRUCTS }

void t.test('keeps numbers and strings as they were, and drops white space outside strings', (t) => {
  for (const [input, want] of [
    ['{"a":1}', '{"a":1}'],
    [' \t\r\n{ "a" : [ 1 , 2 ,\n{ } , [ ] ] }\n', '{"a":[1,2,{},[]]}'],
    [
      '{"n":9007199254740993,"m":1e21,"o":-0,"p":1.50E+3,"q":0.1}',
      '{"n":9007199254740993,"m":1e21,"o":-0,"p":1.50E+3,"q":0.1}',
    ],
    ['{"s":" a  b\\n\\t\\u2028 \\" \\\\"}\n', '{"s":" a  b\\n\\t\\u2028 \\" \\\\"}'],
    ['{"s":"\u2028\u2029 \u00e9 \u4e16 \ud83d\ude00"}', '{"s":"\u2028\u2029 \u00e9 \u4e16 \ud83d\ude00"}'],
    ['"x"', '"x"'],
    [' null ', 'null'],
    ['[true , false]', '[true,false]'],
    ['12', '12'],
  ] as const) {
    t.equal(compact(input), want)
    t.notMatch(compact(input), /[\r\n]/)
  }
  t.end()
})

void t.test('refuses what encoding/json refuses', (t) => {
  for (const input of [
    '',
    ' ',
    '{',
    '}',
    '[',
    ']',
    '[1',
    '{"a"}',
    '{"a":}',
    '{"a":1',
    '{"a":1,}',
    '[1,]',
    '[,1]',
    '{,}',
    '{a:1}',
    "{'a':1}",
    '01',
    '-',
    '+1',
    '1.',
    '.5',
    '1e',
    '1e+',
    '0x1',
    'NaN',
    'Infinity',
    'nul',
    'truee',
    'tru',
    'undefined',
    '"',
    '"a',
    '"\\',
    '"\\"',
    '"\\x41"',
    '"\\u12"',
    '"\\u12g4"',
    '"a\nb"',
    '"a\tb"',
    '"\u0000"',
    '\ufeff{}',
    '{}{}',
    '{} {}',
    '{}\n{}',
    '{},',
    '{}]',
    '[}',
    '{]',
    '{} x',
    '1 2',
    '/*c*/{}',
    '{"a":1 "b":2}',
    '[1 2]',
    '{"a" 1}',
    '{1:2}',
    '\u00a0{}',
    '{}\u00a0',
    '{}\u0000',
    '\f{}',
    '{"a":1,"b"',
  ]) {
    t.equal(compact(input), undefined, JSON.stringify(input))
  }
  t.end()
})

void t.test('nests 10000 levels deep and no deeper', (t) => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const inner = open === '[' ? '' : '1'
    const text = open.repeat(10000) + inner + close.repeat(10000)
    t.equal(compact(text), text)
    t.equal(compact(` ${text} `), text)
    t.equal(compact(open + text + close), undefined)
    t.equal(compact(open.repeat(2_000_000)), undefined)
  }
  const twice = '{"a":'.repeat(9999) + '{"x":1,"x":2}' + '}'.repeat(9999)
  t.equal(compact(twice), twice.replace('"x":1,', ''))
  t.end()
})

void t.test('bytes that are not UTF-8 become U+FFFD, one each', (t) => {
  const wrap = (...bytes: number[]) =>
    compactJSON(Buffer.concat([Buffer.from('["'), Buffer.from(bytes), Buffer.from('"]')]))
  for (const [bytes, want] of [
    [[0xff], '\ufffd'],
    [[0xe2, 0x82], '\ufffd\ufffd'],
    [[0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
    [[0xc0, 0x80], '\ufffd\ufffd'],
    [[0xe2, 0x82, 0xac, 0x80, 0x41], '\u20ac\ufffdA'],
    [[0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
  ] as const) {
    t.equal(wrap(...bytes), `["${want}"]`)
  }
  t.equal(compactJSON(Buffer.from([0x5b, 0xff, 0x5d])), undefined, 'outside a string they are no JSON')
  t.end()
})

void t.test('duplicate keys', (t) => {
  for (const [input, merged, last] of [
    ['{"a":1,"a":2}', '{"a":2}', '{"a":2}'],
    ['{"a":1,"b":0,"\\u0061":"x"}', '{"a":"x","b":0}', '{"a":"x","b":0}'],
    ['{"s":{"a":1,"b":1},"s":{"b":2,"c":3}}', '{"s":{"a":1,"b":2,"c":3}}', '{"s":{"b":2,"c":3}}'],
    ['{"s":{"a":1},"s":null}', '{"s":{"a":1}}', '{"s":null}'],
    ['{"s":{"a":1},"s":5}', '{"s":5}', '{"s":5}'],
    ['{"l":[{"s":"x","n":1},{"s":"y"}],"l":[{"n":2}]}', '{"l":[{"s":"x","n":2}]}', '{"l":[{"n":2}]}'],
    [
      '{"l":[{"n":1},{"n":2}],"l":[{}],"l":[{},{"m":3}]}',
      '{"l":[{"n":1},{"n":2,"m":3}]}',
      '{"l":[{},{"m":3}]}',
    ],
    ['{"l":[1,2],"l":[]}', '{"l":[]}', '{"l":[]}'],
    ['{"l":[{"n":1}],"l":[],"l":[{"m":2}]}', '{"l":[{"m":2}]}', '{"l":[{"m":2}]}'],
    ['{"l":[{"n":1}],"l":null,"l":[{"m":2}]}', '{"l":[{"m":2}]}', '{"l":[{"m":2}]}'],
    ['{"l":[1],"l":[3,{"x":[]},4]}', '{"l":[3,{"x":[]},4]}', '{"l":[3,{"x":[]},4]}'],
    ['[{"a":1},{"a":2}]', '[{"a":1},{"a":2}]', '[{"a":1},{"a":2}]'],
    ['{"a":{"a":{"a":1}}}', '{"a":{"a":{"a":1}}}', '{"a":{"a":{"a":1}}}'],
    ['{"\\u0061":1,"b":{}}', '{"\\u0061":1,"b":{}}', '{"\\u0061":1,"b":{}}'],
    ['{"__proto__":1,"__proto__":2}', '{"__proto__":2}', '{"__proto__":2}'],
  ] as const) {
    t.equal(compact(input, STRUCTS), merged, input)
    t.equal(compact(input), last, input)
  }
  const keys = Array.from({ length: 100 }, (_, i) => `"k${i}":${i}`)
  t.equal(compact(`{${keys.join(',')}}`), `{${keys.join(',')}}`)
  t.equal(compact(`{${keys.join(',')},"k0":"again"}`), `{"k0":"again",${keys.slice(1).join(',')}}`)
  t.equal(compact(`{${keys.join(',')},"k99":"again"}`), `{${keys.slice(0, 99).join(',')},"k99":"again"}`)
  t.end()
})

/** JSON documents as text, with white space, escapes, odd numbers and duplicate keys that no printer would make. */
const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
const scalar = fc.oneof(
  fc.string({ unit: 'binary' }).map((s) => JSON.stringify(s)),
  fc
    .string()
    .map((s) => `"${[...s].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`),
  fc.constantFrom(
    'null',
    'true',
    'false',
    '9007199254740993',
    '-0',
    '1e21',
    '1E-7',
    '0.10',
    '123456789012345678901234567890',
    '"\u2028"',
  ),
)
const key = fc.oneof(
  fc.constantFrom('"a"', '"b"', '"\\u0061"', '"\\\\"', '"__proto__"'),
  fc.string().map((s) => JSON.stringify(s)),
)
const { document } = fc.letrec<{ document: string; array: string; object: string }>((tie) => ({
  document: fc
    .tuple(space, fc.oneof({ maxDepth: 5 }, scalar, tie('array'), tie('object')), space)
    .map((parts) => parts.join('')),
  array: fc.array(tie('document'), { maxLength: 5 }).map((items) => `[${items.join(',') || ' '}]`),
  object: fc
    .array(fc.tuple(space, key, space, tie('document')), { maxLength: 6 })
    .map((members) => `{${members.map(([a, k, b, v]) => `${a}${k}${b}:${v}`).join(',')}}`),
}))

void t.test('any document keeps its values, on one line', (t) => {
  fc.assert(
    fc.property(document, (text) => {
      const got = compact(text)
      t.strictSame(JSON.parse(got as string), JSON.parse(text))
      if (/[\r\n]/.test(got as string)) throw new Error('more than one line')
      if (compact(got as string) !== got) throw new Error('compacting again changed it')
      if (compactJSON(Buffer.from(text)) === undefined) throw new Error('refused')
    }),
    { numRuns: 500 },
  )
  t.end()
})

void t.test('accepts exactly what JSON.parse accepts', (t) => {
  const soup = fc.array(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '"a"',
      '1',
      '-',
      '.',
      'e',
      '0',
      'true',
      'null',
      ' ',
      '\n',
      '\u0001',
    ),
    { maxLength: 12 },
  )
  const parses = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  fc.assert(
    fc.property(
      fc.oneof(
        soup.map((s) => s.join('')),
        document.chain((d) => fc.nat(d.length).map((n) => d.slice(0, n))),
      ),
      (text) => (compact(text) !== undefined) === parses(text),
    ),
    { numRuns: 5000 },
  )
  t.end()
})
