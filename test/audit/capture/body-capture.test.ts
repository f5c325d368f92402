import { randomBytes } from 'node:crypto'
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import type { ObjectReference } from '../../../src/audit/event.js'
import { Captures } from '../../../src/audit/capture/body-capture.js'
import type { CaptureEnvironment } from '../../../src/audit/capture/held-capture.js'
import { cborToJSON } from '../../../src/audit/capture/cbor/convert.js'
import type { BodyCapture, CaptureWants } from '../../../src/audit/capture/capture.js'
import type { CapturedBody } from '../../../src/audit/captured-body.js'
import { BodyReader, type BodyReaderOptions } from '../../../src/audit/capture/body-reader.js'
import { CaptureBudget } from '../../../src/audit/capture/capture-budget.js'
import type { Readings } from '../../../src/audit/capture/threads/readings.js'
import { ProtobufConverter } from '../../../src/audit/capture/protobuf/convert.js'
import { Redactor } from '../../../src/audit/capture/redact/redactor.js'

const ALL: CaptureWants = { object: true, metadata: true, status: true, omitManagedFields: false }
const METADATA: CaptureWants = { object: false, metadata: true, status: false, omitManagedFields: false }
const STATUS: CaptureWants = { object: false, metadata: false, status: true, omitManagedFields: false }
const POD =
  '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"ns","managedFields":[]},"n":9007199254740993}'
const NOT_FOUND =
  '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"gone","reason":"NotFound","code":404}'

interface Described {
  mediaType?: string
  contentEncoding?: string
  method?: string
  ref?: ObjectReference
}

/** Reads at once what is not read at once. */
const readingsBy = (reader: BodyReader): Readings => ({
  read: (_user, bytes, question, maxGrowth) => ({
    done: Promise.resolve(reader.read(bytes, question, maxGrowth) ?? 'thread'),
    cancel: () => undefined,
  }),
})

const setUp = (options: Partial<CaptureEnvironment & BodyReaderOptions> = {}) => {
  const truncated: string[] = []
  const budget = options.budget ?? new CaptureBudget(256 << 20)
  const reader = new BodyReader({
    maxBodyBytes: 3 << 20,
    redactor: undefined,
    converters: {
      yaml: (text) =>
        text.startsWith('kind: ') ? JSON.stringify({ kind: text.slice(6).trim() }) : undefined,
      protobuf: {
        goType: () => undefined,
        convert: (body) => {
          const kind = body.toString().slice(4)
          if (!body.toString().startsWith('k8s\0')) return { unread: 'no prefix' }
          if (kind === 'Long') return { tooLong: '{"kind":"Long","metadata":{"name":"p"},"data":{' }
          const known = kind !== 'Widget'
          return {
            json: `{"kind":"${kind}","apiVersion":"v1","metadata":{"name":"p"}}`,
            known,
            unknownFields: kind === 'Newer',
            apiVersion: 'v1',
            kind,
          }
        },
      },
      cbor: cborToJSON,
    },
    ...options,
  })
  const captures = new Captures({
    maxBodyBytes: 3 << 20,
    budget,
    reader,
    readings: readingsBy(reader),
    onTruncated: (kind, limit) => truncated.push(`${kind} ${limit}`),
    ...options,
  })
  const body = (d: Described) => ({
    mediaType: 'application/json',
    contentEncoding: undefined,
    method: 'GET',
    ref: undefined,
    user: 'alice',
    ...d,
  })
  return {
    budget,
    truncated,
    request: (wants: CaptureWants, d: Described = {}) =>
      captures.request(wants, body({ method: 'POST', ...d })),
    response: (wants: CaptureWants, d: Described = {}) => captures.response(wants, body(d)),
  }
}

