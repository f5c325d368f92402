import { readFileSync } from 'node:fs'
import t from 'tap'
import type { BodyTarget } from '../../../../src/audit/capture/convert.js'
import { ProtobufConverter } from '../../../../src/audit/capture/protobuf/convert.js'
import { bytes, double, envelope, int, message, tag, varint } from './encode.js'

interface Recording {
  readonly name: string
  readonly base64: string
  readonly object: unknown
}

function readRecordings(name: string): Recording[] {
  const file = new URL(`../../../../../test/audit/capture/protobuf/recordings/${name}`, import.meta.url)
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line, withoutZeroTime) as Recording)
}

/** Kubernetes before 1.34 printed a creationTimestamp that is not set. */
function withoutZeroTime(key: string, value: unknown): unknown {
  return key === 'creationTimestamp' && value === null ? undefined : value
}

/** What kube-apiserver 1.20 sent, and what it audited. */
const recordings = readRecordings('responses.jsonl')
/** Objects with every field set, from the test data of k8s.io/api 0.37.2. */
const kinds = readRecordings('kinds.jsonl')

const limits = { maxLength: 1_000_000 }
const converter = new ProtobufConverter()

/** The object in `body`; undefined where there is none. */
const convert = (body: Buffer, { maxLength } = limits, target?: BodyTarget) => {
  const converted = converter.convert(body, { maxLength }, target)
  return 'json' in converted ? converted : undefined
}
const json = (body: Buffer) => convert(body)?.json
const object = (body: Buffer) => JSON.parse(json(body) ?? 'null') as unknown

