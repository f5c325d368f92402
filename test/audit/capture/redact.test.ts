import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { ObjectReference } from '../../../src/audit/event.js'
import { compactJSON } from '../../../src/audit/capture/json/json.js'
import { type Origin, Redactor } from '../../../src/audit/capture/redact/redactor.js'

const key = randomBytes(32)
const redactor = new Redactor(key)
const SECRETS: ObjectReference = { resource: 'secrets', apiVersion: 'v1', namespace: 'ns' }
const PODS: ObjectReference = { resource: 'pods', apiVersion: 'v1', namespace: 'ns' }
const TOKEN: ObjectReference = { resource: 'serviceaccounts', subresource: 'token', apiVersion: 'v1' }
const REVIEWS: ObjectReference = {
  resource: 'tokenreviews',
  apiGroup: 'authentication.k8s.io',
  apiVersion: 'v1',
}
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** The marker of a value. */
const m = (value: string | Buffer) =>
  `redacted:hmac-sha256:${createHmac('sha256', key).update(value).digest('hex').slice(0, 16)}`
const b64 = (value: string) => Buffer.from(value).toString('base64')
const redact = (value: unknown, ref?: ObjectReference, origin: Origin = 'response') => {
  const text = JSON.stringify(value)
  if (compactJSON(Buffer.from(text)) !== text) throw new Error('not what compactJSON makes')
  return JSON.parse(redactor.redact(text, ref, origin)) as unknown
}

void t.test('a Secret, found by the path, by its kind, or by both', (t) => {
  const secret = {
    kind: 'Secret',
    apiVersion: 'v1',
    metadata: { name: 's', annotations: { note: 'kept' } },
    immutable: true,
    data: { a: b64('hunter2'), b: 'not base64!', c: null, d: '' },
    stringData: { a: 'hunter2', n: 5, o: { p: 'hunter2' }, l: ['hunter2'] },
    type: 'Opaque',
  }
  const want = {
    ...secret,
    data: { a: m('hunter2'), b: m('not base64!'), c: null, d: m('') },
    stringData: { a: m('hunter2'), n: m('5'), o: m('{"p":"hunter2"}'), l: m('["hunter2"]') },
  }
  const { kind: _, ...kindless } = secret
  const { kind: __, ...wantKindless } = want
  t.strictSame(redact(secret, SECRETS), want)
  t.strictSame(redact(secret, PODS), want)
  t.strictSame(redact(secret, undefined), want)
  t.strictSame(redact(kindless, SECRETS), wantKindless)
  t.strictSame(redact(kindless, PODS), kindless, 'nothing says that this is a Secret')
  t.strictSame(
    redact(Object.fromEntries(Object.entries(secret).reverse()), undefined),
    want,
    'kind comes last',
  )
  t.equal(
    redactor.redact('{"\\u006bind":"\\u0053ecret","d\\u0061ta":{"k":"aHVudGVyMg=="}}', undefined, 'response'),
    `{"\\u006bind":"\\u0053ecret","d\\u0061ta":{"k":"${m('hunter2')}"}}`,
    'spelt with escapes',
  )
  t.end()
})

void t.test('whatever the shape', (t) => {
  for (const [object, want] of [
    [
      { kind: 'Secret', data: 'hunter2' },
      { kind: 'Secret', data: m('hunter2') },
    ],
    [
      { kind: 'Secret', data: ['hunter2'] },
      { kind: 'Secret', data: m('["hunter2"]') },
    ],
    [
      { kind: 'Secret', data: 42, stringData: true },
      { kind: 'Secret', data: m('42'), stringData: m('true') },
    ],
    [
      { kind: 'Secret', data: null },
      { kind: 'Secret', data: null },
    ],
    [
      { kind: 'Secret', stringdata: { a: 'hunter2' }, Data: 'x' },
      { kind: 'Secret', stringdata: { a: m('hunter2') }, Data: m('x') },
    ],
    [
      { kind: 'Secret', type: { a: 'hunter2' } },
      { kind: 'Secret', type: { a: m('hunter2') } },
    ],
    [
      { kind: 'Secret', metadata: 'hunter2' },
      { kind: 'Secret', metadata: m('hunter2') },
    ],
    [
      { kind: 'Secret', metadata: { annotations: ['x'] } },
      { kind: 'Secret', metadata: { annotations: m('["x"]') } },
    ],
    [
      { kind: 'Whatever', password: 'hunter2' },
      { kind: 'Whatever', password: m('hunter2') },
    ],
    ['hunter2', m('hunter2')],
    [42, m('42')],
  ] as const) {
    t.strictSame(redact(object, SECRETS), want, JSON.stringify(object))
  }
  t.end()
})

