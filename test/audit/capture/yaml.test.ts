import fc from 'fast-check'
import t from 'tap'
import { yamlToJSON } from '../../../src/audit/capture/yaml/yaml.js'
import { ACCEPTED, DOCUMENTS, KEYS, REFUSED, SCALARS } from './yaml-facts.js'

/** A test's name. TAP's readers break lines at more characters than JSON escapes. */
const name = (text: string): string =>
  JSON.stringify(text).replace(/[^ -~]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`)

void t.test('scalars', async (t) => {
  for (const [text, json] of SCALARS) {
    t.equal(yamlToJSON(`a: ${text}`), json === undefined ? undefined : `{"a":${json}}`, name(text))
  }
})

void t.test('keys', async (t) => {
  for (const [text, json] of KEYS) t.equal(yamlToJSON(`${text}: v`), json, name(text))
})

void t.test('whole texts', async (t) => {
  for (const [text, json] of DOCUMENTS) t.equal(yamlToJSON(text), json, name(text))
})

void t.test('where we differ from kube-apiserver, we refuse, or show what it refused', async (t) => {
  for (const [text] of REFUSED) t.equal(yamlToJSON(text), undefined, name(text))
  for (const [text, json] of ACCEPTED) t.equal(yamlToJSON(text), json, name(text))
})

void t.test('bodies as clients send them and kube-apiserver answers them', async (t) => {
  t.equal(
    yamlToJSON('apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: applied\ndata:\n  x: "1"\n'),
    '{"apiVersion":"v1","data":{"x":"1"},"kind":"ConfigMap","metadata":{"name":"applied"}}',
  )
  t.equal(
    yamlToJSON(
      'apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\nmetadata:\n  creationTimestamp: "2026-11-21T02:11:26Z"\n' +
        '  managedFields:\n  - apiVersion: v1\n    fieldsType: FieldsV1\n    fieldsV1:\n      f:data:\n' +
        '        .: {}\n        f:k: {}\n    manager: recorder\n    operation: Update\n' +
        '    time: "2026-11-21T02:11:26Z"\n  name: one\n  namespace: corpus-a\n  resourceVersion: "443"\n' +
        '  uid: 8bccfbc2-3645-41ac-a1e5-e509ba7a3b8b\n',
    ),
    '{"apiVersion":"v1","data":{"k":"v"},"kind":"ConfigMap","metadata":{"creationTimestamp":"2026-11-21T02:11:26Z",' +
      '"managedFields":[{"apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:k":{}}},' +
      '"manager":"recorder","operation":"Update","time":"2026-11-21T02:11:26Z"}],"name":"one","namespace":"corpus-a",' +
      '"resourceVersion":"443","uid":"8bccfbc2-3645-41ac-a1e5-e509ba7a3b8b"}}',
  )
  // What kubectl sends as application/apply-patch+yaml.
  const json =
    '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":3,"selector":{}}}'
  t.equal(yamlToJSON(json), json)
})

void t.test('JSON is YAML', async () => {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sorted)
    if (value === null || typeof value !== 'object') return value
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(entries.map(([key, child]) => [key, sorted(child)]))
  }
  // go-yaml sees a line break in these, and what U+007F is to it no JSON encoder escapes.
  const readable = fc
    .string({ unit: 'binary' })
    .map((text) => text.replace(/[\x7f-\x9f\u2028\u2029\ufffe\uffff]/g, ''))
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      readable,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value')),
      fc.dictionary(readable, tie('value')),
    ),
  })).value
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 2), (value, indent) => {
      const object = { value }
      const json = yamlToJSON(JSON.stringify(object, undefined, indent))
      if (json === undefined || json.includes('\n')) return false
      return JSON.stringify(JSON.parse(json)) === JSON.stringify(sorted(JSON.parse(JSON.stringify(object))))
    }),
    { numRuns: 300 },
  )
})

void t.test('numbers keep their digits', async (t) => {
  t.equal(
    yamlToJSON('{"a":9007199254740993,"b":-9223372036854775808}'),
    '{"a":9007199254740993,"b":-9223372036854775808}',
  )
})

void t.test('hostile texts are refused within their limits', async (t) => {
  const lines = 'bcdefghij'
    .split('')
    .map((c, i) => `${c}: &${c} [${`*${'abcdefghij'.charAt(i)},`.repeat(9)}]\n`)
  const table: [what: string, text: string][] = [
    ['alias bomb', 'a: &a [x,x,x,x,x,x,x,x,x]\n' + lines.join('')],
    ['a large value, repeated', `a: &a "${'x'.repeat(100_000)}"\nb: [${'*a,'.repeat(1000)}]`],
    ['too many aliases', `a: &a 1\nb: [${'*a,'.repeat(250_000)}]`],
    ['an alias in itself', 'a: &a [*a]'],
    [
      'aliases that nest',
      Array.from({ length: 300 }, (_, i) => `k${i}: &k${i} [${i ? `*k${i - 1}` : ''}]\n`).join(''),
    ],
    ['deep flow', 'a: ' + '['.repeat(100_000)],
    ['deep flow, closed', 'a: ' + '['.repeat(5000) + ']'.repeat(5000)],
    ['deep blocks', 'a:\n ' + '- '.repeat(100_000)],
    ['deep keys', '? '.repeat(100_000)],
    ['too many tokens', `a: [${'1,'.repeat(300_000)}]`],
    ['an error at each byte', ']'.repeat(1_000_000)],
    ['an error at each pair', '[]'.repeat(500_000)],
    ['many tags', 'a: ' + '!x '.repeat(300_000)],
    ['documents', '---\n'.repeat(200_000)],
  ]
  for (const [what, text] of table) t.equal(yamlToJSON(text), undefined, what)
})

void t.test('limits are on what goes in and on what comes out', async (t) => {
  const text = 'a: "xxxxxxxxxx"'
  const json = '{"a":"xxxxxxxxxx"}'
  t.equal(yamlToJSON(text, { maxBytes: 18 }), json)
  t.equal(yamlToJSON(text, { maxBytes: 17 }), undefined)
  t.equal(yamlToJSON('a: &a xxxxxxxxxx\nb: *a', { maxBytes: 37 }), '{"a":"xxxxxxxxxx","b":"xxxxxxxxxx"}')
  t.equal(yamlToJSON('a: &a xxxxxxxxxx\nb: *a', { maxBytes: 30 }), undefined)
  t.equal(yamlToJSON('a: "é"', { maxBytes: 10 }), '{"a":"é"}')
  t.equal(yamlToJSON('a: "é"', { maxBytes: 9 }), undefined)
  t.equal(yamlToJSON('a: 1 # ' + 'c'.repeat(20), { maxBytes: 20 }), undefined)
  const deep = (depth: number): string => '{"a":' + '['.repeat(depth) + ']'.repeat(depth) + '}'
  t.equal(yamlToJSON(deep(150)), deep(150))
})
