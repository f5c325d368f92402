import { deflateRawSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { kindOfPrefix, mayBeStatus, readStatus } from '../../../src/audit/capture/read-status.js'

const NOT_FOUND = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'pods "a" not found',
  reason: 'NotFound',
  details: { name: 'a', kind: 'pods' },
  code: 404,
}
const WANT = {
  status: 'Failure',
  message: 'pods "a" not found',
  reason: 'NotFound',
  details: '{"name":"a","kind":"pods"}',
  code: 404,
}

void t.test('reads a Status, in any order and layout', (t) => {
  t.strictSame(readStatus(JSON.stringify(NOT_FOUND)), WANT)
  t.strictSame(readStatus(JSON.stringify(NOT_FOUND, null, 2) + '\n'), WANT)
  t.strictSame(readStatus(JSON.stringify(Object.fromEntries(Object.entries(NOT_FOUND).reverse()))), WANT)
  t.strictSame(
    readStatus('{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{}}'),
    {
      status: 'Success',
      details: '{}',
    },
  )
  t.strictSame(
    readStatus(
      '{"kind":"Status","apiVersion":"v1","status":5,"message":null,"reason":"","code":"x","details":[]}',
    ),
    {},
  )
  for (const other of [
    '{"kind":"Pod","apiVersion":"v1","status":"Failure"}',
    '{"kind":"Status","apiVersion":"example.com/v1","status":"Failure"}',
    '{"kind":"Status","status":"Failure"}',
    '{"apiVersion":"v1","status":"Failure"}',
    '{"items":[{"kind":"Status","apiVersion":"v1"}]}',
    '["Status"]',
    '"Status"',
    'ok',
    '',
    '{"kind":"Status" "apiVersion":"v1"}',
  ]) {
    t.equal(readStatus(other), undefined, other)
  }
  t.end()
})

void t.test('a Status that is cut off gives what was seen whole', (t) => {
  for (const text of [JSON.stringify(NOT_FOUND), JSON.stringify(NOT_FOUND, null, 2)]) {
    let fields = 0
    for (let n = 0; n <= text.length; n++) {
      const status = readStatus(text.slice(0, n))
      if (status === undefined) continue
      for (const [name, value] of Object.entries(status))
        t.equal(value, WANT[name as keyof typeof WANT], `${n}`)
      const count = Object.keys(status).length
      if (count < fields) t.fail(`lost a field at ${n}`)
      fields = count
    }
    t.equal(fields, 5)
  }
  t.end()
})

void t.test('kindOfPrefix', (t) => {
  for (const [prefix, kind] of [
    ['', undefined],
    [' \n', undefined],
    ['{', undefined],
    ['{"kind":"Sta', undefined],
    ['{"kind":"Status"', 'Status'],
    ['{\n  "apiVersion": "v1",\n  "kind": "PodList",\n  "items": [', 'PodList'],
    ['{"items":[{"kind":"Status"', undefined],
    ['{"k\\u0069nd":"Status"', 'Status'],
    ['{"kind":5,', ''],
    ['[', ''],
    ['ok', ''],
  ] as const) {
    t.equal(kindOfPrefix(prefix), kind, prefix)
  }
  t.end()
})

void t.test('mayBeStatus tells from the first bytes', (t) => {
  const list = Buffer.from(`{"kind":"PodList","apiVersion":"v1","items":["${'x'.repeat(5000)}`)
  const status = Buffer.from(JSON.stringify(NOT_FOUND))
  t.equal(mayBeStatus(list, 'json', 'identity'), false)
  t.equal(mayBeStatus(status, 'json', 'identity'), true)
  t.equal(mayBeStatus(status.subarray(0, 5), 'json', 'identity'), true)
  t.equal(mayBeStatus(gzipSync(list), 'json', 'gzip'), false)
  t.equal(mayBeStatus(gzipSync(status), 'json', 'gzip'), true)
  t.equal(mayBeStatus(gzipSync(status).subarray(0, 30), 'json', 'gzip'), true)
  t.equal(mayBeStatus(deflateRawSync(list), 'json', 'deflate'), false)
  t.equal(mayBeStatus(Buffer.from('not gzip at all'), 'json', 'gzip'), false)
  t.equal(mayBeStatus(gzipSync(Buffer.alloc(20_000_000, '[')), 'json', 'gzip'), false, 'a bomb is no Status')
  t.equal(mayBeStatus(Buffer.from('apiVersion: v1\nkind: Status\n'), 'yaml', 'identity'), true)
  t.equal(
    mayBeStatus(Buffer.from('apiVersion: v1\nitems:\n- kind: Status\nkind: PodList\n'), 'yaml', 'identity'),
    false,
  )
  const proto = (kind: string) => Buffer.from(`k8s\0\n\x0f\n\x02v1\x12\x06${kind}`.padEnd(100, '\0'))
  t.equal(mayBeStatus(proto('Status'), 'protobuf', 'identity'), true)
  t.equal(mayBeStatus(proto('PodList'), 'protobuf', 'identity'), false)
  t.equal(mayBeStatus(proto('PodList').subarray(0, 10), 'protobuf', 'identity'), true)
  t.end()
})