void t.test('lists, Tables, and Secrets within other objects', (t) => {
  const item = { metadata: { name: 's' }, data: { a: b64('x') } }
  const wantItem = { metadata: { name: 's' }, data: { a: m('x') } }
  const secret = { kind: 'Secret', ...item }
  const wantSecret = { kind: 'Secret', ...wantItem }
  const configMap = { kind: 'ConfigMap', data: { a: 'kept' } }
  t.strictSame(redact({ kind: 'SecretList', items: [item, item] }, SECRETS), {
    kind: 'SecretList',
    items: [wantItem, wantItem],
  })
  t.strictSame(redact({ kind: 'SecretList', items: [item, 'x'] }, undefined), {
    kind: 'SecretList',
    items: [wantItem, m('x')],
  })
  t.strictSame(redact({ items: [item], kind: 'SecretList' }, PODS), { items: [wantItem], kind: 'SecretList' })
  t.strictSame(redact({ kind: 'SecretList', items: { x: item } }, SECRETS), {
    kind: 'SecretList',
    items: m(JSON.stringify({ x: item })),
  })
  t.strictSame(redact({ kind: 'List', items: [configMap, secret] }, undefined), {
    kind: 'List',
    items: [configMap, wantSecret],
  })
  t.strictSame(redact({ kind: 'Table', rows: [{ cells: ['s', 1], object: secret }] }, undefined), {
    kind: 'Table',
    rows: [{ cells: ['s', 1], object: wantSecret }],
  })
  t.strictSame(
    redact(
      { kind: 'Table', columnDefinitions: [{ name: 'Name' }], rows: [{ cells: ['s'], object: item }, 'x'] },
      SECRETS,
    ),
    {
      kind: 'Table',
      columnDefinitions: [{ name: 'Name' }],
      rows: [{ cells: ['s'], object: wantItem }, m('x')],
    },
  )
  t.strictSame(
    redact({ kind: 'Template', objects: [{ spec: { manifest: secret } }], data: { a: 'kept' } }, undefined),
    { kind: 'Template', objects: [{ spec: { manifest: wantSecret } }], data: { a: 'kept' } },
  )
  const options = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' }
  t.strictSame(redact(options, SECRETS), options)
  for (const mention of [
    { kind: 'Event', involvedObject: { kind: 'Secret', name: 's', apiVersion: 'v1' }, message: 'kept' },
    { kind: 'Pod', metadata: { ownerReferences: [{ kind: 'Secret', name: 's', uid: 'u' }] } },
    {
      kind: 'APIResourceList',
      resources: [
        { name: 'secrets', kind: 'Secret', verbs: ['get'] },
        { name: 'tokenreviews', kind: 'TokenReview', verbs: ['create'] },
      ],
    },
  ]) {
    t.strictSame(redact(mention, undefined), mention, `${mention.kind} mentions a Secret`)
  }
  t.end()
})

void t.test('what others have in data stays, to the letter', (t) => {
  for (const text of [
    '{"kind":"ConfigMap","data":{"a":"Secret","n":9007199254740993,"e":1e21,"u":"\\u003c"}}',
    '{"kind":"Pod","spec":{"volumes":[{"secret":{"secretName":"s"}}],"data":{"a":"b"}}}',
    '{"kind":"SecretStore","data":{"a":"b"}}',
    '["Secret"]',
    '"Secret"',
  ]) {
    t.equal(redactor.redact(text, PODS, 'response'), text)
  }
  t.end()
})