/** Sends `text` through in pieces of `size` bytes. */
const feed = async (
  capture: BodyCapture | undefined,
  text: string | Buffer,
  size = 1e9,
  complete = true,
): Promise<CapturedBody> => {
  if (capture === undefined) throw new Error('no capture')
  const bytes = Buffer.from(text)
  for (let i = 0; i < bytes.length; i += size) capture.write(bytes.subarray(i, i + size))
  return capture.end(complete)
}

void t.test('a request', async (t) => {
  const { request, budget } = setUp()
  for (const size of [1, 10, 1e9]) {
    const got = await feed(request(ALL), ` ${POD}\n`, size)
    t.match(got, { json: POD, metadata: { name: 'a', namespace: 'ns' } })
    t.equal(got.status, undefined)
    t.equal(got.annotations, undefined)
  }
  t.match(await feed(request({ ...ALL, omitManagedFields: true }), POD), {
    json: POD.replace(',"managedFields":[]', ''),
  })
  t.equal((await feed(request(METADATA), POD)).json, undefined)
  t.strictSame((await feed(request(METADATA), POD)).metadata, { name: 'a', namespace: 'ns' })
  t.equal(request(STATUS), undefined, 'a request has no status')
  t.equal((await feed(request({ ...ALL, status: true }), NOT_FOUND)).status, undefined)
  t.strictSame(await feed(request(ALL), ''), {})
  for (const bad of ['{', '{}{}', '\ufeff{}', 'k: v', POD.slice(1)])
    t.equal((await feed(request(ALL), bad)).json, undefined, bad)
  t.strictSame((await feed(request(ALL), POD, 10, false)).json, undefined, 'cut off')
  t.equal(budget.used, 0)
  t.end()
})

void t.test('a response', async (t) => {
  const { response, budget } = setUp()
  t.match(await feed(response(ALL), `${POD}\n`), { json: POD, status: undefined })
  t.match(await feed(response(ALL), NOT_FOUND), {
    json: NOT_FOUND,
    status: { code: 404, reason: 'NotFound', message: 'gone' },
  })
  for (const size of [1, 20, 1e9])
    t.match(await feed(response(STATUS), NOT_FOUND, size), { json: undefined, status: { code: 404 } })
  t.match(await feed(response(STATUS), JSON.stringify(JSON.parse(NOT_FOUND), null, 2)), {
    status: { code: 404 },
  })
  t.equal((await feed(response(STATUS), POD)).status, undefined)
  t.match(
    await feed(response(ALL), NOT_FOUND, 10, false),
    { json: undefined, status: { code: 404 } },
    'cut off behind the Status',
  )
  t.equal(response(ALL, { method: 'HEAD' }), undefined)
  t.equal(response({ ...ALL, object: false, metadata: false, status: false }), undefined)
  t.equal(budget.used, 0)
  t.end()
})

void t.test('a response that is no Status is let go by its first chunk', async (t) => {
  const { response, budget } = setUp()
  const capture = response(STATUS)
  capture?.write(Buffer.from('{"kind":"PodList","apiVersion":"v1","items":['))
  t.equal(budget.used, 0)
  capture?.write(Buffer.alloc(100000))
  t.equal(budget.used, 0)
  t.strictSame(capture?.end(true), {})

  const status = response(STATUS)
  status?.write(Buffer.from('{"kind":"Sta'))
  t.equal(budget.used, 12)
  const long = `tus","apiVersion":"v1","code":500,"message":"${'x'.repeat(100000)}","status":"Failure"}`
  status?.write(Buffer.from(long))
  t.equal(budget.used, 0, 'a Status longer than 64 KiB')
  t.strictSame((await status?.end(true))?.status, { code: 500 })
  t.end()
})

