import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { cborToJSON } from '../../src/audit/capture/cbor/convert.js'
import { toJSON, type Converters } from '../../src/audit/capture/convert.js'
import { compactJSON } from '../../src/audit/capture/json/json.js'
import { withoutManagedFields } from '../../src/audit/capture/managed-fields.js'
import { ProtobufConverter } from '../../src/audit/capture/protobuf/convert.js'
import { Redactor } from '../../src/audit/capture/redact/redactor.js'
import { yamlToJSON } from '../../src/audit/capture/yaml/yaml.js'
import { bytes, double, envelope, int, message } from '../audit/capture/protobuf/encode.js'
import { assert, mutated, readLine, soup, target, type FuzzTarget } from './target.js'

const protobuf = new ProtobufConverter()
const converters: Converters = { yaml: yamlToJSON, protobuf, cbor: cborToJSON }
const MAX_LENGTH = 100_000

/** The text that a body is recorded as: one line, and never because something in here broke. */
function recorded(
  body: Buffer,
  encoding: 'json' | 'yaml' | 'protobuf' | 'cbor',
  isPatch: boolean,
): string | undefined {
  const before = Buffer.from(body)
  const got = toJSON(body, encoding, isPatch, converters, MAX_LENGTH)
  assert(before.equals(body), 'the body was changed')
  if (got === undefined || 'tooLong' in got) return undefined
  if ('unread' in got) {
    assert(!got.unread.startsWith('reading the body failed'), got.unread)
    return undefined
  }
  readLine(got.json)
  return got.json
}

const JSON_PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '"a"',
  '"data"',
  '"kind"',
  '\\',
  '\\u0061',
  '\\ud800',
  'null',
  'true',
  '1',
  '-0',
  '1e5',
  '.5',
  ' ',
  '\n',
  '\u2028',
  '\ufeff',
  '{"a":',
  '"Secret"',
]
const YAML_PIECES = [
  'a: b\n',
  '- ',
  '  ',
  '\n',
  '---\n',
  '...\n',
  '? ',
  ': ',
  '&a ',
  '*a',
  '<<: ',
  '!!str ',
  '!!binary ',
  '|\n',
  '>-\n',
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  ',',
  '#',
  '%YAML 1.1\n',
  '\t',
  '\u2028',
  '\u0085',
  '0x1F',
  '1:30',
  'yes',
  '~',
  '.inf',
  '2001-01-01',
  '\\x41',
  'kind: Secret\n',
]

/** A document of JSON, as text. */
const document = fc.json({ maxDepth: 5 })

const json = target(
  'JSON',
  fc.tuple(mutated(fc.oneof(document, soup(JSON_PIECES)).map((text) => Buffer.from(text))), fc.boolean()),
  ([body, isPatch]) => {
    const text = recorded(body, 'json', isPatch)
    if (text === undefined) return
    assert(compactJSON(Buffer.from(text)) === text, 'what is compact changes')
    const slim = withoutManagedFields(text)
    readLine(slim)
    assert(withoutManagedFields(slim) === slim, 'managed fields are left')
  },
)

/** What JSON.parse makes of a text that has no key twice is what is recorded. */
const reference = target('JSON as JSON.parse reads it', fc.tuple(document, fc.nat(4)), ([text, indent]) => {
  const spaced = JSON.stringify(JSON.parse(text), undefined, indent)
  const got = recorded(Buffer.from(spaced), 'json', true)
  assert(got === JSON.stringify(JSON.parse(text)), `read as ${String(got)}`)
})

const yaml = target(
  'YAML',
  mutated(fc.oneof(soup(YAML_PIECES), document).map((text) => Buffer.from(text))),
  (body) => {
    const text = recorded(body, 'yaml', true)
    if (text === undefined || text.length > 10_000) return
    const again = yamlToJSON(text)
    assert(
      again === undefined || isDeepStrictEqual(JSON.parse(again), JSON.parse(text)),
      'as YAML it says something else',
    )
  },
)