void t.test('patches', (t) => {
  for (const [what, patch, want] of [
    ['merge', { data: { a: b64('x'), b: null } }, { data: { a: m('x'), b: null } }],
    ['merge, all of data', { data: null, stringData: { a: 'x' } }, { data: null, stringData: { a: m('x') } }],
    [
      'strategic',
      { data: { $patch: 'replace', a: b64('x') }, $patch: 'merge' },
      { data: { $patch: 'replace', a: m('x') }, $patch: 'merge' },
    ],
    [
      'no directive',
      { $patch: 'hunter2', data: { $patch: 'hunter2' } },
      { $patch: m('hunter2'), data: { $patch: m('hunter2') } },
    ],
    [
      'add',
      [{ op: 'add', path: '/data/a', value: b64('x') }],
      [{ op: 'add', path: '/data/a', value: m('x') }],
    ],
    [
      'test',
      [{ op: 'test', path: '/stringData/a~1b', value: 'x' }],
      [{ op: 'test', path: '/stringData/a~1b', value: m('x') }],
    ],
    [
      'data',
      [{ value: { a: b64('x') }, path: '/data', op: 'replace' }],
      [{ value: { a: m('x') }, path: '/data', op: 'replace' }],
    ],
    [
      'document',
      [{ op: 'replace', path: '', value: { data: { a: b64('x') }, type: 't' } }],
      [{ op: 'replace', path: '', value: { data: { a: m('x') }, type: 't' } }],
    ],
    [
      'deep',
      [{ op: 'add', path: '/data/a/b', value: { x: ['y'] } }],
      [{ op: 'add', path: '/data/a/b', value: m('{"x":["y"]}') }],
    ],
    [
      'elsewhere',
      [
        { op: 'add', path: '/metadata/labels/a', value: 'b' },
        { op: 'remove', path: '/data/a' },
        { op: 'replace', path: '/type', value: 't' },
        { op: 'move', from: '/data/a', path: '/data/b' },
      ],
      [
        { op: 'add', path: '/metadata/labels/a', value: 'b' },
        { op: 'remove', path: '/data/a' },
        { op: 'replace', path: '/type', value: 't' },
        { op: 'move', from: '/data/a', path: '/data/b' },
      ],
    ],
    [
      'odd',
      [
        'x',
        { op: 'add', value: 'x' },
        { op: 'add', path: 5, value: 'x', more: 'x' },
        { path: 'data/a', value: 'x' },
      ],
      [
        m('x'),
        { op: 'add', value: m('x') },
        { op: 'add', path: m('5'), value: m('x'), more: m('x') },
        { path: 'data/a', value: m('x') },
      ],
    ],
  ] as const) {
    t.strictSame(redact(patch, SECRETS), want, what)
  }
  const configMapPatch = [{ op: 'add', path: '/data/a', value: 'x' }]
  t.strictSame(redact(configMapPatch, { resource: 'configmaps' }), configMapPatch)
  t.end()
})

void t.test('the object that was last applied', (t) => {
  const applied =
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { annotations: {} },
      data: { a: b64('x') },
    }) + '\n'
  const redacted = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { annotations: {} },
    data: { a: m('x') },
  })
  const at = (value: unknown, key = LAST_APPLIED) => ({
    metadata: { annotations: { other: 'kept', [key]: value } },
  })
  t.strictSame(redact(at(applied), SECRETS), at(redacted))
  t.strictSame(redact({ kind: 'Secret', ...at(applied) }, undefined), { kind: 'Secret', ...at(redacted) })
  t.strictSame(redact({ kind: 'PartialObjectMetadata', ...at(applied) }, SECRETS), {
    kind: 'PartialObjectMetadata',
    ...at(redacted),
  })
  t.strictSame(redact(at('{"data":{"a":"eA=="}}'), SECRETS), at(`{"data":{"a":"${m('x')}"}}`))
  t.strictSame(redact(at(applied, 'kapp.k14s.io/original'), SECRETS), at(redacted, 'kapp.k14s.io/original'))
  t.strictSame(
    redact(at('H4sI', 'objectset.rio.cattle.io/applied'), SECRETS),
    at(m('H4sI'), 'objectset.rio.cattle.io/applied'),
  )
  t.strictSame(redact(at('{"data":'), SECRETS), at(m('{"data":')), 'broken')
  t.strictSame(redact(at('hunter2'), SECRETS), at(m('hunter2')), 'no document')
  t.strictSame(redact(at(['x']), SECRETS), at(m('["x"]')), 'no string')
  const pointer = '/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration'
  t.strictSame(redact([{ op: 'add', path: pointer, value: applied }], SECRETS), [
    { op: 'add', path: pointer, value: redacted },
  ])
  t.strictSame(
    redact([{ op: 'add', path: pointer, value: 'hunter2' }], SECRETS),
    [{ op: 'add', path: pointer, value: m('hunter2') }],
    'the pointer is unescaped',
  )
  for (const path of ['/metadata', '/metadata/annotations']) {
    const value = path === '/metadata' ? at(applied).metadata : at(applied).metadata.annotations
    const want = path === '/metadata' ? at(redacted).metadata : at(redacted).metadata.annotations
    t.strictSame(redact([{ op: 'add', path, value }], SECRETS), [{ op: 'add', path, value: want }], path)
  }
  t.strictSame(
    redact({ kind: 'Template', ...at(JSON.stringify({ objects: [JSON.parse(applied)] })) }, undefined),
    { kind: 'Template', ...at(JSON.stringify({ objects: [JSON.parse(redacted)] })) },
  )
  const pod = at('{"kind":"Pod", "spec":{"volumes":[{"secret":{"secretName":"Secret"}}]}}\n')
  t.strictSame(redact(pod, PODS), {
    metadata: { annotations: { other: 'kept', [LAST_APPLIED]: pod.metadata.annotations[LAST_APPLIED] } },
  })
  t.end()
})