void t.test('media types', async (t) => {
  const { request, response } = setUp()
  for (const mediaType of [
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON',
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/strategic-merge-patch+json',
  ]) {
    t.equal(
      (await feed(request(ALL, { mediaType, method: 'PATCH' }), '[{"op":"remove"}]')).json,
      '[{"op":"remove"}]',
      mediaType,
    )
  }
  for (const mediaType of ['text/plain', 'application/octet-stream', 'json']) {
    const unread = { 'kube-audit-proxy.io/unread-request-object': 'the body is of a type that is not read' }
    t.strictSame(await feed(request(ALL, { mediaType }), POD), { annotations: unread }, mediaType)
    t.strictSame(await feed(request(ALL, { mediaType }), ''), {}, 'no body')
    t.equal(request(METADATA, { mediaType }), undefined, mediaType)
    t.equal(response(ALL, { mediaType }), undefined, mediaType)
  }
  for (const parameters of [
    ';stream=watch',
    '; charset=utf-16',
    ';as=Table;g=meta.k8s.io;v=v1',
    ';x="',
    ' ;',
  ]) {
    t.equal(
      (await feed(request(ALL, { mediaType: `application/json${parameters}` }), POD)).json,
      POD,
      parameters,
    )
  }
  t.equal(response(ALL, { mediaType: 'application/json;stream=watch' }), undefined)
  t.equal(response(ALL, { mediaType: 'application/vnd.kubernetes.protobuf;stream=watch' }), undefined)
  for (const method of ['GET', 'HEAD', 'OPTIONS'])
    t.equal(request(ALL, { method }), undefined, `nobody reads a body of ${method}`)
  t.equal((await feed(request(ALL, { mediaType: '' }), '{}')).json, '{}', 'a request without a type is JSON')
  t.equal(response(ALL, { mediaType: '' }), undefined)
  for (const mediaType of ['application/yaml', 'application/apply-patch+yaml']) {
    t.equal((await feed(request(ALL, { mediaType }), 'kind: Pod\n')).json, '{"kind":"Pod"}')
    t.equal((await feed(request(ALL, { mediaType }), '{"n":1e21}')).json, '{"n":1e21}', 'JSON is YAML')
    t.equal((await feed(request(ALL, { mediaType }), '\t')).json, undefined)
  }
  const protobuf = { goType: () => undefined, convert: () => ({ unread: 'no prefix' }) }
  const yamlStatus = setUp({ converters: { yaml: () => NOT_FOUND, protobuf, cbor: cborToJSON } })
  const yaml = { mediaType: 'application/yaml' }
  t.match(await feed(yamlStatus.response(STATUS, yaml), 'apiVersion: v1\nkind: Status\n'), {
    status: { code: 404 },
  })
  t.strictSame(
    await feed(yamlStatus.response(STATUS, yaml), 'apiVersion: v1\nitems: []\nkind: PodList\n'),
    {},
  )
  const mediaType = 'application/vnd.kubernetes.protobuf'
  t.match(await feed(request(ALL, { mediaType }), 'k8s\0Pod'), {
    json: '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}}',
    metadata: { name: 'p' },
    annotations: undefined,
  })
  t.match((await feed(request(ALL, { mediaType }), 'k8s\0Widget')).annotations, {
    'kube-audit-proxy.io/unknown-kind': 'v1, Kind=Widget',
  })
  t.match((await feed(request(ALL, { mediaType }), 'k8s\0Newer')).annotations, {
    'kube-audit-proxy.io/unknown-fields': 'v1, Kind=Newer',
  })
  t.strictSame(await feed(request(ALL, { mediaType }), 'rubbish'), {
    annotations: { 'kube-audit-proxy.io/unread-request-object': 'no prefix' },
  })
  t.strictSame((await feed(response(STATUS, { mediaType }), 'k8s\0Status')).status, {})
  const cbor = { mediaType: 'application/cbor' }
  const body = Buffer.from('d9d9f7a2486d65746164617461a1446e616d6541614164d641ff', 'hex')
  t.match(await feed(request(ALL, cbor), body), {
    json: '{"metadata":{"name":"a"},"d":"/w=="}',
    metadata: { name: 'a' },
    annotations: undefined,
  })
  const apply = { mediaType: 'application/apply-patch+cbor', method: 'PATCH' }
  t.equal((await feed(request(ALL, apply), body)).json, '{"metadata":{"name":"a"},"d":"/w=="}')
  t.strictSame(await feed(request(ALL, cbor), 'rubbish'), {
    annotations: {
      'kube-audit-proxy.io/unread-request-object': 'the body is not valid cbor: unexpected end',
    },
  })
  const notFound = Buffer.from(
    'd9d9f7a344636f64651901944a61706956657273696f6e427631446b696e6446537461747573',
    'hex',
  )
  for (const size of [1, 20, 1e9])
    t.strictSame((await feed(response(STATUS, cbor), notFound, size)).status, { code: 404 })
  t.strictSame(await feed(response(STATUS, cbor), body), {}, 'no Status')
  t.equal(response(ALL, { mediaType: 'application/cbor-seq' }), undefined, 'a watch')
  t.end()
})