/** The members of an object behind its kind and apiVersion. */
const members = (body: Buffer) => json(body)?.replace(/^\{"kind":"\w+","apiVersion":"[^"]+",?/, '{')

void t.test('what kube-apiserver audited is what it sent', (t) => {
  t.ok(recordings.length >= 5)
  t.ok(kinds.length >= 20)
  for (const { name, base64, object: expected } of [...recordings, ...kinds]) {
    const body = Buffer.from(base64, 'base64')
    const before = Buffer.from(body)
    const converted = convert(body, limits)
    t.same(JSON.parse(converted?.json ?? 'null'), expected, name)
    t.equal(converted?.known, true)
    t.equal(converted?.unknownFields, false)
    t.equal(converted?.kind, (expected as { kind: string }).kind)
    t.equal(converted?.apiVersion, (expected as { apiVersion: string }).apiVersion)
    t.ok(before.equals(body), 'the body is as it was')
    t.notMatch(converted?.json, /\n/)
  }
  t.end()
})

void t.test('what a request does not say its body is, its target says', (t) => {
  const core = { resource: 'configmaps', namespace: 'x', apiVersion: 'v1' }
  const meta = bytes(1, bytes(1, 'a'))
  const cases: [string, object | undefined, [string, string], string | undefined][] = [
    ['POST', core, ['', ''], 'v1 ConfigMap'],
    ['PUT', core, ['', ''], 'v1 ConfigMap'],
    ['POST', core, ['v1', ''], 'v1 ConfigMap'],
    ['POST', core, ['', 'ConfigMap'], 'v1 ConfigMap'],
    ['POST', core, ['v1', 'Secret'], 'v1 Secret'],
    ['POST', { resource: 'endpoints', apiVersion: 'v1' }, ['', ''], 'v1 Endpoints'],
    ['POST', { resource: 'deployments', apiGroup: 'apps', apiVersion: 'v1' }, ['', ''], 'apps/v1 Deployment'],
    ['PUT', { ...core, resource: 'pods', subresource: 'status' }, ['', ''], 'v1 Pod'],
    ['POST', { ...core, resource: 'pods', subresource: 'eviction' }, ['', ''], 'policy/v1 Eviction'],
    ['POST', { ...core, resource: 'pods', subresource: 'binding' }, ['', ''], 'v1 Binding'],
    ['DELETE', core, ['', ''], 'v1 DeleteOptions'],
    ['POST', { resource: 'constructor', apiVersion: 'v1' }, ['', ''], undefined],
    ['POST', { resource: 'foos', apiGroup: 'example.com', apiVersion: 'v1' }, ['', ''], undefined],
    ['POST', undefined, ['', ''], undefined],
  ]
  for (const [method, ref, said, is] of cases) {
    const fields = method === 'DELETE' ? [] : [meta]
    const converted = convert(envelope(...said, ...fields), limits, { method, ref })
    const what = `${method} ${JSON.stringify(ref)} ${said.join(' ')}`
    t.equal(converted?.known, is !== undefined, what)
    if (is === undefined) continue
    t.equal(`${converted?.apiVersion} ${converted?.kind}`, is, what)
    t.match(JSON.parse(converted?.json ?? ''), { apiVersion: is.split(' ')[0], kind: is.split(' ')[1] })
  }
  t.equal(convert(envelope('', '', meta), limits)?.known, false, 'a response says what it is')
  t.end()
})

void t.test('values', (t) => {
  const configMap = (...fields: Buffer[]) => envelope('v1', 'ConfigMap', ...fields)
  const meta = (...fields: Buffer[]) => members(configMap(bytes(1, ...fields)))
  const revision = (...fields: Buffer[]) => members(envelope('apps/v1', 'ControllerRevision', ...fields))
  const lease = (...fields: Buffer[]) =>
    members(envelope('coordination.k8s.io/v1', 'Lease', bytes(2, ...fields)))
  const port = (...fields: Buffer[]) => members(envelope('v1', 'Service', bytes(2, bytes(1, ...fields))))
  const schema = (...fields: Buffer[]) =>
    members(
      envelope(
        'apiextensions.k8s.io/v1',
        'CustomResourceDefinition',
        bytes(2, bytes(7, bytes(4, bytes(1, ...fields)))),
      ),
    )
  const crd = (text: string) => `{"spec":{"versions":[{"schema":{"openAPIV3Schema":${text}}}]}}`

  const cases: [string, string | undefined, string][] = [
    ['a zero int that is omitempty', meta(int(7, 0)), '{"metadata":{}}'],
    ['int64 max', meta(int(7, 2n ** 63n - 1n)), '{"metadata":{"generation":9223372036854775807}}'],
    ['int64 min', meta(int(7, -(2n ** 63n))), '{"metadata":{"generation":-9223372036854775808}}'],
    ['past 2^53', meta(int(7, 9007199254740993n)), '{"metadata":{"generation":9007199254740993}}'],
    ['2^53 - 1', meta(int(7, 9007199254740991n)), '{"metadata":{"generation":9007199254740991}}'],
    ['2^32', meta(int(7, 4294967296n)), '{"metadata":{"generation":4294967296}}'],
    ['-1', meta(int(7, -1)), '{"metadata":{"generation":-1}}'],
    ['-2^31 - 1', meta(int(7, -2147483649n)), '{"metadata":{"generation":-2147483649}}'],
    ['a negative int32', port(int(3, -5)), '{"spec":{"ports":[{"port":-5}]}}'],
    [
      'an int32 of 64 bits is cut as Go cuts it',
      port(int(3, 2n ** 32n + 7n)),
      '{"spec":{"ports":[{"port":7}]}}',
    ],
    ['a pointer to zero', meta(int(10, 0)), '{"metadata":{"deletionGracePeriodSeconds":0}}'],
    ['the last scalar wins', meta(bytes(1, 'a'), bytes(1, 'b')), '{"metadata":{"name":"b"}}'],
    ['a zero time', meta(bytes(8, '')), '{"metadata":{}}'],
    [
      'the epoch',
      meta(bytes(8, int(1, 0), int(2, 0))),
      '{"metadata":{"creationTimestamp":"1970-01-01T00:00:00Z"}}',
    ],
    [
      'before the epoch',
      meta(bytes(8, int(1, -1))),
      '{"metadata":{"creationTimestamp":"1969-12-31T23:59:59Z"}}',
    ],
    ['year 1', meta(bytes(8, int(1, -62135596800n))), '{"metadata":{}}'],
    [
      'year 1, a second later',
      meta(bytes(8, int(1, -62135596799n))),
      '{"metadata":{"creationTimestamp":"0001-01-01T00:00:01Z"}}',
    ],
    [
      'year 10000',
      meta(bytes(8, int(1, 253402300800n))),
      '{"metadata":{"creationTimestamp":"10000-01-01T00:00:00Z"}}',
    ],
    [
      'the end of time',
      meta(bytes(8, int(1, 2n ** 63n - 1n))),
      '{"metadata":{"creationTimestamp":"@9223372036854775807"}}',
    ],
    ['the last time wins whole', meta(bytes(8, int(1, 5)), bytes(8, '')), '{"metadata":{}}'],
    [
      'microseconds',
      lease(bytes(4, int(1, 1), int(2, 120_999))),
      '{"spec":{"renewTime":"1970-01-01T00:00:01.000120Z"}}',
    ],
    [
      'negative nanoseconds',
      lease(bytes(4, int(1, 1), int(2, -1000))),
      '{"spec":{"renewTime":"1970-01-01T00:00:00.999999Z"}}',
    ],
    [
      'a string of every kind',
      meta(bytes(1, '"\\/\n\u0001é🚢\u2028')),
      `{"metadata":{"name":${JSON.stringify('"\\/\n\u0001é🚢\u2028')}}}`,
    ],
    ['no UTF-8', meta(bytes(1, Buffer.from([0x61, 0xff, 0x62]))), '{"metadata":{"name":"a\ufffdb"}}'],
    [
      'a map',
      meta(bytes(11, bytes(1, 'b'), bytes(2, '2')), bytes(11, bytes(1, 'a'))),
      '{"metadata":{"labels":{"a":"","b":"2"}}}',
    ],
    ['a map entry without a key', meta(bytes(11, bytes(2, 'v'))), '{"metadata":{"labels":{"":"v"}}}'],
    [
      'a map entry with field 0 and others, and wire types that nobody looks at',
      meta(
        bytes(11, int(0, 5), int(9, 5), tag(1, 0), varint(1), 'a', bytes(-1, 'x'), tag(2, 5), varint(1), 'b'),
      ),
      '{"metadata":{"labels":{"a":"b"}}}',
    ],
    [
      'a key that ends behind its entry, in the message around it',
      meta(tag(11, 2), varint(2), tag(1, 2), varint(4), Buffer.concat([bytes(1, 'ab')])),
      '{"metadata":{"name":"ab","labels":{"\\n\\u0002ab":""}}}',
    ],
    [
      'the last of a key wins',
      meta(bytes(11, bytes(1, 'a'), bytes(2, '1')), bytes(11, bytes(1, 'a'), bytes(2, '2'))),
      '{"metadata":{"labels":{"a":"2"}}}',
    ],
    [
      'bytes in a map',
      members(configMap(bytes(3, bytes(1, 'k'), bytes(2, Buffer.from([0, 255]))))),
      '{"binaryData":{"k":"AP8="}}',
    ],
    [
      'messages are merged',
      members(configMap(bytes(1, bytes(1, 'a')), bytes(1, bytes(3, 'b')))),
      '{"metadata":{"name":"a","namespace":"b"}}',
    ],
    [
      'an int-or-string',
      port(bytes(4, int(1, 0), int(2, 80), bytes(3, ''))),
      '{"spec":{"ports":[{"targetPort":80}]}}',
    ],
    [
      'an int-or-string',
      port(bytes(4, int(1, 1), int(2, 0), bytes(3, 'http'))),
      '{"spec":{"ports":[{"targetPort":"http"}]}}',
    ],
    [
      'raw JSON',
      revision(bytes(2, bytes(1, '{ "a": 9007199254740993 }'))),
      '{"data":{"a":9007199254740993}}',
    ],
    ['raw nothing', revision(bytes(2, bytes(1, ''))), '{"data":null}'],
    ['raw CBOR', revision(bytes(2, bytes(1, Buffer.from('d9d9f7a141610f', 'hex')))), '{"data":{"a":15}}'],
    [
      'raw CBOR that does not say so',
      revision(bytes(2, bytes(1, Buffer.from('a0', 'hex')))),
      '{"data":"oA=="}',
    ],
    [
      'managed fields in CBOR',
      meta(bytes(17, bytes(7, bytes(1, Buffer.from('a143663a61a0', 'hex'))))),
      '{"metadata":{"managedFields":[{"fieldsV1":{"f:a":{}}}]}}',
    ],
    ['raw bytes that are no JSON', revision(bytes(2, bytes(1, '{]'))), '{"data":"e10="}'],
    [
      'a raw object',
      revision(bytes(2, bytes(1, configMap(bytes(2, bytes(1, 'k'), bytes(2, 'v')))))),
      '{"data":{"kind":"ConfigMap","apiVersion":"v1","data":{"k":"v"}}}',
    ],
    [
      'a nil list that is no omitempty',
      members(envelope('v1', 'Pod', bytes(2, ''))),
      '{"spec":{"containers":null}}',
    ],
    [
      'an empty list of objects',
      members(envelope('v1', 'PodList', bytes(1, ''))),
      '{"metadata":{},"items":[]}',
    ],
    [
      'inlined messages',
      members(
        envelope('v1', 'Pod', bytes(2, bytes(1, bytes(1, 'v'), bytes(2, bytes(2, bytes(1, 'Memory')))))),
      ),
      '{"spec":{"volumes":[{"name":"v","emptyDir":{"medium":"Memory"}}],"containers":null}}',
    ],
    ['a double', schema(double(9, 1.5e21), double(11, -0)), crd('{"maximum":1.5e+21,"minimum":-0}')],
    [
      'small and no numbers',
      schema(double(9, 1e-7), double(11, NaN)),
      crd('{"maximum":1e-7,"minimum":null}'),
    ],
    ['bool or schema: true', schema(bytes(30, int(1, 1))), crd('{"additionalProperties":true}')],
    ['bool or schema: false', schema(bytes(30, int(1, 0))), crd('{"additionalProperties":false}')],
    [
      'bool or schema: a schema',
      schema(bytes(30, int(1, 1), bytes(2, bytes(5, 'string')))),
      crd('{"additionalProperties":{"type":"string"}}'),
    ],
    [
      'schema or list: a list',
      schema(bytes(24, bytes(2, bytes(5, 'a')), bytes(2, ''))),
      crd('{"items":[{"type":"a"},{}]}'),
    ],
    ['schema or list: a schema', schema(bytes(24, bytes(1, bytes(5, 'a')))), crd('{"items":{"type":"a"}}')],
    ['a default of JSON', schema(bytes(8, bytes(1, '[1, 2.50]'))), crd('{"default":[1,2.50]}')],
  ]
  for (const [name, actual, expected] of cases) t.equal(actual, expected, name)

  const sysctl = (...fields: Buffer[]) =>
    members(envelope('v1', 'Pod', bytes(2, bytes(2, ''), bytes(14, ...fields))))
  const groups = '{"spec":{"containers":[{"name":"x"}],"securityContext":{"supplementalGroups":[1,300,-1]}}}'
  const container = (text: string) => text.replace('[{"name":"x"}]', '[{}]')
  t.equal(sysctl(int(4, 1), int(4, 300), int(4, -1)), container(groups), 'a list of numbers')
  t.equal(sysctl(bytes(4, varint(1), varint(300)), int(4, -1)), container(groups), 'a packed list of numbers')
  t.equal(
    sysctl(tag(4, 2), varint(2), varint(1), varint(300), int(4, -1)),
    container(groups),
    'the last number of a packed list ends behind it',
  )
  const rules = (...fields: Buffer[]) =>
    object(envelope('authorization.k8s.io/v1', 'SubjectAccessReview', bytes(2, ...fields)))
  t.match(
    rules(
      bytes(5, bytes(1, 'a'), bytes(2, bytes(1, 'x'), bytes(1, 'y'))),
      bytes(5, bytes(1, 'b'), bytes(2, '')),
    ),
    { spec: { extra: { a: ['x', 'y'], b: null } } },
    'a list wrapped in a message',
  )
  t.end()
})

void t.test('kinds', (t) => {
  t.equal(json(envelope('v1', 'Status', int(6, 404))), '{"kind":"Status","apiVersion":"v1","code":404}')
  t.equal(
    json(envelope('apps/v1', 'DeleteOptions', int(1, 0))),
    '{"kind":"DeleteOptions","apiVersion":"apps/v1","gracePeriodSeconds":0}',
    'the kinds of meta belong to every API version',
  )
  t.equal(convert(envelope('apps/v1', 'Pod'), limits)?.known, false)

  const metadata = bytes(1, bytes(1, 'w'), bytes(5, 'uid'))
  const unknown = convert(envelope('example.com/v1', 'Widget', metadata, bytes(2, 'whatever')), limits)
  t.match(unknown, { known: false, unknownFields: true, apiVersion: 'example.com/v1', kind: 'Widget' })
  t.equal(
    unknown?.json,
    '{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"w","uid":"uid"}}',
  )
  const list = convert(
    envelope('example.com/v1', 'WidgetList', bytes(1, bytes(2, '7')), bytes(2, metadata, bytes(2, 'x'))),
    limits,
  )
  t.equal(
    list?.json,
    '{"kind":"WidgetList","apiVersion":"example.com/v1","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"w","uid":"uid"}}]}',
  )
  const odd = convert(envelope('example.com/v1', 'Odd', int(1, 5)), limits)
  t.same(
    JSON.parse(odd?.json ?? ''),
    { apiVersion: 'example.com/v1', kind: 'Odd' },
    'no metadata where it should be',
  )

  const newer = convert(envelope('v1', 'ConfigMap', bytes(1, bytes(1, 'n')), bytes(999, 'new')), limits)
  t.equal(newer?.json, '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"n"}}')
  t.match(newer, { known: true, unknownFields: true })
  t.equal(convert(envelope('v1', 'ConfigMap', bytes(1, bytes(77, ''))), limits)?.unknownFields, true)

  const posing = (raw: Buffer) =>
    message(
      'k8s\0',
      bytes(1, bytes(1, 'v1'), bytes(2, 'ConfigMap')),
      bytes(2, raw),
      bytes(4, 'application/json'),
    )
  t.equal(
    members(posing(bytes(1, bytes(1, 'n')))),
    '{"metadata":{"name":"n"}}',
    'protobuf, whatever the envelope says',
  )
  t.equal(json(posing(message('{"a":1}'))), undefined, 'JSON in the envelope')
  t.end()
})

void t.test('what is not a Kubernetes object', (t) => {
  const configMap = (...fields: Buffer[]) => envelope('v1', 'ConfigMap', ...fields)
  t.equal(json(Buffer.alloc(0)), undefined)
  t.equal(json(Buffer.from('{"kind":"Pod"}')), undefined)
  t.equal(json(Buffer.from('k8s')), undefined)
  t.equal(json(configMap(int(1, 5))), undefined, 'a number for a message')
  t.equal(json(configMap(bytes(1, bytes(7, 'x')))), undefined, 'a string for a number')
  t.equal(json(configMap(bytes(2, int(1, 5)))), undefined, 'a key beyond the end')
  t.equal(json(configMap(bytes(2, tag(1, 4)))), undefined, 'a key without a length')
  t.equal(json(configMap(bytes(2, tag(3, 4)))), undefined, 'the end of no group in a map')
  t.equal(
    json(configMap(bytes(2, tag(3, 2), varint(9)), bytes(2, ''))),
    undefined,
    'skipped beyond the entry',
  )
  t.equal(json(configMap(tag(0, 0))), undefined, 'field 0')
  t.equal(json(configMap(tag(50, 6))), undefined, 'a wire type that is none')
  t.equal(json(configMap(tag(50, 4))), undefined, 'the end of no group')
  t.equal(json(configMap(tag(50, 3))), undefined, 'a group without end')
  t.equal(json(configMap(tag(50, 0), Buffer.alloc(11, 0xff))), undefined, 'a varint without end')
  t.equal(json(configMap(tag(50, 2), varint(2n ** 40n))), undefined, 'a length beyond 2^32')
  t.equal(json(configMap(tag(50, 2), varint(-1))), undefined, 'a negative length')
  t.equal(json(configMap(tag(50, 1), Buffer.alloc(7))), undefined, 'half a number')
  t.ok(
    json(configMap(tag(50, 3), int(1, 2), tag(51, 3), tag(51, 4), bytes(3, 'x'), tag(50, 4))),
    'groups are skipped',
  )
  t.ok(json(configMap(tag(50, 5), Buffer.alloc(4), tag(50, 1), Buffer.alloc(8))), 'fixed numbers are skipped')
  t.end()
})

void t.test('hostile bodies', (t) => {
  let read = 0
  for (const { base64, name } of recordings) {
    const body = Buffer.from(base64, 'base64')
    // A cut between two fields of the envelope leaves an envelope: behind the type, or before one of the last two, empty ones.
    const typeEnds = 6 + (body[5] as number)
    for (let end = 0; end < body.length - 4; end++) {
      if (end !== typeEnds && json(body.subarray(0, end)) !== undefined) t.fail(`${name} cut at ${end}`)
    }
    for (let i = 0; i < body.length; i++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const broken = Buffer.from(body)
        broken.writeUInt8((broken[i] as number) ^ flip, i)
        const text = json(broken)
        if (text === undefined) continue
        read++
        JSON.parse(text)
      }
    }
  }
  t.ok(read > 0, 'whatever comes out is JSON')

  const nested = (depth: number) => {
    let schema = bytes(5, 'string')
    for (let i = 0; i < depth; i++) schema = bytes(28, schema)
    const versions = bytes(7, bytes(4, bytes(1, schema)))
    return envelope('apiextensions.k8s.io/v1', 'CustomResourceDefinition', bytes(2, versions))
  }
  t.equal(json(nested(9000))?.split('{"not":').length, 9001)
  t.strictSame(converter.convert(nested(10_000), limits), {
    unread: 'the body nests deeper than 10000 levels',
  })

  let raw = envelope('v1', 'ConfigMap')
  for (let i = 0; i < 600; i++) raw = envelope('apps/v1', 'ControllerRevision', bytes(2, bytes(1, raw)))
  t.match(json(raw), /^(\{"kind":"ControllerRevision","apiVersion":"apps\/v1","data":){9}"azhzA[\w+/=]+"\}+$/)
  for (let i = 0; i < 600; i++) {
    // In managedFields, of a kind that is not known.
    raw = envelope('example.com/v1', 'Widget', bytes(1, bytes(17, bytes(7, bytes(1, raw)))))
    if (raw.length > 500_000) break
  }
  t.match(json(raw), /"fieldsV1":"azhzA[\w+/=]+"\}\]\}\}$/, 'only a RawExtension holds objects')
  const broken = envelope('apps/v1', 'ControllerRevision', bytes(2, bytes(1, 'k8s\0rubbish')))
  t.equal(members(broken), '{"data":"azhzAHJ1YmJpc2g="}', 'an object in it that is broken')

  const pods = Array.from({ length: 50_000 }, () => bytes(2, bytes(2, '')))
  const items = envelope('v1', 'PodList', Buffer.concat(pods))
  t.match(converter.convert(items, { maxLength: 500_000 }), { tooLong: /^.{0,500000}$/ }, 'long output')
  t.equal(convert(items, { maxLength: 10_000_000 })?.known, true)
  const small = envelope('v1', 'ConfigMap', bytes(1, bytes(1, 'n')))
  const { length } = json(small) as string
  t.ok(convert(small, { maxLength: length }))
  t.strictSame(converter.convert(small, { maxLength: length - 1 }), {
    tooLong: '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"n"}',
  })
  const embedded = envelope('apps/v1', 'ControllerRevision', bytes(2, bytes(1, `"${'x'.repeat(1000)}"`)))
  t.equal(convert(embedded, { maxLength: 1000 }), undefined)
  const outer = envelope('apps/v1', 'ControllerRevision', bytes(2, bytes(1, small)))
  t.strictSame(
    converter.convert(outer, { maxLength: 110 }),
    {
      tooLong:
        '{"kind":"ControllerRevision","apiVersion":"apps/v1","data":{"kind":"ConfigMap","apiVersion":"v1","metadata":{',
    },
    'an object in it is too long',
  )

  const controls = envelope('v1', 'ConfigMap', bytes(2, bytes(1, 'k'), bytes(2, Buffer.alloc(300_000, 1))))
  t.match(
    converter.convert(controls, limits),
    { tooLong: /"data":\{"k":$/ },
    'each is six characters in JSON',
  )

  const containers = envelope('v1', 'Pod', bytes(2, Buffer.alloc(1_572_000, bytes(2, ''))))
  t.strictSame(
    converter.convert(containers, { maxLength: 1_572_864 }),
    { tooLong: '{"kind":"Pod","apiVersion":"v1","spec":{"containers":' },
    'there is no room for so many',
  )
  t.equal(convert(containers, { maxLength: 2_400_000 })?.json.length, 54 + 3 * 786_000 + 2)
  t.end()
})