void t.test('tokens', (t) => {
  const request = {
    kind: 'TokenRequest',
    metadata: {},
    spec: { audiences: ['a'] },
    status: { token: 'ey', expirationTimestamp: 'now' },
  }
  const wantRequest = { ...request, status: { token: m('ey'), expirationTimestamp: 'now' } }
  t.strictSame(redact(request, TOKEN), wantRequest)
  t.strictSame(redact(request, PODS), wantRequest)
  t.strictSame(redact({ status: { token: 'ey' } }, TOKEN), { status: { token: m('ey') } })
  t.strictSame(redact({ status: 'ey', token: { a: 'ey' } }, TOKEN), {
    status: m('ey'),
    token: m('{"a":"ey"}'),
  })
  const review = {
    kind: 'TokenReview',
    spec: { token: 'ey', audiences: ['a'], more: 'ey' },
    status: { authenticated: true, user: { username: 'bob' } },
  }
  const wantReview = { ...review, spec: { token: m('ey'), audiences: ['a'], more: m('ey') } }
  t.strictSame(redact(review, REVIEWS), wantReview)
  t.strictSame(redact(review, undefined), wantReview)
  t.strictSame(redact({ spec: { token: { a: 'ey' } } }, REVIEWS), { spec: { token: m('{"a":"ey"}') } })
  t.strictSame(redact([{ op: 'add', path: '/spec/token', value: 'ey' }], REVIEWS), [
    { op: 'add', path: '/spec/token', value: m('ey') },
  ])
  t.strictSame(redact('ey', REVIEWS), m('ey'))
  const csr = { kind: 'CertificateSigningRequest', spec: { request: 'x' }, status: { certificate: 'y' } }
  t.strictSame(redact(csr, { resource: 'certificatesigningrequests', apiGroup: 'certificates.k8s.io' }), csr)
  t.strictSame(
    redact({ kind: 'Foo', data: 'x' }, { resource: 'secrets', apiGroup: 'example.com' }),
    { kind: 'Foo', data: 'x' },
    'another group',
  )
  t.end()
})

