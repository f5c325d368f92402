import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { matchesPattern, matchesQuery, parseCodeRange, type EventQuery } from '../../src/events/filter.js'
import { LineSplitter, readLines } from '../../src/events/lines.js'
import { parseLoggedEvent, parseLoggedEvents, type LoggedEvent } from '../../src/events/logged-event.js'
import { ContainerLines } from '../../src/events/container-lines.js'
import { itemTexts } from '../../src/events/event-list.js'
import { RateCounter } from '../../src/events/rate.js'
import { Summary } from '../../src/events/summary.js'
import { formatSummary } from '../../src/events/summary-text.js'
import { TopCounter } from '../../src/events/top-counter.js'

const RECORDED = fileURLToPath(new URL('../../../test/audit/events.jsonl', import.meta.url))
const event: LoggedEvent = {
  auditID: 'one',
  level: 'Metadata',
  stage: 'ResponseComplete',
  requestURI: '/api/v1/namespaces/shop/pods/web/log?follow=true',
  verb: 'get',
  user: { username: 'alice' },
  impersonatedUser: { username: 'bob' },
  objectRef: { resource: 'pods', namespace: 'shop', name: 'web', subresource: 'log' },
  responseStatus: { code: 403 },
  requestReceivedTimestamp: '2026-01-31T10:15:00.000000Z',
  stageTimestamp: '2026-01-31T10:15:01.000000Z',
}
const everything: EventQuery = {
  users: [],
  verbs: [],
  resources: [],
  namespaces: [],
  names: [],
  codes: [],
  stages: [],
  levels: [],
  auditIDs: [],
  since: undefined,
  until: undefined,
}

void t.test('lines', async (t) => {
  const lines = (limit: number, ...chunks: string[]) => {
    const splitter = new LineSplitter(limit)
    return [...chunks.flatMap((chunk) => splitter.write(Buffer.from(chunk))), ...splitter.end()]
  }
  t.strictSame(lines(10, 'a\nb', 'c\n\nd'), ['a', 'bc', '', 'd'])
  t.strictSame(lines(10, 'a\n'), ['a'])
  t.strictSame(lines(3, 'abc\nabcd\nab', 'cd', 'e\nx\n'), ['abc', undefined, undefined, 'x'])
  t.strictSame(lines(3, 'abcdef'), [undefined])
  const euro = Buffer.from('€\n')
  const splitter = new LineSplitter()
  t.strictSame([...splitter.write(euro.subarray(0, 1)), ...splitter.write(euro.subarray(1))], ['€'])
  const skipping = new LineSplitter()
  skipping.skipLine()
  t.strictSame([...skipping.write(Buffer.from('rest\nnext\n')), ...skipping.end()], ['next'])
})

void t.test('files, gzipped whatever their name', async (t) => {
  const text = readFileSync(RECORDED, 'utf8')
  const half = text.indexOf('\n', text.length / 2) + 1
  const file = join(t.testdir(), 'audit.log')
  const read = async (content: Buffer) => {
    writeFileSync(file, content)
    const all: unknown[] = []
    for await (const lines of readLines(file)) all.push(...lines)
    return all
  }
  const expected = text.split('\n').slice(0, -1)
  t.strictSame(await read(Buffer.from(text)), expected)
  t.strictSame(await read(gzipSync(text)), expected)
  t.strictSame(
    await read(Buffer.concat([gzipSync(text.slice(0, half)), gzipSync(text.slice(half))])),
    expected,
  )
  t.strictSame(await read(Buffer.from('x')), ['x'])
  t.strictSame(await read(Buffer.from('')), [])
  await t.rejects(read(gzipSync(text).subarray(0, 5000)), { code: 'Z_BUF_ERROR' })
  await t.rejects(
    async () => {
      for await (const _ of readLines(`${file}.none`));
    },
    { code: 'ENOENT' },
  )
})