void t.test(
  'of duplicate keys the log has what kube-apiserver keeps; patches keep managed fields',
  async (t) => {
    const pod = (members: string): string => `{"kind":"Pod","apiVersion":"v1",${members}}`
    const map = (members: string): string => `{"kind":"ConfigMap","apiVersion":"v1",${members}}`
    const { request } = setUp({
      converters: { yaml: () => undefined, protobuf: new ProtobufConverter(), cbor: cborToJSON },
    })
    for (const [sent, kept] of [
      [map('"data":{"a":"1"},"data":null'), map('"data":null')],
      [map('"data":{"a":"1"},"data":{"b":"2"}'), map('"data":{"a":"1","b":"2"}')],
      [map('"metadata":{"name":"x"},"metadata":null'), map('"metadata":{"name":"x"}')],
      [pod('"spec":{"nodeName":"n","nodeName":null}'), pod('"spec":{"nodeName":"n"}')],
      [
        pod('"spec":{"securityContext":{"runAsUser":1},"securityContext":{"fsGroup":2}}'),
        pod('"spec":{"securityContext":{"runAsUser":1,"fsGroup":2}}'),
      ],
      [
        pod('"spec":{"securityContext":{"runAsUser":1},"securityContext":null}'),
        pod('"spec":{"securityContext":null}'),
      ],
      [
        pod('"spec":{"volumes":[{"name":"v","emptyDir":{}}],"volumes":[{"secret":{"secretName":"s"}}]}'),
        pod('"spec":{"volumes":[{"name":"v","emptyDir":{},"secret":{"secretName":"s"}}]}'),
      ],
      [
        pod('"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","creationTimestamp":null}'),
        pod('"metadata":{"creationTimestamp":null}'),
      ],
      // The kind that counts is found as encoding/json finds it.
      [
        '{"kind":"Other","Kind":"ConfigMap","apiVersion":"v1","data":{"a":"1"},"data":{"b":"2"}}',
        '{"kind":"Other","Kind":"ConfigMap","apiVersion":"v1","data":{"a":"1","b":"2"}}',
      ],
      [
        '{"kind":"Widget","apiVersion":"e.com/v1","spec":{"a":1},"spec":{"b":2}}',
        '{"kind":"Widget","apiVersion":"e.com/v1","spec":{"b":2}}',
      ],
    ] as const)
      t.equal((await feed(request(ALL), sent)).json, kept)
    const configMaps = { resource: 'configmaps', apiVersion: 'v1' }
    t.equal(
      (await feed(request(ALL, { ref: configMaps }), '{"data":{"a":"1"},"data":{"b":"2"}}')).json,
      '{"data":{"a":"1","b":"2"}}',
      'a kind that the path tells',
    )
    const twice = map('"data":{"a":"1"},"data":{"b":"2"}')
    const patch = { method: 'PATCH', mediaType: 'application/merge-patch+json' }
    t.equal((await feed(request(ALL, patch), twice)).json, map('"data":{"b":"2"}'))
    t.equal(
      (await feed(request(ALL, { mediaType: 'application/yaml' }), twice)).json,
      map('"data":{"b":"2"}'),
    )
    t.equal((await feed(request({ ...ALL, omitManagedFields: true }, { method: 'PATCH' }), POD)).json, POD)
    t.end()
  },
)