void t.test('a Status that quotes what it could not read', (t) => {
  const message =
    'illegal base64 data at input byte 7, error found in #10 byte of ...|"password":"hunter2!"}}|...'
  const failure = (reason: string) => ({
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    message,
    reason,
    details: { name: 's', causes: [{ reason: 'FieldValueInvalid', message, field: 'patch' }] },
    code: 400,
  })
  for (const reason of ['BadRequest', 'Invalid', 'InternalError', '']) {
    const object = failure(reason)
    const want = {
      ...object,
      message: m(message),
      details: { name: 's', causes: [{ reason: 'FieldValueInvalid', message: m(message), field: 'patch' }] },
    }
    for (const ref of [SECRETS, TOKEN, REVIEWS]) {
      t.strictSame(redact(object, ref), want)
      t.strictSame(
        redactor.redactStatus(
          { status: 'Failure', message, reason, code: 400, details: JSON.stringify(object.details) },
          ref,
        ),
        { status: 'Failure', message: m(message), reason, code: 400, details: JSON.stringify(want.details) },
      )
    }
    t.strictSame(redact(object, PODS), object)
    const status = { status: 'Failure', message, reason, code: 400 }
    t.strictSame(redactor.redactStatus(status, PODS), status)
  }
  const misplaced = {
    kind: 'Status',
    status: 'Failure',
    message: `Secret in version "v1" cannot be handled as a ConfigMap: v1.Secret.Data: ${message}`,
    reason: 'BadRequest',
  }
  t.strictSame(
    redact(misplaced, PODS),
    { ...misplaced, message: m(misplaced.message) },
    'a Secret sent elsewhere',
  )
  const { kind: _, ...fields } = misplaced
  t.strictSame(redactor.redactStatus(fields, PODS), { ...fields, message: m(misplaced.message) })
  const patched = JSON.stringify({ kind: 'Secret', stringData: { p: 'hunter2' } })
  for (const quoted of [patched, JSON.stringify(patched), 'map[KIND:Secret stringData:map[p:hunter2]]']) {
    const status = {
      kind: 'Status',
      status: 'Failure',
      message: ` "" is invalid: patch: Invalid value: ${quoted}: illegal base64 data at input byte 0`,
      reason: 'Invalid',
    }
    t.strictSame(
      redact(status, PODS),
      { ...status, message: m(status.message) },
      'a Secret that was patched in',
    )
    const { kind: _, ...fields } = status
    t.strictSame(redactor.redactStatus(fields, PODS), { ...fields, message: m(status.message) })
  }
  for (const reason of ['NotFound', 'Forbidden', 'AlreadyExists', 'Conflict']) {
    t.strictSame(redact(failure(reason), SECRETS), failure(reason))
  }
  const success = { status: 'Success', details: '{"name":"s"}' }
  t.strictSame(redactor.redactStatus(success, SECRETS), success)
  t.end()
})

const BASE64_LEAK = b64('hunter2')

void t.test('what a client says of a body can only add to what is redacted', (t) => {
  const bodies: unknown[] = []
  for (const kind of [
    'Status',
    'Table',
    'List',
    'DeleteOptions',
    'PartialObjectMetadata',
    'ConfigMap',
    'secret',
  ]) {
    for (const key of ['kind', 'Kind', 'KIND', '\u212aind']) {
      const said = { apiVersion: 'v1', [key]: kind, metadata: { name: 's' } }
      bodies.push({ ...said, data: { p: BASE64_LEAK } }, { ...said, stringData: { p: 'hunter2' } })
      bodies.push({ ...said, message: 'hunter2', password: 'hunter2', Data: { p: BASE64_LEAK } })
      bodies.push({
        ...said,
        details: { causes: 'hunter2' },
        rows: [{ object: { ...said, token: 'hunter2' } }],
      })
      bodies.push({
        ...said,
        items: [{ ...said, x: 'hunter2' }],
        Metadata: { annotations: { a: 'hunter2' } },
      })
      const applied = JSON.stringify({ ...said, data: { p: BASE64_LEAK } })
      bodies.push({ ...said, metadata: { annotations: { [LAST_APPLIED]: applied } } })
      bodies.push([{ op: 'add', path: '', value: { ...said, data: { p: BASE64_LEAK } } }])
      bodies.push([{ op: 'add', path: '/metadata/annotations', value: { [LAST_APPLIED]: applied } }])
    }
  }
  const leaks = (body: unknown, ref: ObjectReference, origin: Origin): boolean => {
    const got = redactor.redact(JSON.stringify(body), ref, origin)
    return got.includes('hunter2') || got.includes(BASE64_LEAK)
  }
  for (const body of bodies) {
    t.notOk(leaks(body, SECRETS, 'request'), JSON.stringify(body))
    if (!Array.isArray(body)) t.notOk(leaks(body, SECRETS, 'deletion'), JSON.stringify(body))
  }
  const applied = JSON.stringify({ kind: 'Status', data: { p: BASE64_LEAK } })
  const stored = { kind: 'Secret', metadata: { annotations: { [LAST_APPLIED]: applied } } }
  t.notOk(leaks(stored, SECRETS, 'response'), 'a client wrote what is in an annotation')

  for (const kind of ['Status', 'TokenRequest', 'Table']) {
    const review = {
      kind,
      apiVersion: 'authentication.k8s.io/v1',
      spec: { token: 'hunter2' },
      message: 'hunter2',
    }
    t.notOk(leaks(review, REVIEWS, 'request'), kind)
  }
  t.end()
})

