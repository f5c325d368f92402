import t from 'tap'
import { explain } from '../../../src/audit/policy/explain.js'
import { parsePolicy } from '../../../src/audit/policy/load.js'
import type { UserInfo } from '../../../src/request/user-info.js'
import { newRequestInfo } from '../../../src/request/request-info.js'
import { parseRequestTarget } from '../../../src/request/request-target.js'

const policy = parsePolicy(
  `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: [bob]}
- {level: None, userGroups: [ops]}
- {level: None, verbs: [list, watch]}
- {level: None, namespaces: [kube-system]}
- {level: None, resources: [{group: apps}, {group: batch}]}
- {level: None, resources: [{resources: [pods]}]}
- {level: None, resources: [{resources: [pods/log], resourceNames: [db]}]}
- {level: None, nonResourceURLs: [/healthz*]}
- {level: Request, users: [alice], resources: [{}]}
- {level: Metadata}
`,
  'policy',
)

const explained = (user: UserInfo | undefined, method: string, target: string) => {
  const { rules, decidedBy, config } = explain(
    policy,
    user,
    newRequestInfo(method, parseRequestTarget(target)),
  )
  return {
    decidedBy,
    level: config.level,
    rules: rules.map(
      ({ rule, matches, mismatch, reason }) => `${rule} ${matches ? 'yes' : mismatch}: ${reason}`,
    ),
  }
}

void t.test('why each rule matches or not', async (t) => {
  const alice = { username: 'alice', groups: ['dev'] }
  t.strictSame(explained(alice, 'GET', '/api/v1/namespaces/shop/pods/web/log'), {
    decidedBy: 9,
    level: 'Request',
    rules: [
      '1 users: user "alice" is not one of ["bob"]',
      '2 userGroups: none of the groups ["dev"] is one of ["ops"]',
      '3 verbs: verb "get" is not one of ["list", "watch"]',
      '4 namespaces: namespace "shop" is not one of ["kube-system"]',
      '5 resources: API group "" is not one of ["apps", "batch"]',
      '6 resources: resource "pods/log" is not one of ["pods"]',
      '7 resources: resource "pods/log" is not one of ["pods/log"], or its name "web" is not one of ["db"]',
      '8 nonResourceURLs: the rule is for nonResourceURLs, and the request is for a resource',
      '9 yes: users, resources match',
      '10 yes: every request matches, but an earlier rule decides',
    ],
  })
  t.strictSame(explained(undefined, 'GET', '/version'), {
    decidedBy: 10,
    level: 'Metadata',
    rules: [
      '1 users: the rule is for users, and nobody is authenticated',
      '2 userGroups: the rule is for userGroups, and nobody is authenticated',
      '3 verbs: verb "get" is not one of ["list", "watch"]',
      '4 namespaces: the rule is for namespaces, and the request is not for a resource',
      '5 resources: the rule is for resources, and the request is not for one',
      '6 resources: the rule is for resources, and the request is not for one',
      '7 resources: the rule is for resources, and the request is not for one',
      '8 nonResourceURLs: path "/version" is not one of ["/healthz*"]',
      '9 users: the rule is for users, and nobody is authenticated',
      '10 yes: every request matches',
    ],
  })
})

void t.test('a request that no rule matches', async (t) => {
  const info = newRequestInfo('GET', parseRequestTarget('/'))
  const users = Array.from({ length: 12 }, (_, i) => `u${i}`)
  const other = parsePolicy(
    `apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [Panic]\nrules: [{level: Request, users: [${users.join()}]}]`,
    'policy',
  )
  const { rules, decidedBy, config } = explain(other, { username: 'x' }, info)
  t.equal(decidedBy, undefined)
  t.equal(config.level, 'None')
  t.strictSame([...config.omitStages], ['Panic'])
  t.match(rules[0]?.reason, /^user "x" is not one of \["u0", .*"u9", and 2 more\]$/)
})