void t.test('compressed bodies', async (t) => {
  const { request, response, budget } = setUp()
  for (const [contentEncoding, compress] of [
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['identity', (text: string) => text],
  ] as const) {
    t.equal((await feed(response(ALL, { contentEncoding }), compress(POD), 7)).json, POD, contentEncoding)
    t.equal(
      (await feed(request(ALL, { contentEncoding }), POD, 7)).json,
      POD,
      'of a request it means nothing',
    )
    if (contentEncoding !== 'identity')
      t.strictSame(await feed(request(ALL, { contentEncoding }), compress(POD)), {
        annotations: { 'kube-audit-proxy.io/unread-request-object': 'the body is not valid json' },
      })
    t.match(
      await feed(response(STATUS, { contentEncoding }), compress(NOT_FOUND)),
      { status: { code: 404 } },
      contentEncoding,
    )
    t.strictSame(await feed(response(STATUS, { contentEncoding }), compress(POD)), {})
  }
  const unread = {
    annotations: { 'kube-audit-proxy.io/unread-response-object': 'the body is not valid gzip' },
  }
  t.strictSame(await feed(response(ALL, { contentEncoding: 'gzip' }), POD), unread, 'not gzip at all')
  t.strictSame(
    await feed(response(ALL, { contentEncoding: 'gzip' }), gzipSync(POD).subarray(0, 40)),
    unread,
    'cut off',
  )
  for (const contentEncoding of ['br', 'gzip, gzip']) {
    t.strictSame(await feed(response(ALL, { contentEncoding }), 'rubbish'), {
      annotations: {
        'kube-audit-proxy.io/unread-response-object': 'the body is in a content encoding that is not read',
      },
    })
    t.equal(response(STATUS, { contentEncoding }), undefined)
  }
  t.equal(budget.used, 0)
  t.end()
})

void t.test('the cap on one body', async (t) => {
  const { request, response, budget, truncated } = setUp({ maxBodyBytes: 1000 })
  const big = (n: number) => `{"metadata":{"name":"big"},"x":"${'x'.repeat(n)}"}`
  const annotations = (kind: string) => ({
    'audit.k8s.io/truncated': 'true',
    [`kube-audit-proxy.io/truncated-${kind}-object`]: 'body larger than 1000 bytes',
  })
  t.equal((await feed(request(ALL), big(1000 - big(0).length))).json?.length, 1000)
  t.strictSame(truncated, [])

  const capture = request(ALL)
  capture?.write(Buffer.from(big(500)))
  t.equal(budget.used, big(500).length)
  capture?.write(Buffer.alloc(1000))
  t.equal(budget.used, 0, 'what was held is freed at once')
  t.strictSame(truncated, ['request body'], 'and counted at once')
  capture?.write(Buffer.alloc(10))
  const got = await capture?.end(true)
  t.strictSame(got?.annotations, annotations('request'))
  t.equal(got?.json, undefined)
  t.strictSame(got?.metadata, { name: 'big' }, 'its beginning told the name')

  t.match(await feed(response(ALL), big(2000)), { json: undefined, annotations: annotations('response') })
  t.match(
    await feed(response(ALL, { contentEncoding: 'gzip' }), gzipSync(big(50000))),
    { json: undefined, annotations: annotations('response') },
    'decoded',
  )
  t.strictSame(truncated, ['request body', 'response body', 'response body'])
  t.match(
    await feed(request(ALL, { mediaType: 'application/vnd.kubernetes.protobuf' }), 'k8s\0Long'),
    { json: undefined, metadata: { name: 'p' }, annotations: annotations('request') },
    'only its JSON is larger',
  )
  truncated.pop()
  t.strictSame(await feed(request(METADATA), big(2000)), { status: undefined, metadata: { name: 'big' } })
  t.equal(
    (await feed(response(STATUS), NOT_FOUND.replace('gone', 'x'.repeat(2000)), 300)).annotations,
    undefined,
  )
  t.equal(truncated.length, 3, 'where no object was wanted, none was left out')
  t.end()
})

