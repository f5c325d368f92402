import t from 'tap'
import { formatEvent, wantsColor } from '../../src/events/format.js'
import type { LoggedEvent } from '../../src/events/logged-event.js'

const event: LoggedEvent = {
  level: 'Metadata',
  stage: 'ResponseComplete',
  requestURI: '/api/v1/namespaces/team-a/secrets/password?x=1',
  verb: 'get',
  user: { username: 'bob' },
  objectRef: { resource: 'secrets', namespace: 'team-a', name: 'password' },
  responseStatus: { code: 403 },
  requestReceivedTimestamp: '2024-05-06T07:08:09.123456Z',
  stageTimestamp: '2024-05-06T07:08:09.125156Z',
}

const ESC = '\x1b'
const columns = (line: string) => line.trim().split(/ {2,}/)

void t.test('one event, one line', (t) => {
  t.equal(
    formatEvent(event, { color: false }),
    '07:08:09.125  ResponseComplete  Metadata         bob               get          ' +
      'team-a/secrets/password                 403    1.7ms',
  )
  t.end()
})

void t.test('columns', (t) => {
  const cases: [string, Partial<LoggedEvent>, number, string][] = [
    ['impersonation', { impersonatedUser: { username: 'carol' } }, 3, 'bob as carol'],
    ['an unknown user', { user: {} }, 3, '-'],
    [
      'a subresource',
      { objectRef: { resource: 'pods', namespace: 'a', name: 'p', subresource: 'log' } },
      5,
      'a/pods/p/log',
    ],
    ['all namespaces', { objectRef: { resource: 'pods' } }, 5, 'pods'],
    ['a collection', { objectRef: { resource: 'pods', namespace: 'a' } }, 5, 'a/pods'],
    ['a cluster object', { objectRef: { resource: 'nodes', name: 'n' } }, 5, 'nodes/n'],
    ['a namespace', { objectRef: { resource: 'namespaces', namespace: 'a', name: 'a' } }, 5, 'namespaces/a'],
    ['a path, without its query', { objectRef: undefined, requestURI: '/healthz?verbose' }, 5, '/healthz'],
    ['control characters', { user: { username: 'b\x1b[31mo\nb\u202e' } }, 3, 'b\\u001b[31mo\\u000ab\\u202e'],
    ['what cannot be seen', { verb: 'a\u00ad\ufff9\u{e0041}' }, 4, 'a\\u00ad\\ufff9\\udb40\\udc41'],
    ['no code yet', { responseStatus: {} }, 6, '-'],
    ['microseconds', { stageTimestamp: '2024-05-06T07:08:09.123457Z' }, 7, '0.0ms'],
    ['milliseconds', { stageTimestamp: '2024-05-06T07:08:09.423456Z' }, 7, '300ms'],
    ['seconds', { stageTimestamp: '2024-05-06T07:08:11.623456Z' }, 7, '2.50s'],
    ['a second exactly', { requestReceivedTimestamp: '2024-05-06T07:08:08Z' }, 7, '1.13s'],
    ['no time', { stageTimestamp: '' }, -1, '-'],
  ]
  for (const [name, change, index, expected] of cases) {
    const line = formatEvent({ ...event, ...change }, { color: false })
    t.equal(columns(line).at(index), expected, name)
    t.notOk(line.includes('\n') || line.includes(ESC), `${name}: one plain line`)
  }
  t.end()
})

void t.test('colours change nothing but colours', (t) => {
  for (const code of [200, 404, 503] as const) {
    const one = { ...event, responseStatus: { code } }
    const colored = formatEvent(one, { color: true })
    t.ok(
      colored.includes(`${ESC}[${{ 200: 32, 404: 33, 503: 31 }[code]}m${code}${ESC}[0m`),
      `the colour of ${code}`,
    )
    const plain = colored
      .split(ESC)
      .map((part, i) => (i === 0 ? part : part.slice(part.indexOf('m') + 1)))
      .join('')
    t.equal(plain, formatEvent(one, { color: false }))
  }
  t.end()
})

void t.test('when to colour', (t) => {
  t.equal(wantsColor(true, {}), true)
  t.equal(wantsColor(true, { NO_COLOR: '' }), true, 'an empty NO_COLOR says nothing')
  t.equal(wantsColor(true, { NO_COLOR: '1' }), false)
  t.equal(wantsColor(true, { TERM: 'dumb' }), false)
  t.equal(wantsColor(false, {}), false)
  t.equal(wantsColor(undefined, {}), false)
  t.end()
})
