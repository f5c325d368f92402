import t from 'tap'
import { encodeLegacy } from '../../src/audit/encode-legacy.js'
import type { Event } from '../../src/audit/event.js'

const EVENT: Event = {
  level: 'Metadata',
  auditID: 'a1',
  stage: 'ResponseComplete',
  requestURI: '/api/v1/namespaces/default/pods?limit=5&x=1',
  verb: 'list',
  user: { username: 'alice', groups: ['dev', 'a"b'] },
  sourceIPs: ['10.0.0.1', '10.0.0.2'],
  objectRef: { resource: 'pods', namespace: 'default' },
  responseStatus: { code: 200 },
  requestReceivedTimestamp: 1_795_227_086_086_890,
  stageTimestamp: 1_795_227_087_000_001,
}

/** Runs `fn` in a time zone. */
function inZone<T>(zone: string, fn: () => T): T {
  const before = process.env.TZ
  process.env.TZ = zone
  try {
    return fn()
  } finally {
    if (before === undefined) delete process.env.TZ
    else process.env.TZ = before
  }
}

void t.test('events as kube-apiserver prints them', async (t) => {
  const encode = (event: Partial<Event>): string => inZone('UTC', () => encodeLegacy({ ...EVENT, ...event }))
  t.equal(
    encode({}),
    '2026-11-21T02:11:26.08689Z AUDIT: id="a1" stage="ResponseComplete" ip="10.0.0.1" method="list" user="alice" ' +
      'groups="\\"dev\\",\\"a\\\\\\"b\\"" as="<self>" asgroups="<lookup>" namespace="default" ' +
      'uri="/api/v1/namespaces/default/pods?limit=5&x=1" response="200"',
  )
  t.equal(
    encode({
      stage: 'RequestReceived',
      user: { username: '', groups: ['ignored'] },
      sourceIPs: [],
      objectRef: undefined,
      responseStatus: undefined,
      requestURI: '/healthz',
      verb: 'get',
      impersonatedUser: { username: 'bob', groups: ['x', 'y'] },
      requestReceivedTimestamp: 1_795_227_086_000_000,
    }),
    '2026-11-21T02:11:26Z AUDIT: id="a1" stage="RequestReceived" ip="<unknown>" method="get" user="<none>" ' +
      'groups="<none>" as="bob" asgroups="\\"x\\",\\"y\\"" namespace="<none>" uri="/healthz" response="<deferred>"',
  )
  t.match(encode({ user: { username: 'u', groups: [] } }), ' user="u" groups="<none>" ')
  t.match(encode({ impersonatedUser: { username: 'u' } }), ' as="u" asgroups="<lookup>" ')
  t.match(encode({ impersonatedUser: { username: 'u', groups: [] } }), ' as="u" asgroups="" ')
  t.match(encode({ responseStatus: {} }), ' response="0"')
})

void t.test('the time is local, as Go prints it', async (t) => {
  const table: [zone: string, micros: number, text: string][] = [
    ['Asia/Kolkata', 1_795_227_086_086_898, '2026-11-21T07:41:26.086898+05:30'],
    ['America/Los_Angeles', 1_795_227_086_100_000, '2026-11-20T18:11:26.1-08:00'],
    ['America/Los_Angeles', 1_782_000_000_000_001, '2026-06-20T17:00:00.000001-07:00'],
    ['America/St_Johns', 1_795_227_086_000_000, '2026-11-20T22:41:26-03:30'],
  ]
  for (const [zone, requestReceivedTimestamp, text] of table) {
    const line = inZone(zone, () => encodeLegacy({ ...EVENT, requestReceivedTimestamp }))
    t.equal(line.slice(0, line.indexOf(' ')), text, zone)
  }
})

void t.test("quotes as Go's %q", async (t) => {
  const table: [value: string, quoted: string][] = [
    ['', '""'],
    ['a b~', '"a b~"'],
    ['"\\', '"\\"\\\\"'],
    ['\x07\b\f\n\r\t\v', '"\\a\\b\\f\\n\\r\\t\\v"'],
    ['\0\x1f\x7f', '"\\x00\\x1f\\x7f"'],
    ['\x80\u00a0\u2028\ufeff', '"\\u0080\\u00a0\\u2028\\ufeff"'],
    ['äß漢😀', '"äß漢😀"'],
    ['\ue000\u{e0001}', '"\\ue000\\U000e0001"'],
    ['\ud800x', '"\\ufffdx"'],
    ["'`", '"\'`"'],
  ]
  for (const [value, quoted] of table) {
    const line = encodeLegacy({ ...EVENT, requestURI: value })
    t.equal(line.slice(line.indexOf(' uri=') + 5, line.lastIndexOf(' response=')), quoted)
  }
})
