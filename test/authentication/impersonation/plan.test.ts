import t from 'tap'
import { extraProblem } from '../../../src/authentication/impersonation/extra-keys.js'
import { forbidden, withoutUser } from '../../../src/authentication/impersonation/forbidden.js'
import {
  constrainedPlans,
  unconstrainedPlan,
  type Requirement,
} from '../../../src/authentication/impersonation/plan.js'
import type { AccessReview } from '../../../src/cluster/access-review.js'
import type { UserInfo } from '../../../src/request/user-info.js'

const ALICE: UserInfo = { username: 'alice', groups: ['dev'] }
const LIST = {
  resourceAttributes: { verb: 'list', group: '', version: 'v1', resource: 'pods', namespace: 'ns' },
}

/** A review in short: VERB GROUP/RESOURCE/SUBRESOURCE NAMESPACE:NAME. */
function short({ resourceAttributes, nonResourceAttributes }: AccessReview): string {
  if (resourceAttributes === undefined) return `${nonResourceAttributes?.verb} ${nonResourceAttributes?.path}`
  const { verb, group, resource, subresource, namespace, name } = resourceAttributes
  const what = [group.replace('authentication.k8s.io', 'auth'), resource, subresource]
    .filter((part) => part)
    .join('/')
  return `${verb} ${what} ${namespace === undefined ? '' : `${namespace}:`}${name ?? ''}`.trim()
}

function lines(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'allowed':
      return short(requirement.review)
    case 'allowed-all':
      return `${short(requirement.all)}, or ${requirement.each.map(short).join(' and ')}`
    case 'never':
      return `never ${short(requirement.review)}: ${requirement.reason}`
  }
}

