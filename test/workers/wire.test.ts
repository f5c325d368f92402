import { readFileSync } from 'node:fs'
import t from 'tap'
import { newEventEncoder } from '../../src/audit/encode.js'
import type { Event } from '../../src/audit/event.js'
import { newWire } from '../../src/workers/wire.js'

const EVENT: Event = {
  level: 'RequestResponse',
  auditID: '3e10e61d-f0cc-4427-b2d9-f31040276d64',
  stage: 'ResponseStarted',
  requestURI: '/api/v1/namespaces/default/pods?watch=true&labelSelector=a%3Cb',
  verb: 'watch',
  user: { username: 'jürgen <j@example.com>', uid: '7', groups: ['a', 'b'], extra: { 'k/e y': ['v', ''] } },
  impersonatedUser: { username: 'eve' },
  sourceIPs: ['10.0.0.1', '2001:db8::1'],
  userAgent: 'kubectl/v1.32.4 "quoted" \u2028',
  objectRef: { resource: 'pods', namespace: 'default', apiVersion: 'v1' },
  responseStatus: {
    status: 'Failure',
    message: 'it is 1 < 2 & "so"',
    reason: 'Conflict',
    details: '{"retryAfterSeconds":1.0,"name":"x"}',
    code: 409,
  },
  // Numbers that JavaScript would print otherwise, keys in an order that it would not keep, and what is escaped.
  requestObject: '{"b":1.0,"2":12345678901234567890,"1":{"x":"\\u003c"},"e":1e2}',
  responseObject: '{"kind":"Status","n":-0}',
  requestReceivedTimestamp: 1_795_227_086_086_008,
  stageTimestamp: 1_795_227_087_000_000,
  annotations: { 'authorization.k8s.io/reason': 'RBAC: "x" > y' },
}
const BARE: Event = {
  level: 'Metadata',
  auditID: 'x',
  stage: 'RequestReceived',
  requestURI: '/healthz',
  verb: 'get',
  user: { username: 'u' },
  sourceIPs: [],
  requestReceivedTimestamp: 1,
  stageTimestamp: 999_999,
}

for (const format of ['lines', 'events'] as const) {
  void t.test(`${format}: an event comes out of its text as it went in`, async (t) => {
    const wire = newWire(format)
    for (const event of [EVENT, BARE]) t.match(wire.decode(wire.encode(event)), event)
    const again = wire.encode(wire.decode(wire.encode(EVENT)))
    t.equal(again, wire.encode(EVENT))
  })
}

void t.test('every line that kube-apiserver wrote can be read and written again', async (t) => {
  const encode = newEventEncoder('audit.k8s.io/v1')
  const wire = newWire('lines')
  const file = new URL('../../../test/audit/events.jsonl', import.meta.url)
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  t.ok(lines.length > 30)
  for (const line of lines) {
    const written = encode(wire.decode(line))
    t.equal(encode(wire.decode(written)), written)
    t.strictSame(JSON.parse(written), JSON.parse(line))
  }
})

void t.test('what a policy said of an event travels with it where sinks need it', async (t) => {
  const wire = newWire('events')
  const byPolicy = { level: 'Metadata', omitStages: new Set(['RequestReceived', 'Panic'] as const) } as const
  t.strictSame(wire.decode(wire.encode({ ...BARE, byPolicy })), { ...BARE, byPolicy })
})