void t.test('every recorded event can be read, nothing else can', async (t) => {
  for (const line of readFileSync(RECORDED, 'utf8').split('\n').slice(0, -1)) {
    const parsed = parseLoggedEvent(line)
    const raw = JSON.parse(line)
    t.equal(parsed?.auditID, raw.auditID)
    t.equal(parsed?.user.username, raw.user.username)
    t.equal(parsed?.objectRef?.resource, raw.objectRef?.resource)
    t.equal(parsed?.responseStatus?.code, raw.responseStatus?.code)
  }
  for (const line of ['', '{', 'null', '[]', '{"kind":"Pod"}', '{"kind":"Event"}', '2026 AUDIT: id="x"']) {
    t.equal(parseLoggedEvent(line), undefined, line)
  }
  const odd = {
    ...event,
    kind: 'Event',
    user: null,
    objectRef: { resource: 7, name: 'n' },
    responseStatus: { code: '200' },
  }
  const parsed = parseLoggedEvent(JSON.stringify(odd))
  t.same([parsed?.user, parsed?.objectRef, parsed?.responseStatus], [{}, { name: 'n' }, undefined])
})

void t.test('filters', async (t) => {
  const time = Date.parse(event.stageTimestamp)
  const yes: Partial<EventQuery>[] = [
    {},
    { users: ['x', 'alice'] },
    { users: ['bob'] },
    { users: ['al*'] },
    { verbs: ['list', 'get'] },
    { resources: ['pods'] },
    { resources: ['pods/log'] },
    { resources: ['*/log'] },
    { namespaces: ['sh*'], names: ['web'] },
    { codes: [{ from: 400, to: 499 }] },
    { stages: ['ResponseComplete'], levels: ['Metadata'], auditIDs: ['one'] },
    { since: time, until: time },
  ]
  const no: Partial<EventQuery>[] = [
    { users: ['ali'] },
    { users: ['alice'], verbs: ['list'] },
    { resources: ['pod'] },
    { resources: ['pods.apps'] },
    { namespaces: ['web'] },
    { codes: [{ from: 200, to: 200 }] },
    { stages: ['Panic'] },
    { auditIDs: ['on'] },
    { since: time + 1 },
    { until: time - 1 },
  ]
  for (const query of yes) t.ok(matchesQuery({ ...everything, ...query }, event), JSON.stringify(query))
  for (const query of no) t.notOk(matchesQuery({ ...everything, ...query }, event), JSON.stringify(query))
  const scale = { ...event, objectRef: { resource: 'deployments', apiGroup: 'apps', subresource: 'scale' } }
  for (const resource of ['deployments', 'deployments.apps', 'deployments.apps/scale', 'deployments/scale'])
    t.ok(matchesQuery({ ...everything, resources: [resource] }, scale), resource)
  const { objectRef: _, ...path } = event
  t.notOk(matchesQuery({ ...everything, resources: ['*'] }, path))
  t.notOk(matchesQuery({ ...everything, since: 0 }, { ...event, stageTimestamp: 'never' }))
})

void t.test('patterns and codes', async (t) => {
  const cases: [string, string, boolean][] = [
    ['a*c', 'abc', true],
    ['a*c', 'ac', true],
    ['a*c', 'abcd', false],
    ['ab*bc', 'abc', false],
    ['*', '', true],
    ['**', 'x', true],
    ['*b*d*', 'abcde', true],
    ['*d*b*', 'abcde', false],
    ['a.c', 'abc', false],
    ['', '', true],
  ]
  for (const [pattern, text, expected] of cases)
    t.equal(matchesPattern(pattern, text), expected, `${pattern} ${text}`)
  t.same(parseCodeRange('403'), { from: 403, to: 403 })
  t.same(parseCodeRange('5xx'), { from: 500, to: 599 })
  t.same(parseCodeRange('404-410'), { from: 404, to: 410 })
  for (const bad of ['', '40', '9xx', '410-404', 'abc']) t.equal(parseCodeRange(bad), undefined, bad)
})

