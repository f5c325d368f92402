import { readFileSync } from 'node:fs'
import t from 'tap'
import { cborToJSON } from '../../../../src/audit/capture/cbor/convert.js'
import { kindOfCBOR } from '../../../../src/audit/capture/cbor/kind.js'

interface Recording {
  readonly name: string
  readonly body: Buffer
  /** What k8s.io/apimachinery 0.37.2 makes of it; undefined: it refuses it. */
  readonly json: string | undefined
}

/** Each line is {"name":…,"hex":…} and, where it can be read, "json" behind them. */
function readRecordings(name: string): Recording[] {
  const file = new URL(`../../../../../test/audit/capture/cbor/recordings/${name}`, import.meta.url)
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => {
    const { name, hex, json } = JSON.parse(line.replace(/"json":(.*)\}$/, asString)) as {
      name: string
      hex: string
      json?: string
    }
    return { name, body: Buffer.from(hex, 'hex'), json }
  })
}

/** The JSON text itself, so that its numbers stay as they are. */
function asString(_: string, json: string): string {
  return `"json":${JSON.stringify(json)}}`
}

/** Go sorts keys; numbers past 2^53 are compared as text. */
function parse(json: string | undefined): unknown {
  if (json === undefined) return undefined
  return JSON.parse(json.replace(/(?<=[:[,]|^)-?\d{16,}(?=[,}\]]|$)/g, '"integer $&"'))
}

const limits = { maxLength: 1_000_000 }
const values = readRecordings('values.jsonl')
const objects = readRecordings('objects.jsonl')
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** `times` copies of the bytes. */
const repeated = (text: string, times: number) => Buffer.alloc(times * hex(text).length, hex(text))

void t.test('values are read or refused as kube-apiserver does', (t) => {
  t.ok(values.length >= 150)
  for (const { name, body, json } of values) {
    const converted = cborToJSON(body, limits)
    if (json === undefined) t.match(converted, { unread: /^the body is not valid cbor: / }, name)
    else if ('json' in converted) t.same(parse(converted.json), parse(json), name)
    else t.fail(`${name}: ${JSON.stringify(converted)}`)
  }
  t.end()
})

void t.test('objects are what kube-apiserver makes of them', (t) => {
  t.ok(objects.length >= 9)
  for (const { name, body, json } of objects) {
    const converted = cborToJSON(body, limits)
    t.same(parse('json' in converted ? converted.json : undefined), parse(json), name)
    t.equal(kindOfCBOR(body), (parse(json) as { kind: string }).kind, name)
  }
  t.end()
})

void t.test('whatever comes out of a broken object is JSON', (t) => {
  let read = 0
  for (const { name, body } of objects) {
    for (let end = 0; end < body.length; end++) {
      if ('json' in cborToJSON(body.subarray(0, end), limits)) t.fail(`${name} cut at ${end}`)
      const kind = kindOfCBOR(body.subarray(0, end))
      if (kind !== undefined && kind !== kindOfCBOR(body)) t.fail(`the kind of ${name} cut at ${end}`)
      for (const flip of [0x01, 0x20, 0xff]) {
        const broken = Buffer.from(body)
        broken.writeUInt8((broken[end] as number) ^ flip, end)
        const converted = cborToJSON(broken, limits)
        if (!('json' in converted)) continue
        read++
        JSON.parse(converted.json)
      }
    }
  }
  t.ok(read > 0)
  t.end()
})

void t.test('hostile bodies', (t) => {
  const unread = (reason: string) => ({ unread: reason })
  const deep = unread('the body nests deeper than 10000 levels')
  const ends = unread('the body is not valid cbor: unexpected end')
  const closed = (times: number) => Buffer.concat([repeated('81', times), hex('01')])
  t.same(cborToJSON(closed(10_000), limits), { json: `${'['.repeat(10_000)}1${']'.repeat(10_000)}` })
  t.same(cborToJSON(closed(10_001), limits), deep)
  t.same(cborToJSON(repeated('81', 1_000_000), limits), deep, 'arrays')
  t.same(cborToJSON(repeated('a1 40', 1_000_000), limits), deep, 'maps')
  t.same(cborToJSON(repeated('9f', 1_000_000), limits), deep, 'arrays of indefinite length')
  t.same(cborToJSON(repeated('d6', 1_000_000), limits), deep, 'tags')
  t.same(cborToJSON(repeated('9a 000fffff', 200_000), limits), ends, 'more items than bytes')
  t.same(cborToJSON(hex('9a 7fffffff'), limits), ends)
  t.same(
    cborToJSON(Buffer.concat([hex('5f'), repeated('40', 1_000_000), hex('ff')]), limits),
    { json: '""' },
    'a string in a million pieces',
  )
  const strings = Buffer.concat([hex('9f'), repeated('5f 41 61 ff', 200_000), hex('ff')])
  t.same(cborToJSON(strings, limits), { json: `[${'"a",'.repeat(199_999)}"a"]` }, 'many strings in pieces')
  t.same(cborToJSON(Buffer.concat([hex('9a 000f4240'), repeated('80', 1_000_000)]), limits), { tooLong: '' })
  t.match(cborToJSON(Buffer.concat([hex('9f'), repeated('80', 1_000_000), hex('ff')]), limits), {
    tooLong: /^\[\[\],.{0,1000000}$/,
  })
  const long = hex(`a2 44 6b696e64 43 506f64 41 61 5a 0002ab98 ${'01'.repeat(175_000)}`)
  t.same(
    cborToJSON(long, limits),
    { tooLong: '{"kind":"Pod","a":' },
    'a string that is six times as long in JSON',
  )
  t.end()
})

void t.test('the kind of a body of which only the beginning is there', (t) => {
  const cases: [string, string | undefined][] = [
    ['', undefined],
    ['d9d9f7', undefined],
    ['d9d9f7 a2 44 6b696e64', undefined],
    ['d9d9f7 a2 44 6b696e64 46 537461747573', 'Status'],
    ['a2 64 6b696e64 66 537461747573', 'Status'],
    ['a3 44 64617461 a1 41 61 82 01 c6 9f ff 44 6b696e64 43 506f64', 'Pod'],
    ['bf 01 02 44 6b696e64 43 506f64', 'Pod'],
    ['a2 44 6b696e64 01', ''],
    ['a1 44 64617461 9a 00ffffff 01', undefined],
    ['a0', ''],
    ['bf ff', ''],
    ['80', ''],
    ['a1 1c', ''],
  ]
  for (const [text, kind] of cases) t.equal(kindOfCBOR(hex(text)), kind, text)
  t.equal(kindOfCBOR(Buffer.concat([hex('a1 41 61'), repeated('81', 60_000)])), undefined)
  t.end()
})
