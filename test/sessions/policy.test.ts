import { join } from 'node:path'
import t from 'tap'
import { isSession, loadSessionPolicy } from '../../src/sessions/policy.js'
import { sessionOptions } from '../../src/sessions/session-request.js'
import { sessionProtocol } from '../../src/sessions/protocol.js'
import { newRequestInfo } from '../../src/request/request-info.js'
import { parseRequestTarget } from '../../src/request/request-target.js'

const HEAD = 'apiVersion: kube-audit-proxy.io/v1alpha1\nkind: SessionRecordingPolicy\n'
const info = (path: string, method = 'POST') => newRequestInfo(method, parseRequestTarget(path))
const EXEC = info('/api/v1/namespaces/shop/pods/web/exec')

await t.test('the first rule that matches decides', async (t) => {
  const dir = t.testdir({
    'p.yaml': `${HEAD}rules:
- {record: None, users: [robot]}
- {record: InputAndOutput, userGroups: [admins], namespaces: [shop]}
- {record: Output, resources: [{group: "", resources: [pods/exec]}]}
`,
  })
  const policy = loadSessionPolicy(join(dir, 'p.yaml'))
  const attach = info('/api/v1/namespaces/shop/pods/web/attach')
  const of = (username: string, groups: string[], request = EXEC) =>
    policy.decide({ username, groups }, request)
  t.strictSame(of('robot', ['admins']), { record: 'None', rule: 1 })
  t.strictSame(of('alice', ['admins']), { record: 'InputAndOutput', rule: 2 })
  t.strictSame(of('alice', []), { record: 'Output', rule: 3 })
  t.strictSame(of('alice', [], attach), { record: 'None', rule: undefined })
})

await t.test('what is wrong with a file is said in one line', async (t) => {
  const table: Record<string, [string, RegExp]> = {
    'another kind': [
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n',
      /apiVersion .*expected kube-audit-proxy\.io\/v1alpha1/,
    ],
    'no rules': [`${HEAD}rules: []\n`, /rules .*found no rules/],
    'another word': [
      `${HEAD}rules: [{record: All}]\n`,
      /rules\[0\]\.record .*found "All", expected one of Output, InputAndOutput, None/,
    ],
    'a field that it does not have': [
      `${HEAD}rules: [{record: None, verbs: [get]}]\n`,
      /unknown field "verbs"/,
    ],
  }
  for (const [name, [text, expected]] of Object.entries(table)) {
    const dir = t.testdir({ 'p.yaml': text })
    t.throws(() => loadSessionPolicy(join(dir, 'p.yaml')), expected, name)
  }
})

await t.test('which requests are for sessions', async (t) => {
  t.ok(isSession(EXEC))
  t.ok(isSession(info('/api/v1/namespaces/shop/pods/web/attach', 'GET')))
  for (const path of ['pods/web/portforward', 'pods/web/log', 'pods/exec', 'services/web/exec'])
    t.notOk(isSession(info(`/api/v1/namespaces/shop/${path}`)), path)
  t.notOk(isSession(info('/apis/example.com/v1/namespaces/shop/pods/web/exec')))
})

await t.test('what a query asks for, as kube-apiserver reads it', async (t) => {
  const of = (query: string) => sessionOptions(query)
  t.match(of('command=sh&command=-c&command=echo+a%26b&tty=true&container=c'), {
    command: ['sh', '-c', 'echo a&b'],
    tty: true,
    container: 'c',
    stdin: false,
  })
  for (const [query, tty] of [
    ['tty=1', true],
    ['tty', true],
    ['tty=no', true],
    ['tty=FALSE', false],
    ['tty=0', false],
    ['tty=false&tty=true', false],
    ['', false],
  ] as const)
    t.equal(of(query).tty, tty, query)
})

await t.test('what the 101 agrees to', async (t) => {
  const of = (...headers: string[]) => sessionProtocol(headers)
  const ws = (protocol: string, ...more: string[]) =>
    of('Upgrade', 'WebSocket', 'Sec-WebSocket-Protocol', protocol, ...more)
  t.strictSame(ws('v5.channel.k8s.io'), { kind: 'websocket', base64: false, version: 5 })
  t.strictSame(ws('v4.base64.channel.k8s.io'), { kind: 'websocket', base64: true, version: 4 })
  t.strictSame(ws('base64.channel.k8s.io'), { kind: 'websocket', base64: true, version: 1 })
  t.strictSame(of('upgrade', 'websocket'), { kind: 'websocket', base64: false, version: 1 })
  t.strictSame(ws('SPDY/3.1+portforward.k8s.io'), { kind: 'tunnel' })
  t.equal(ws('chat').kind, 'unknown')
  t.equal(ws('v4.channel.k8s.io', 'Sec-WebSocket-Extensions', 'permessage-deflate').kind, 'unknown')
  t.strictSame(of('Upgrade', 'SPDY/3.1'), { kind: 'spdy', version: 1 })
  for (const version of [2, 3, 4])
    t.strictSame(of('Upgrade', 'SPDY/3.1', 'X-Stream-Protocol-Version', `v${version}.channel.k8s.io`), {
      kind: 'spdy',
      version,
    })
  t.equal(of('Upgrade', 'SPDY/3.1', 'X-Stream-Protocol-Version', 'portforward.k8s.io').kind, 'unknown')
  t.equal(of('Upgrade', 'h2c').kind, 'unknown')
})
