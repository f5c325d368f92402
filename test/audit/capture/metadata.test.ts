import t from 'tap'
import { readObjectHeader, readPrefixMetadata } from '../../../src/audit/capture/metadata.js'

void t.test('readObjectHeader', (t) => {
  for (const [text, want] of [
    [
      '{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"ns","name":"n","uid":"u","resourceVersion":"7","labels":{"name":"no"}},"spec":{}}',
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: 'ns', name: 'n', uid: 'u', resourceVersion: '7' },
      },
    ],
    [
      '{"spec":{"kind":"X","metadata":{"name":"no"}},"metadata":{"name":"a\\"\\u0062"}}',
      { metadata: { name: 'a"b' } },
    ],
    ['{"metadata":{"name":7,"uid":null,"namespace":["x"],"resourceVersion":""},"kind":{}}', {}],
    ['{"metadata":"x","kind":"K"}', { kind: 'K' }],
    ['{"metadata":{}}', {}],
    ['[{"kind":"Pod"}]', {}],
    ['"kind"', {}],
    ['7', {}],
    ['{}', {}],
  ] as const) {
    t.strictSame(readObjectHeader(text), want, text)
  }
  t.end()
})

void t.test('readPrefixMetadata takes metadata only whole', (t) => {
  const text = '{ "kind": "ConfigMap", "metadata": { "name": "big", "namespace": "ns" }, "data": { "a": "'
  t.strictSame(readPrefixMetadata(text), { name: 'big', namespace: 'ns' })
  const whole = text.indexOf('}') + 1
  for (let n = 0; n < whole; n++) t.equal(readPrefixMetadata(text.slice(0, n)), undefined, `${n} characters`)
  t.equal(readPrefixMetadata('{"metadata":{"name":}}'), undefined)
  t.end()
})