void t.test('the cap on all captures in flight', async (t) => {
  const budget = new CaptureBudget(100)
  const { request, truncated } = setUp({ budget })
  const leftOut = {
    'audit.k8s.io/truncated': 'true',
    'kube-audit-proxy.io/truncated-request-object': 'captures in flight over 100 bytes',
  }
  const stalled = request(ALL)
  const going = request(ALL)
  stalled?.write(Buffer.from(`{"metadata":{"name":"a"},"a":"${'x'.repeat(50)}`))
  going?.write(Buffer.from('{"a":"'))
  going?.write(Buffer.alloc(50, 'x'))
  t.strictSame(truncated, ['request total'])
  t.equal(budget.used, 56, 'the one that had stalled was freed')
  stalled?.write(Buffer.from('"}'))
  t.strictSame(await stalled?.end(true), {
    status: undefined,
    metadata: { name: 'a' },
    annotations: leftOut,
  })
  going?.write(Buffer.from('"}'))
  t.equal((await going?.end(true))?.json?.length, 58)
  t.equal(budget.used, 0)

  const alone = request(ALL)
  alone?.write(Buffer.alloc(100, ' '))
  alone?.write(Buffer.from(' '))
  t.strictSame((await alone?.end(true))?.annotations, leftOut)
  t.equal(budget.used, 0)
  t.end()
})

void t.test('redaction, of objects and of Status', async (t) => {
  const { request, response } = setUp({ redactor: new Redactor(randomBytes(32)) })
  const ref = { resource: 'secrets', apiVersion: 'v1' }
  const got = (
    await feed(request(ALL, { ref }), '{ "metadata": {"name": "s"}, "stringData": {"a": "hunter2"} }')
  ).json
  t.match(got, /^{"metadata":{"name":"s"},"stringData":{"a":"redacted:hmac-sha256:[0-9a-f]{16}"}}$/)
  const quoting = NOT_FOUND.replace('NotFound', 'BadRequest').replace(
    'gone',
    'error found in ...|hunter2|...',
  )
  for (const wants of [ALL, STATUS])
    t.notMatch(JSON.stringify(await feed(response(wants, { ref }), quoting)), /hunter2/)
  t.match((await feed(response(STATUS), quoting)).status, { message: /hunter2/ })
  t.end()
})

void t.test('the id of an issued token', async (t) => {
  const { response } = setUp()
  const jwt = (claims: string): string => `e30.${Buffer.from(claims).toString('base64url')}.c2ln`
  const review = (token: string): string =>
    JSON.stringify({ kind: 'TokenRequest', spec: {}, status: { token } })
  const wants = { ...STATUS, issuedToken: true }
  const annotations = { 'authentication.kubernetes.io/issued-credential-id': 'JTI=a-b-c' }
  const token = jwt('{"sub":"s","jti":"a-b-c"}')
  t.strictSame((await feed(response(wants), review(token), 10)).annotations, annotations)
  t.equal((await feed(response(wants), review(token))).json, undefined, 'and nothing more')
  t.match(await feed(response({ ...ALL, issuedToken: true }), review(token)), {
    json: review(token),
    annotations,
  })
  t.equal((await feed(response(ALL), review(token))).annotations, undefined)
  for (const odd of ['', 'a.b', `${token}.x`, jwt('{'), jwt('null'), jwt('{"jti":7}'), jwt('{"jti":""}')])
    t.equal((await feed(response(wants), review(odd))).annotations, undefined, odd)
  t.equal((await feed(response(wants), '{"status":"Failure","kind":"Status"}')).annotations, undefined)
  t.end()
})