void t.test('a Secret that was sent elsewhere, whatever the case of its kind', (t) => {
  for (const key of ['kind', 'Kind', 'KIND', '\u212aind', 'k\\u0069nd']) {
    for (const kind of ['Secret', 'secret', 'SECRET', 'SecretList', '\\u0053ecret']) {
      for (const status of ['', '"kind":"Status",']) {
        const body = `{${status}"${key}":"${kind}","metadata":{},"data":{"p":"hunter2"},"items":[{"Data":"hunter2"}]}`
        for (const text of [body, `{"spec":{"manifest":${body}}}`]) {
          for (const origin of ['request', 'response'] as const)
            t.notOk(redactor.redact(text, PODS, origin).includes('hunter2'), `${origin} ${text}`)
        }
      }
    }
  }
  for (const key of ['kind', 'Kind']) {
    for (const kind of ['TokenReview', 'tokenreview', 'TokenRequest']) {
      const parts = '"spec":{"token":"hunter2"},"status":{"token":"hunter2"}'
      const got = redactor.redact(`{"${key}":"${kind}","metadata":{},${parts}}`, PODS, 'request')
      t.equal(got.split('hunter2').length, 2, 'the part that has the token')
    }
  }
  const both = redactor.redact('{"kind":"Secret","Kind":"TokenReview","data":"hunter2"}', PODS, 'request')
  t.equal(both, `"${m('{"kind":"Secret","Kind":"TokenReview","data":"hunter2"}')}"`, 'of two kinds at once')
  const reference = { spec: { ref: { kind: 'secret', name: 's' } } }
  t.strictSame(redact(reference, PODS, 'request'), reference)
  t.end()
})

void t.test('the options of a deletion stay', (t) => {
  const options = {
    kind: 'DeleteOptions',
    gracePeriodSeconds: 0,
    dryRun: ['All'],
    preconditions: { uid: 'u' },
  }
  t.strictSame(redact(options, SECRETS, 'deletion'), options)
  t.strictSame(redact({ ...options, data: 'hunter2' }, SECRETS, 'deletion'), {
    ...options,
    data: m('hunter2'),
  })
  t.end()
})

void t.test('digests belong to the key', (t) => {
  const text = '{"kind":"Secret","stringData":{"a":"x","b":"x","c":"y"}}'
  const digests = (r: Redactor) =>
    (JSON.parse(r.redact(text, undefined, 'response')) as { stringData: Record<string, string> }).stringData
  const one = digests(redactor)
  t.match(one.a, /^redacted:hmac-sha256:[0-9a-f]{16}$/)
  t.equal(one.a, one.b)
  t.not(one.a, one.c)
  t.strictSame(digests(new Redactor(key)), one)
  t.not(digests(new Redactor(randomBytes(32))).a, one.a)
  t.end()
})

void t.test('hostile documents', (t) => {
  const many = Object.fromEntries(Array.from({ length: 20000 }, (_, i) => [`k${i}`, 'hunter2']))
  const got = redactor.redact(JSON.stringify({ kind: 'Secret', stringData: many }), undefined, 'response')
  t.notOk(got.includes('hunter2'))
  t.equal((JSON.parse(got) as { stringData: Record<string, string> }).stringData.k19999, 'redacted')

  const depth = 3000
  for (const [open, close] of [
    ['{"kind":"Secret","metadata":{"x":', '}}'],
    ['{"metadata":{"x":', '},"kind":"Secret"}'],
    ['{"kind":"Secret","items":[', ']}'],
    ['{"items":[', '],"kind":"Secret"}'],
    ['{"rows":[{"object":', '}]}'],
    ['{"kind":"Secret","data":{"a":', '}}'],
    ['{"data":{"a":', '},"kind":"Secret"}'],
    ['[{"kind":"TokenReview","spec":{"audiences":', '}}]'],
  ] as const) {
    const text = compactJSON(
      Buffer.from(`${open.repeat(depth)}{"kind":"Secret","data":{"a":"hunter2"}}${close.repeat(depth)}`),
    )
    for (const ref of [undefined, SECRETS]) {
      const got = redactor.redact(text as string, ref, 'response')
      t.notOk(got.includes('hunter2'), open)
      t.ok(compactJSON(Buffer.from(got)) === got)
    }
  }

  let nested = '{"kind":"Secret","data":{"a":"hunter2"}}'
  for (let i = 0; i < 12; i++)
    nested = JSON.stringify({ metadata: { annotations: { [LAST_APPLIED]: nested } } })
  t.notOk(redactor.redact(nested, undefined, 'response').includes('hunter2'))
  t.end()
})

