import t from 'tap'
import { refusesImpersonation } from '../../../src/authentication/impersonation/refused.js'
import { quote } from '../../../src/go-quote.js'

interface Details {
  kind?: string
  group?: string
  name?: string
}

/** As k8s.io/apimachinery/pkg/api/errors NewForbidden makes one. */
function forbidden(details: Details, error: string) {
  const { kind = '', group = '', name = '' } = details
  const what = group === '' ? kind : `${kind}.${group}`
  const message =
    what === ''
      ? `forbidden: ${error}`
      : `${what}${name === '' ? '' : ` ${quote(name)}`} is forbidden: ${error}`
  return { code: 403, status: 'Failure', reason: 'Forbidden', message, details: JSON.stringify(details) }
}

const refuses = (
  status: Parameters<typeof refusesImpersonation>[0]['status'],
  { requestor = 'alice', target = 'bob', prioritized = false, longRunning = false } = {},
) => refusesImpersonation({ status, prioritized, longRunning }, requestor, target)

const PODS = 'resource "pods" in API group "" in the namespace "default"'
const CORE = 'in API group "" at the cluster scope'
const AUTHENTICATION = 'in API group "authentication.k8s.io" at the cluster scope'

await t.test('refusals of every version', (t) => {
  const cases: [Details, string][] = [
    [{ name: 'bob', kind: 'users' }, `User "alice" cannot impersonate resource "users" ${CORE}`],
    [
      { name: 'dev', kind: 'groups' },
      `User "alice" cannot impersonate resource "groups" ${CORE}: some reason`,
    ],
    [
      { name: 'robot', kind: 'serviceaccounts' },
      'User "alice" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "ns"',
    ],
    [
      { name: 'view', kind: 'userextras', group: 'authentication.k8s.io' },
      `User "alice" cannot impersonate resource "userextras/scopes" ${AUTHENTICATION}`,
    ],
    [
      { name: '1', kind: 'uids', group: 'authentication.k8s.io' },
      `User "alice" cannot impersonate resource "uids" ${AUTHENTICATION}`,
    ],
    [{ kind: 'pods' }, `User "alice" cannot impersonate-on:user-info:list ${PODS}`],
    [{ kind: 'pods' }, `User "alice" cannot impersonate-on:user-info: ${PODS}`],
    [{ kind: 'pods', name: 'a' }, `User "alice" cannot impersonate-on:arbitrary-node:delete ${PODS}`],
    [
      { kind: 'deployments', group: 'apps', name: 'web' },
      'User "alice" cannot impersonate-on:serviceaccount:get resource "deployments/scale" in API group "apps" in the namespace "default"',
    ],
    [{}, 'User "alice" cannot impersonate-on:user-info:get path "/version"'],
    [
      { name: 'bob', kind: 'users', group: 'authentication.k8s.io' },
      `User "alice" cannot impersonate:user-info resource "users" ${AUTHENTICATION}`,
    ],
    [
      { name: '*', kind: 'nodes', group: 'authentication.k8s.io' },
      `User "alice" cannot impersonate:associated-node resource "nodes" ${AUTHENTICATION}`,
    ],
    [
      { name: 'system:masters', kind: 'groups', group: 'authentication.k8s.io' },
      `User "alice" cannot impersonate:user-info resource "groups" ${AUTHENTICATION}: impersonating the system:masters group is not allowed`,
    ],
    [{ kind: 'pods' }, `User "alice" cannot impersonate-on:some-mode-of-1.40:list ${PODS}`],
  ]
  for (const [details, error] of cases) {
    const status = forbidden(details, error)
    t.ok(refuses(status), status.message)
    t.ok(refuses(status, { longRunning: true }), 'long-running as well')
    t.ok(refuses(status, { target: 'alice' }), 'of the user itself')
    t.ok(refuses(status, { requestor: 'the proxy does it for alice' }), 'of whoever impersonates')
    t.notOk(refuses(status, { prioritized: true }), 'what came after it was let through')
    t.notOk(refuses({ ...status, code: 409 }), 'with another code')
  }
  t.end()
})