const field: fc.Arbitrary<Buffer> = fc.letrec<{ field: Buffer }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 4 },
    fc.tuple(fc.integer({ min: 0, max: 30 }), fc.bigInt(0n, 2n ** 64n - 1n)).map(([n, v]) => int(n, v)),
    fc.tuple(fc.integer({ min: 0, max: 30 }), fc.double()).map(([n, v]) => double(n, v)),
    fc.tuple(fc.integer({ min: 0, max: 30 }), fc.string()).map(([n, v]) => bytes(n, v)),
    fc
      .tuple(fc.integer({ min: 1, max: 30 }), fc.array(tie('field'), { maxLength: 5 }))
      .map(([n, v]) => bytes(n, ...v)),
  ),
})).field
const KINDS: readonly (readonly [string, string])[] = [
  ['v1', 'Pod'],
  ['v1', 'Secret'],
  ['v1', 'ConfigMap'],
  ['apps/v1', 'Deployment'],
  ['v1', 'Status'],
  ['v1', 'Newer'],
  ['v1', 'List'],
  ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
]
const object = fc
  .tuple(fc.constantFrom(...KINDS), fc.array(field, { maxLength: 8 }))
  .map(([[version, kind], fields]) => envelope(version, kind, ...fields))

const proto = target('protobuf', mutated(object), (body) => void recorded(body, 'protobuf', false))

const HEADS = Array.from({ length: 256 }, (_, i) => i)
const item = fc
  .array(
    fc.oneof(
      fc.constantFrom(...HEADS).map((byte) => Buffer.from([byte])),
      fc.string({ maxLength: 5 }).map((text) => message(Buffer.from([0x60 | Buffer.byteLength(text)]), text)),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts))
const cbor = target('CBOR', mutated(item), (body) => void recorded(body, 'cbor', false))

const SECRET = 'correct-horse-battery'
const redactor = new Redactor(Buffer.alloc(32, 7))
const others = fc.dictionary(
  fc.constantFrom('a', 'metadata', 'Data', 'data2', 'kinds', '__proto__', 'x'),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 3 },
)
const kind = fc.constantFrom('Secret', 'Secret', '\\u0053ecret')
const values = fc.dictionary(
  fc.string({ maxLength: 5 }),
  fc.constantFrom(SECRET, Buffer.from(SECRET).toString('base64'), `${SECRET}\n`),
  { minKeys: 1, maxKeys: 3 },
)
/** A Secret somewhere in a body: its text, with keys in any order and what may come around it. */
const hidden = fc
  .tuple(
    kind,
    fc.constantFrom('data', 'stringData', 'd\\u0061ta', 'DATA'),
    values,
    others,
    fc.boolean(),
    fc.array(fc.constantFrom('list', 'object', 'item', 'table'), { maxLength: 5 }),
  )
  .map(([kind, key, values, others, first, around]) => {
    const members = [
      `"kind":"${kind}"`,
      `"${key}":${JSON.stringify(values)}`,
      ...Object.entries(others).map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`),
    ]
    let text = `{${(first ? members : members.reverse()).join()}}`
    for (const wrapper of around) {
      if (wrapper === 'list') text = `[${text}]`
      else if (wrapper === 'object') text = `{"x":1,"spec":${text}}`
      else if (wrapper === 'item') text = `{"kind":"List","items":[${text},{}]}`
      else text = `{"kind":"Table","rows":[{"cells":[],"object":${text}}]}`
    }
    return text
  })
const REFS = [
  undefined,
  { resource: 'secrets', apiVersion: 'v1' },
  { resource: 'configmaps', apiVersion: 'v1' },
]
const redact = target(
  'redaction',
  fc.tuple(hidden, fc.constantFrom(...REFS), fc.constantFrom('request', 'response', 'deletion')),
  ([text, ref, origin]) => {
    const compact = compactJSON(Buffer.from(text))
    if (compact === undefined) return
    const redacted = redactor.redact(compact, ref, origin)
    readLine(redacted)
    for (const leak of [SECRET, Buffer.from(SECRET).toString('base64')])
      assert(!redacted.includes(leak), `it has the secret: ${redacted}`)
    readLine(redactor.redact(redacted, ref, origin))
  },
)
const redactAnything = target(
  'redaction of anything',
  fc.tuple(
    fc.oneof(document, soup(JSON_PIECES)),
    fc.constantFrom(...REFS),
    fc.constantFrom('request', 'response', 'deletion'),
  ),
  ([text, ref, origin]) => {
    const compact = compactJSON(Buffer.from(text))
    if (compact !== undefined) readLine(redactor.redact(compact, ref, origin))
  },
)

export const bodies: readonly FuzzTarget[] = [json, reference, yaml, proto, cbor, redact, redactAnything]