/** A value that nothing but a leak could bring into the output. */
const LEAK = 'LEAKED'
const leaf = fc.oneof(
  fc.string({ unit: 'binary' }).map((s) => LEAK + s),
  fc.string().map((s) => b64(LEAK + s)),
  fc.array(fc.string().map((s) => LEAK + s)),
  fc.dictionary(fc.string(), fc.constant({ deep: [LEAK] })),
  fc.constant(null),
)
const values = fc.oneof(leaf, fc.dictionary(fc.oneof(fc.string(), fc.constant('$patch')), leaf))
const annotations = (secret: unknown) => ({ note: 'n', [LAST_APPLIED]: JSON.stringify(secret) })
const bare = fc.record(
  {
    metadata: fc.constant({ name: 's' }),
    data: values,
    stringData: values,
    stringdata: values,
    type: fc.constant('Opaque'),
  },
  { requiredKeys: ['metadata'] },
)
const shapes: ReadonlyArray<(secret: object) => unknown> = [
  (s) => ({ kind: 'Secret', apiVersion: 'v1', ...s }),
  (s) => ({ ...s, kind: 'Secret' }),
  (s) => ({ kind: 'List', items: [{ kind: 'ConfigMap' }, { kind: 'Secret', ...s }] }),
  (s) => ({ items: [s, s], kind: 'SecretList' }),
  (s) => ({ kind: 'Table', rows: [{ cells: ['a', 1], object: { kind: 'Secret', ...s } }] }),
  (s) => ({ spec: { manifests: [{ kind: 'Secret', ...s }] } }),
  (s) => ({ kind: 'Secret', ...s, metadata: { annotations: annotations(s) } }),
  (s) => ({ kind: 'Foo', metadata: { annotations: annotations({ kind: 'Secret', ...s }) } }),
]
const shapesByPath: ReadonlyArray<(secret: object) => unknown> = [
  (s) => s,
  (s) => ({ items: [s] }),
  (s) => ({ ...s, metadata: { annotations: annotations(s) } }),
  (s) => [{ op: 'replace', path: '', value: s }],
  (s) => [{ op: 'add', path: '/data/k', value: s }],
  (s) => [{ op: 'test', path: '/stringData', value: s }],
  (s) => [{ op: 'add', path: '/metadata/annotations', value: annotations(s) }],
  (s) => [s],
]

void t.test('no value of a Secret is left, whatever the document', (t) => {
  const encodings = [
    LEAK,
    ...[0, 1, 2].map((n) => Buffer.from(LEAK).subarray(n).toString('base64').slice(0, 4)),
  ]
  const check = (document: unknown, ref: ObjectReference | undefined, space: number) => {
    const text = compactJSON(Buffer.from(JSON.stringify(document, null, space)))
    if (text === undefined) throw new Error('no JSON')
    const got = redactor.redact(text, ref, 'response')
    const leak = encodings.find((e) => got.includes(e))
    if (leak !== undefined) throw new Error(`${leak} in ${got}`)
    if (compactJSON(Buffer.from(got)) !== got) throw new Error(`not JSON on one line: ${got}`)
  }
  fc.assert(
    fc.property(
      bare,
      fc.constantFrom(...shapes),
      fc.constantFrom(undefined, PODS, SECRETS),
      fc.nat(2),
      (s, shape, ref, space) => check(shape(s), ref, space),
    ),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(bare, fc.constantFrom(...shapesByPath), fc.nat(2), (s, shape, space) =>
      check(shape(s), SECRETS, space),
    ),
    { numRuns: 1000 },
  )
  t.end()
})