await t.test('refusals of something else', (t) => {
  const cases: [Details, string][] = [
    [{ kind: 'pods' }, `User "bob" cannot list ${PODS}`],
    [{}, 'User "bob" cannot get path "/version"'],
    [{ kind: 'pods', name: 'a' }, `violates PodSecurity "restricted:latest"`],
    [
      { kind: 'pods', name: 'a' },
      `admission webhook "x" denied the request: User "alice" cannot impersonate resource "users"`,
    ],
    [{ kind: 'pods', name: 'a' }, `User "alice" is not in the group that may`],
  ]
  for (const [details, error] of cases) {
    const status = forbidden(details, error)
    t.notOk(refuses(status), status.message)
    t.notOk(refuses(status, { requestor: 'bob' }), 'of the user itself')
  }
  t.notOk(
    refuses(forbidden({}, 'User "bob" cannot impersonate path "/x"'), { requestor: 'bob' }),
    'IMPERSONATE /x is a method that a client can send',
  )
  t.notOk(
    refuses(forbidden({}, 'User "bob" cannot impersonate-on path "/x"'), { requestor: 'bob' }),
    'and so is IMPERSONATE-ON',
  )
  t.notOk(
    refuses(
      forbidden({ kind: 'users', name: 'x' }, `User "bob" cannot impersonate resource "users" ${CORE}`),
    ),
    "an aggregated apiserver's, about the one who is acted as",
  )
  t.end()
})

await t.test('words that a client has put there', (t) => {
  const words = `x" is forbidden: User "alice" cannot impersonate resource "users" ${CORE}`
  const granted: [string, Details, string, string?][] = [
    ['in the name', { kind: 'pods', name: words }, `User "bob" cannot get ${PODS}`],
    ['in the resource', { kind: `pods ${words}` }, `User "bob" cannot get resource ${quote(words)} ${CORE}`],
    [
      'in the group',
      { kind: 'pods', group: words },
      `User "bob" cannot get resource "pods" in API group ${quote(words)}`,
    ],
    ['in the path', {}, `User "bob" cannot get path ${quote(`/${words}`)}`],
    ['in the user that is acted as', { kind: 'pods' }, `User ${quote(words)} cannot get ${PODS}`, words],
    [
      'in a user whose name seems to end',
      { kind: 'pods' },
      `User ${quote('bob" cannot impersonate resource "users"')} cannot get ${PODS}`,
      'bob" cannot impersonate resource "users"',
    ],
  ]
  for (const [name, details, error, target = 'bob'] of granted) {
    t.notOk(refuses(forbidden(details, error), { target }), `granted, ${name}`)
  }
  const tricky = ['User "bob" cannot get', '\\', '"', '\\"', 'é\u200b\x7f\ud800', '<&>', 'x\ny']
  for (const text of tricky) {
    t.ok(
      refuses(
        forbidden({ kind: 'pods', name: text }, `User "alice" cannot impersonate-on:user-info:get ${PODS}`),
      ),
      `refused, with the name ${quote(text)}`,
    )
    t.ok(
      refuses(
        forbidden(
          { kind: text, group: text },
          `User "alice" cannot impersonate-on:user-info:get resource ${quote(text)}`,
        ),
      ),
      `refused, with that resource and group`,
    )
    t.ok(
      refuses(
        forbidden({ name: text, kind: 'users' }, `User "alice" cannot impersonate resource "users" ${CORE}`),
        {
          target: text,
        },
      ),
      `refused, as that user`,
    )
  }
  const bytes = { kind: 'pods', name: 'a\ufffd' }
  t.ok(
    refuses({
      ...forbidden(bytes, ''),
      message: `pods "a\\xff" is forbidden: User "alice" cannot impersonate-on:user-info:get ${PODS}`,
    }),
    'refused, with a name that is not UTF-8',
  )
  t.ok(
    refuses(forbidden({ kind: 'users', name: 'a&b' }, 'User "a&amp;b" cannot impersonate resource "users"'), {
      requestor: 'a&b',
      target: 'a&b',
    }),
    'names as they are shown',
  )
  t.notOk(
    refuses(forbidden({ kind: 'users', name: 'x' }, 'User "a&amp;b" cannot impersonate resource "users"'), {
      target: 'a&b',
    }),
  )
  t.end()
})

await t.test('no Status to read', (t) => {
  t.ok(refuses({ code: 403 }), 'no mark of priority and fairness: it did not come that far')
  t.notOk(refuses({ code: 403 }, { prioritized: true }))
  t.notOk(refuses({ code: 403 }, { longRunning: true }), 'a pod behind its proxy has answered')
  t.notOk(refuses({ code: 200 }))
  t.notOk(refuses({ code: 403, message: 'no', details: '{' }))
  t.notOk(refuses({ code: 403, message: 'no', details: 'null' }))
  t.end()
})