void t.test('the most frequent, in bounded memory', async (t) => {
  const exact = new TopCounter(10)
  for (const key of ['b', 'a', 'c', 'a']) exact.add(key, key === 'a')
  t.same(exact.top(2), [
    { key: 'a', count: 2, failed: 2 },
    { key: 'b', count: 1, failed: 0 },
  ])
  t.ok(exact.exact)
  const many = new TopCounter(10)
  for (let i = 0; i < 10_000; i++) {
    many.add(`${i}`, false)
    many.add('often', false)
  }
  t.ok(many.size <= 20)
  t.notOk(many.exact)
  t.same(many.top(1), [{ key: 'often', count: 10_000, failed: 0 }])
  many.add('x'.repeat(1_000_000), false)
  t.ok(many.top(20).every(({ key }) => key.length < 1000))
})

void t.test('the rate over time', async (t) => {
  const start = Date.parse('2026-01-31T10:00:00Z')
  const rate = new RateCounter(4)
  t.same(rate.rate().bins, [])
  rate.add(NaN)
  rate.add(-1)
  for (const second of [0, 1, 3]) rate.add(start + second * 1000)
  t.same(rate.rate(), {
    width: 1000,
    bins: [0, 1, 2, 3].map((s) => ({ start: start + s * 1000, count: s === 2 ? 0 : 1 })),
  })
  rate.add(start - 3_600_000)
  const wide = rate.rate()
  t.equal(wide.width, 1_800_000)
  t.same(
    wide.bins.map(({ count }) => count),
    [1, 0, 3],
  )
  rate.add(Date.parse('9999-12-31T00:00:00Z'))
  t.ok(rate.rate().bins.length <= 4)
})

void t.test('a summary', async (t) => {
  const summary = new Summary()
  for (const line of readFileSync(RECORDED, 'utf8').split('\n').slice(0, -1)) {
    summary.add(parseLoggedEvent(line) as LoggedEvent)
  }
  const report = summary.report()
  t.match(report, { events: 82, requests: 61, failed: 18 })
  t.same(report.stages, { ResponseComplete: 61, RequestReceived: 12, ResponseStarted: 9 })
  t.same(report.users.rows[0], { key: 'kubernetes-admin', count: 50, failed: 12 })
  t.equal(
    report.rate.bins.reduce((sum, { count }) => sum + count, 0),
    61,
  )
  const text = formatSummary(report, { color: false })
  t.match(text, /^ {2}50 {2}kubernetes-admin {2}12 failed$/m)
  t.match(text, /^ {2}2 {2}403 alice list secrets$/m)
  t.match(formatSummary(new Summary().report(), { color: false }), /^Events {4}0\n/)
  const hostile = new Summary()
  hostile.add({ ...event, user: { username: 'a\x1b[2Jb' } })
  t.notMatch(formatSummary(hostile.report(), { color: false }), /\x1b/) // eslint-disable-line no-control-regex
})

void t.test('lines of container runtimes', async (t) => {
  const cri = (tag: string, text: string, stream = 'stdout') =>
    `2026-01-01T00:00:00.0Z ${stream} ${tag} ${text}`
  const docker = (log: string, stream = 'stdout') =>
    JSON.stringify({ log, stream, time: '2026-01-01T00:00:00Z' })
  const cases: [string, (string | undefined)[], (string | undefined)[]][] = [
    ['others pass', ['{"kind":"Event"}', 'text', undefined, ''], ['{"kind":"Event"}', 'text', undefined, '']],
    ['CRI', [cri('F', '{"a":1}'), cri('F', ''), cri('F', 'x', 'stderr')], ['{"a":1}', '', 'x']],
    [
      'CRI, in parts',
      [cri('P', '{"a"'), cri('P', ':'), cri('F', '1}'), cri('F', 'next')],
      ['{"a":1}', 'next'],
    ],
    ['CRI, more tags', [cri('P:x', 'a'), cri('F:y', 'b')], ['ab']],
    [
      'CRI, two streams',
      [cri('P', 'a'), cri('P', 'x', 'stderr'), cri('F', 'b'), cri('F', 'y', 'stderr')],
      ['ab', 'xy'],
    ],
    ['CRI, the rest never comes', [cri('P', 'a')], ['a']],
    ['CRI, another line between', [cri('P', 'a'), 'x', cri('F', 'b')], ['x', 'ab']],
    [
      'CRI, too long',
      [cri('P', 'a'.repeat(600)), cri('P', 'b'.repeat(600)), cri('F', 'c'), cri('F', 'd')],
      [undefined, 'd'],
    ],
    ['docker', [docker('{"a":"\\n"}\n'), docker('b\n')], ['{"a":"\\n"}', 'b']],
    [
      'docker, in parts',
      [docker('a'), docker('x', 'stderr'), docker('b\n'), docker('y\n', 'stderr')],
      ['ab', 'xy'],
    ],
    ['no docker', ['{"log":"a', '{"log":"a","x":}'], ['{"log":"a', '{"log":"a","x":}']],
  ]
  for (const [name, lines, want] of cases) {
    const container = new ContainerLines(1000)
    t.same([...lines.flatMap((line) => container.write([line])), ...container.end()], want, name)
  }
})

