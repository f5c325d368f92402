import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { newEventEncoder, type EventVersion } from '../../src/audit/encode.js'
import { escapeJSON } from '../../src/audit/escape-json.js'
import type { Event } from '../../src/audit/event.js'

/** Events that a kube-apiserver 1.20 logged, one of each shape. */
const RECORDED = readFileSync(new URL('../../../test/audit/events.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')

const parse = (text: string): ReturnType<typeof JSON.parse> => JSON.parse(text)

const micros = (text: string): number =>
  Date.parse(text.slice(0, 19) + 'Z') * 1000 + Number(text.slice(20, 26))

/** The Event that a line of the log is. */
function toEvent(line: string): Event {
  const logged = parse(line)
  const text = (value: unknown): string | undefined =>
    value === undefined ? undefined : JSON.stringify(value)
  const { metadata: _, details, ...status } = logged.responseStatus ?? {}
  return {
    ...(logged as Event),
    sourceIPs: logged.sourceIPs ?? [],
    responseStatus: logged.responseStatus && { ...status, ...(details && { details: text(details) }) },
    requestObject: text(logged.requestObject),
    responseObject: text(logged.responseObject),
    requestReceivedTimestamp: micros(logged.requestReceivedTimestamp),
    stageTimestamp: micros(logged.stageTimestamp),
  }
}

const EVENT: Event = {
  level: 'Metadata',
  auditID: 'a1',
  stage: 'ResponseComplete',
  requestURI: '/apis/apps/v1/deployments',
  verb: 'list',
  user: { username: 'alice' },
  sourceIPs: ['10.0.0.1'],
  requestReceivedTimestamp: 1_795_227_086_086_898,
  stageTimestamp: 1_795_227_087_000_001,
}
const TIMES =
  '"requestReceivedTimestamp":"2026-11-21T02:11:26.086898Z","stageTimestamp":"2026-11-21T02:11:27.000001Z"'

function encodeEvent(event: Event, version: EventVersion): string {
  return newEventEncoder(version)(event)
}

void t.test(
  'recorded events come out as kube-apiserver wrote them, field by field in its order',
  async (t) => {
    t.ok(RECORDED.length > 30)
    for (const line of RECORDED) {
      const encoded = encodeEvent(toEvent(line), 'audit.k8s.io/v1')
      t.equal(JSON.stringify(parse(encoded)), line)
      t.notMatch(encoded, /\n/)
    }
  },
)

void t.test('what is empty is left out, except what kube-apiserver always prints', async (t) => {
  const event: Event = {
    ...EVENT,
    auditID: '',
    verb: '',
    requestURI: '',
    user: { username: '', uid: '', groups: [], extra: {} },
    impersonatedUser: { username: '' },
    sourceIPs: [],
    userAgent: '',
    objectRef: { resource: '', apiGroup: '' },
    responseStatus: { status: '', message: '', reason: '', details: '', code: 0 },
    requestObject: undefined,
    responseObject: '',
    annotations: {},
  }
  t.equal(
    encodeEvent(event, 'audit.k8s.io/v1'),
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"","stage":"ResponseComplete",' +
      `"requestURI":"","verb":"","user":{},"impersonatedUser":{},"objectRef":{},"responseStatus":{"metadata":{}},${TIMES}}`,
  )
})

const FULL: Event = {
  ...EVENT,
  level: 'RequestResponse',
  user: { username: 'alice', uid: 'u1', groups: ['a', 'b'], extra: { z: ['1'], a: ['2', '3'] } },
  impersonatedUser: { username: 'bob', groups: ['c'] },
  userAgent: 'kubectl/v1.20',
  objectRef: {
    subresource: 'scale',
    resourceVersion: '7',
    apiVersion: 'v1',
    apiGroup: 'apps',
    uid: 'u2',
    name: 'web',
    namespace: 'default',
    resource: 'deployments',
  },
  responseStatus: {
    code: 409,
    details: '{"name":"web"}',
    reason: 'Conflict',
    message: 'm',
    status: 'Failure',
  },
  requestObject: '{"big":9007199254740993}',
  responseObject: '[1.10]',
  annotations: { 'b/x': '1', 'a/x': '' },
}
const objectRef = (group: string): string =>
  `"objectRef":{"resource":"deployments","namespace":"default","name":"web","uid":"u2",${group},"resourceVersion":"7","subresource":"scale"}`
const FULL_TAIL =
  '"responseStatus":{"metadata":{},"status":"Failure","message":"m","reason":"Conflict","details":{"name":"web"},"code":409},' +
  `"requestObject":{"big":9007199254740993},"responseObject":[1.10],${TIMES},"annotations":{"a/x":"","b/x":"1"}}`
const FULL_MIDDLE =
  '"auditID":"a1","stage":"ResponseComplete","requestURI":"/apis/apps/v1/deployments","verb":"list",' +
  '"user":{"username":"alice","uid":"u1","groups":["a","b"],"extra":{"a":["2","3"],"z":["1"]}},' +
  '"impersonatedUser":{"username":"bob","groups":["c"]},"sourceIPs":["10.0.0.1"],"userAgent":"kubectl/v1.20"'

void t.test('every field, in every version', async (t) => {
  t.equal(
    encodeEvent(FULL, 'audit.k8s.io/v1'),
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse",${FULL_MIDDLE},` +
      `${objectRef('"apiGroup":"apps","apiVersion":"v1"')},${FULL_TAIL}`,
  )
  const old = (version: string): string =>
    `{"kind":"Event","apiVersion":"audit.k8s.io/${version}","metadata":{"creationTimestamp":"2026-11-21T02:11:27Z"},` +
    `"level":"RequestResponse","timestamp":"2026-11-21T02:11:26Z",${FULL_MIDDLE}`
  t.equal(
    encodeEvent(FULL, 'audit.k8s.io/v1beta1'),
    `${old('v1beta1')},${objectRef('"apiGroup":"apps","apiVersion":"v1"')},${FULL_TAIL}`,
  )
  t.equal(
    encodeEvent(FULL, 'audit.k8s.io/v1alpha1'),
    `${old('v1alpha1')},${objectRef('"apiVersion":"apps/v1"')},${FULL_TAIL}`,
  )
  const core = encodeEvent(
    { ...EVENT, objectRef: { resource: 'pods', apiVersion: 'v1' } },
    'audit.k8s.io/v1alpha1',
  )
  t.match(core, '"objectRef":{"resource":"pods","apiVersion":"v1"}')
})

void t.test('escapes', async (t) => {
  const table: [name: string, value: string, encoded: string][] = [
    ['quote and backslash', 'a"b\\c', 'a\\"b\\\\c'],
    ['control characters', '\0\n\r\t\x1f', '\\u0000\\n\\r\\t\\u001f'],
    ['what Go escapes for HTML', '<a>&', '\\u003ca\\u003e\\u0026'],
    ['line separators', '\u2028\u2029', '\\u2028\\u2029'],
    ['not ASCII', 'äß\u0085漢😀', 'äß\u0085漢😀'],
    ['lone high surrogate', 'a\ud800b', 'a\ufffdb'],
    ['lone low surrogate', 'a\udc00', 'a\ufffd'],
    ['swapped surrogates', '\udc00\ud800', '\ufffd\ufffd'],
    ['what looks like an escape', '\\ud800\\u003c', '\\\\ud800\\\\u003c'],
  ]
  for (const [name, value, encoded] of table) {
    const line = encodeEvent({ ...EVENT, userAgent: value }, 'audit.k8s.io/v1')
    t.equal(/"userAgent":"(.*)","requestRec/.exec(line)?.[1], encoded, name)
  }
  const bodies: [name: string, body: string, encoded: string][] = [
    ['untouched', '{"a":[1.0,1e400,"\\u003c\\/"]}', '{"a":[1.0,1e400,"\\u003c\\/"]}'],
    ['HTML', '"<"', '"\\u003c"'],
    ['surrogate pair, escaped', '"\\ud83d\\ude00"', '"\\ud83d\\ude00"'],
    ['surrogate pair, raw', '"😀<"', '"😀\\u003c"'],
    ['lone surrogates, escaped', '"\\ud83d \\ude00\\uDBFF"', '"\ufffd \ufffd\ufffd"'],
    ['high, then a pair', '"\\ud83d\\ud83d\\ude00"', '"\ufffd\\ud83d\\ude00"'],
    ['escaped backslashes before it', '"\\\\ud83d\\\\\\ud83d"', '"\\\\ud83d\\\\\ufffd"'],
  ]
  for (const [name, body, encoded] of bodies) {
    const line = encodeEvent({ ...EVENT, requestObject: escapeJSON(body) }, 'audit.k8s.io/v1')
    t.equal(/"requestObject":(.*),"requestRec/.exec(line)?.[1], encoded, name)
  }
})

void t.test('any strings give one line of UTF-8 that reads back', async () => {
  const anyString = fc.string({ unit: fc.integer({ max: 0xffff }).map((code) => String.fromCharCode(code)) })
  fc.assert(
    fc.property(anyString, anyString, fc.jsonValue(), (a, b, body) => {
      const event: Event = {
        ...EVENT,
        requestURI: a,
        user: { username: b, extra: { k: [a] } },
        requestObject: escapeJSON(JSON.stringify(body)),
        responseObject: escapeJSON(JSON.stringify(a)),
        annotations: { k: b },
      }
      const line = encodeEvent(event, 'audit.k8s.io/v1')
      const wellFormed = (text: string): string => Buffer.from(text).toString()
      const read = parse(line)
      return (
        !/[\n\r\u2028\u2029]/.test(line) &&
        wellFormed(line) === line &&
        read.requestURI === wellFormed(a) &&
        read.user.username === (b === '' ? undefined : wellFormed(b)) &&
        read.responseObject === wellFormed(a) &&
        read.annotations.k === wellFormed(b) &&
        JSON.stringify(read.requestObject) === JSON.stringify(parse(wellFormed(JSON.stringify(body))))
      )
    }),
    { numRuns: 500 },
  )
})