await t.test('the modes of constrained impersonation', (t) => {
  const plans = (
    asked: UserInfo,
    requestor = ALICE,
    request: Parameters<typeof constrainedPlans>[2] = LIST,
  ) =>
    constrainedPlans(requestor, asked, request).map(({ mode, requirements, target }) => ({
      mode,
      needs: requirements.map(lines),
      groups: target.groups,
    }))
  t.strictSame(plans({ username: 'dana' }), [
    {
      mode: 'user-info',
      needs: ['impersonate-on:user-info:list pods ns:', 'impersonate:user-info auth/users dana'],
      groups: ['system:authenticated'],
    },
    { mode: 'legacy', needs: ['impersonate users dana'], groups: ['system:authenticated'] },
  ])
  t.strictSame(
    plans({ username: 'dana' }, ALICE, { nonResourceAttributes: { verb: 'get', path: '/x' } })[0]?.needs,
    ['impersonate-on:user-info:get /x', 'impersonate:user-info auth/users dana'],
  )
  t.strictSame(
    plans({ username: 'dana', uid: '1', groups: ['a', 'b'], extra: { 'acme.com/team': ['x', 'y'] } })[0]
      ?.needs,
    [
      'impersonate-on:user-info:list pods ns:',
      'impersonate:user-info auth/users dana',
      'impersonate:user-info auth/uids 1',
      'impersonate:user-info auth/groups a',
      'impersonate:user-info auth/groups b',
      'impersonate:user-info auth/userextras/acme.com/team x',
      'impersonate:user-info auth/userextras/acme.com/team y',
    ],
  )
  const many = plans({
    username: 'dana',
    groups: ['a', 'b', 'c', 'a'],
    extra: { 'a/b': ['1', '2', '3'], 'a/c': ['4'] },
  })
  t.strictSame(many[0]?.needs.slice(2), [
    'impersonate:user-info auth/groups *, or ' +
      ['a', 'b', 'c', 'a'].map((name) => `impersonate:user-info auth/groups ${name}`).join(' and '),
    'impersonate:user-info auth/userextras/* *, or ' +
      ['b 1', 'b 2', 'b 3', 'c 4']
        .map((one) => `impersonate:user-info auth/userextras/a/${one}`)
        .join(' and '),
  ])
  t.notMatch(many[1]?.needs, [/\*/], 'but not as before')
  const never = [
    [
      { groups: ['a', ''] },
      'never impersonate:user-info auth/groups: impersonating the empty string group is not allowed',
    ],
    [
      { groups: ['a', 'system:masters'] },
      'never impersonate:user-info auth/groups system:masters: impersonating the system:masters group is not allowed',
    ],
    [
      { extra: { team: ['x'] } },
      'never impersonate:user-info auth/userextras: impersonating an invalid key in extra is not allowed: extra.key: Invalid value: "team": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
  ] as const
  for (const [asked, need] of never) t.equal(plans({ username: 'dana', ...asked })[0]?.needs.at(-1), need)
  t.end()
})

await t.test('service accounts and nodes', (t) => {
  const modes = (asked: UserInfo, requestor = ALICE) =>
    constrainedPlans(requestor, asked, LIST).map(({ mode, requirements, target }) => [
      mode,
      lines(requirements[1] ?? (requirements[0] as Requirement)),
      target.groups?.[0],
    ])
  const legacy = (what: string, group: string) => ['legacy', `impersonate ${what}`, group]
  const robot = 'system:serviceaccount:ns:robot'
  t.strictSame(modes({ username: robot }), [
    ['serviceaccount', 'impersonate:serviceaccount auth/serviceaccounts ns:robot', 'system:serviceaccounts'],
    legacy('serviceaccounts ns:robot', 'system:serviceaccounts'),
  ])
  t.strictSame(modes({ username: robot, groups: ['dev'] })[0]?.[0], 'legacy', 'with its name alone')
  const node: UserInfo = { username: 'system:node:n1' }
  const arbitrary = ['arbitrary-node', 'impersonate:arbitrary-node auth/nodes n1', 'system:nodes']
  t.strictSame(modes(node), [arbitrary, legacy('users system:node:n1', 'system:authenticated')])
  t.strictSame(modes({ ...node, uid: '1' })[0]?.[0], 'legacy', 'with its name alone')
  t.strictSame(modes({ username: 'system:node:Not_One' })[0]?.[0], 'user-info')

  const agent: UserInfo = {
    username: 'system:serviceaccount:ns:agent',
    extra: {
      'authentication.kubernetes.io/node-name': ['n1'],
      'authentication.kubernetes.io/credential-id': ['JTI=1'],
    },
  }
  t.strictSame(modes(node, agent).slice(0, 2), [
    ['associated-node', 'impersonate:associated-node auth/nodes *', 'system:nodes'],
    arbitrary,
  ])
  const [associated] = constrainedPlans(agent, node, LIST)
  for (const requirement of associated?.requirements ?? []) {
    t.strictSame(
      requirement.kind === 'allowed' && requirement.review.user.extra,
      {
        'authentication.kubernetes.io/associated-node-keys': [
          'authentication.kubernetes.io/credential-id',
          'authentication.kubernetes.io/node-name',
        ],
      },
      'asked about the account on any node',
    )
  }
  for (const other of [
    { ...agent, extra: { 'authentication.kubernetes.io/node-name': ['n2'] } },
    { ...agent, extra: { 'authentication.kubernetes.io/node-name': ['n1', 'n1'] } },
    { ...agent, username: 'agent' },
    { username: agent.username },
  ]) {
    t.equal(modes(node, other)[0]?.[0], 'arbitrary-node', 'on another node, or no service account')
  }
  t.end()
})

await t.test('without constrained impersonation', (t) => {
  const asked = {
    username: 'dana',
    uid: '1',
    groups: ['a', '', 'system:masters'],
    extra: { team: ['x', 'y'] },
  }
  const { requirements } = unconstrainedPlan(ALICE, asked)
  t.strictSame(requirements.map(lines), [
    'impersonate users dana',
    'impersonate groups a',
    'impersonate groups',
    'impersonate groups system:masters',
    'impersonate auth/userextras/team x',
    'impersonate auth/userextras/team y',
    'impersonate auth/uids 1',
  ])
  t.end()
})

await t.test('what extra may be impersonated', (t) => {
  const subdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
  const path = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"
  const long = 'A'.repeat(254)
  const prefixed = 'must be a domain-prefixed path (such as "acme.io/foo")'
  const cases: [string, string][] = [
    ['scopes', `extra.key: Invalid value: "scopes": ${prefixed}`],
    ['a%zz/b', `extra.key: Invalid value: "a%zz": ${subdomain}`],
    ['Acme/x', `extra.key: Invalid value: "Acme": ${subdomain}`],
    ['acme.io/x y', `extra.key: Invalid value: "x y": ${path}`],
    ['acme.io/é', `extra.key: Invalid value: "é": ${path}`],
    ['/x', `extra.key: Invalid value: "/x": ${prefixed}`],
    ['acme.io/', `extra.key: Invalid value: "acme.io/": ${prefixed}`],
    [
      `${long}/ `,
      `[extra.key: Invalid value: "${long}": must be no more than 253 characters, extra.key: Invalid value: "${long}": ${subdomain}, extra.key: Invalid value: " ": ${path}]`,
    ],
  ]
  for (const [key, problem] of cases) {
    t.equal(
      extraProblem({ [key]: ['v'] }),
      `impersonating an invalid key in extra is not allowed: ${problem}`,
    )
  }
  t.equal(extraProblem({ '': ['v'] }), 'impersonating the empty string key in extra is not allowed')
  t.equal(
    extraProblem({ 'acme.io/A': ['v'] }),
    'impersonating a non-lowercase key in extra is not allowed: "acme.io/A"',
  )
  t.equal(
    extraProblem({ 'acme.io/a': ['v', ''] }),
    'impersonating the empty string value in extra is not allowed',
  )
  t.equal(extraProblem({ 'acme.io/a/b%2f': ['v'] }), undefined)
  t.end()
})

await t.test('the words of kube-apiserver', (t) => {
  const user = { username: 'a<b>&"c' }
  const shown = 'User "a&lt;b&gt;&amp;\\"c" cannot'
  const cases: [AccessReview, string, string, object][] = [
    [
      { user, nonResourceAttributes: { verb: 'get', path: '/x' } },
      '',
      `forbidden: ${shown} get path "/x"`,
      {},
    ],
    [
      { user, resourceAttributes: { verb: 'list', group: '', resource: 'pods' } },
      'why',
      `pods is forbidden: ${shown} list resource "pods" in API group "" at the cluster scope: why`,
      { kind: 'pods' },
    ],
    [
      {
        user,
        resourceAttributes: {
          verb: 'get',
          group: 'apps',
          resource: 'deployments',
          subresource: 'scale',
          namespace: 'ns',
          name: 'w&\n',
        },
      },
      '',
      `deployments.apps "w&\\n" is forbidden: ${shown} get resource "deployments/scale" in API group "apps" in the namespace "ns"`,
      { name: 'w&\n', group: 'apps', kind: 'deployments' },
    ],
  ]
  for (const [review, reason, message, details] of cases) {
    const error = forbidden(review, reason)
    t.equal(error.message, message)
    t.strictSame(error.details, details)
  }
  t.equal(
    withoutUser({ username: '', uid: 'u"\0é', groups: ['a', 'b'], extra: { z: ['1'], a: ['x', 'y`'] } })
      .message,
    'requested &user.DefaultInfo{Name:"", UID:"u\\"\\x00é", Groups:[]string{"a", "b"}, Extra:map[string][]string{"a":[]string{"x", "y`"}, "z":[]string{"1"}}} without impersonating a user name',
  )
  t.equal(
    withoutUser({ username: '', uid: 'uid-dana' }).message,
    'requested &user.DefaultInfo{Name:"", UID:"uid-dana", Groups:[]string(nil), Extra:map[string][]string(nil)} without impersonating a user name',
  )
  t.end()
})