void t.test('parts without end hold little', async (t) => {
  const container = new ContainerLines(1000)
  for (let i = 0; i < 1000; i++) t.same(container.write(['2026-01-01T00:00:00.0Z stdout P ']), [])
  t.same(container.write(['2026-01-01T00:00:00.0Z stdout F x']), [undefined])
})

void t.test('the items of a list', async (t) => {
  const cases: [string, string[] | undefined][] = [
    ['{}', undefined],
    ['{"items":{}}', undefined],
    ['{"items":[]}', []],
    ['{"items": [ ]}', []],
    ['{"items":[{}]}', ['{}']],
    [
      '{"a":{"items":[1]},"items" : [ {"b":[1,{"items":[2]}]} , {"c":"]},\\\\\\"items"} ],"d":[3]}',
      ['{"b":[1,{"items":[2]}]}', '{"c":"]},\\\\\\"items"}'],
    ],
    ['{"a":"items","b":["items"],"items":[9007199254740993]}', ['9007199254740993']],
    ['{"items":[1],"items":[2]}', ['2']],
  ]
  for (const [json, want] of cases) t.same(itemTexts(json), want, json)
})

void t.test('an EventList is its events', async (t) => {
  const event = {
    level: 'Request',
    auditID: 'x',
    stage: 'ResponseComplete',
    requestURI: '/api',
    verb: 'create',
    user: { username: 'a' },
    requestReceivedTimestamp: '2026-01-01T00:00:00.000000Z',
    stageTimestamp: '2026-01-01T00:00:00.000001Z',
  }
  const list = (...items: string[]) =>
    `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${items.join(',')}]}`
  const bare = JSON.stringify(event).replace('{', '{"requestObject":{"n":9007199254740993},')
  const named = JSON.stringify({ kind: 'Event', apiVersion: 'audit.k8s.io/v1', ...event, verb: 'get' })
  const found = parseLoggedEvents(list(bare, named, '{}', '{"kind":"Pod"}', '1', 'null'))
  t.same(
    found.map((logged) => logged?.event.verb),
    ['create', 'get', undefined, undefined, undefined, undefined],
  )
  t.equal(found[0]?.line, bare.replace('{', '{"kind":"Event","apiVersion":"audit.k8s.io/v1",'))
  t.equal(found[1]?.line, named)
  t.same(parseLoggedEvents(list()), [])
  t.same(parseLoggedEvents('{"kind":"EventList","items":{}}'), [undefined])
  t.equal(parseLoggedEvent(list(bare)), undefined)
})

void t.test('events of Kubernetes 1.8 have one time', async (t) => {
  const old = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1beta1',
    metadata: { creationTimestamp: '2017-10-01T00:00:00Z' },
    level: 'Metadata',
    timestamp: '2017-10-01T00:00:01Z',
    auditID: 'x',
    stage: 'ResponseComplete',
    requestURI: '/api',
    verb: 'get',
    user: {},
  }
  const parsed = parseLoggedEvent(JSON.stringify(old))
  t.same([parsed?.requestReceivedTimestamp, parsed?.stageTimestamp], [old.timestamp, old.timestamp])
  t.equal(parseLoggedEvent(JSON.stringify({ ...old, timestamp: 5 })), undefined)
})
