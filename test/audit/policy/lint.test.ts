import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { lintPolicy } from '../../../src/audit/policy/lint.js'
import { parsePolicy } from '../../../src/audit/policy/load.js'

const lint = (...rules: string[]) => {
  const text = `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [${rules.join(', ')}]`
  return lintPolicy(parsePolicy(text, 'policy')).map(({ rule, message }) => `${rule} ${message}`)
}
const META = '{level: Metadata}'
/** Whether the last rule can never match. */
const covered = (...rules: string[]) => {
  const found = lint(...rules).find((line) => line.startsWith(`${rules.length} can never match: `))
  return found?.replace(/^\d+ can never match: /, '')
}

void t.test('rules that can never match', async (t) => {
  const cases: [string, string[], string | undefined][] = [
    ['all before', [META, '{level: None, users: [bob]}'], 'rule 1 covers it'],
    ['none before', ['{level: None, users: [bob]}', META], undefined],
    [
      'fewer verbs',
      ['{level: None, verbs: [get, list]}', '{level: Metadata, verbs: [list]}'],
      'rule 1 covers it',
    ],
    ['more verbs', ['{level: None, verbs: [get]}', '{level: Metadata, verbs: [get, list]}'], undefined],
    [
      'the union',
      [
        '{level: None, verbs: [get]}',
        '{level: None, verbs: [list]}',
        '{level: Metadata, verbs: [list, get]}',
      ],
      'rules 1 and 2 together cover it',
    ],
    [
      'a union that lacks one',
      [
        '{level: None, verbs: [get], users: [a]}',
        '{level: None, verbs: [list]}',
        '{level: Metadata, verbs: [list, get], users: [a, b]}',
      ],
      undefined,
    ],
    ['a user of a group', ['{level: None, userGroups: [g]}', '{level: Metadata, users: [u]}'], undefined],
    [
      'a user and a group',
      ['{level: None, userGroups: [g]}', '{level: Metadata, users: [u], userGroups: [g]}'],
      'rule 1 covers it',
    ],
    [
      'all of the group',
      ['{level: None, resources: [{group: ""}]}', '{level: Metadata, resources: [{resources: [pods]}]}'],
      'rule 1 covers it',
    ],
    [
      'another group',
      ['{level: None, resources: [{group: apps}]}', '{level: Metadata, resources: [{resources: [pods]}]}'],
      undefined,
    ],
    [
      'a resource is not its subresource',
      [
        '{level: None, resources: [{resources: [pods]}]}',
        '{level: Metadata, resources: [{resources: [pods/log]}]}',
      ],
      undefined,
    ],
    [
      'pods/* is both',
      [
        '{level: None, resources: [{resources: ["pods/*"]}]}',
        '{level: Metadata, resources: [{resources: [pods, pods/log]}]}',
      ],
      'rule 1 covers it',
    ],
    [
      '*/scale',
      [
        '{level: None, resources: [{resources: ["*/scale"]}]}',
        '{level: Metadata, resources: [{resources: [x/scale]}]}',
      ],
      'rule 1 covers it',
    ],
    [
      '*/* is no wildcard',
      [
        '{level: None, resources: [{resources: ["*/*"]}]}',
        '{level: Metadata, resources: [{resources: [pods]}]}',
      ],
      undefined,
    ],
    [
      'a name',
      [
        '{level: None, resources: [{resources: [pods]}]}',
        '{level: Metadata, resources: [{resources: [pods], resourceNames: [a]}]}',
      ],
      'rule 1 covers it',
    ],
    [
      'one name of all',
      [
        '{level: None, resources: [{resources: [pods], resourceNames: [a]}]}',
        '{level: Metadata, resources: [{resources: [pods]}]}',
      ],
      undefined,
    ],
    [
      'a namespace',
      ['{level: None, resources: [{group: ""}]}', '{level: Metadata, namespaces: [a]}'],
      undefined,
    ],
    [
      'paths',
      ['{level: None, nonResourceURLs: ["/api*"]}', '{level: Metadata, nonResourceURLs: [/apis, "/api/*"]}'],
      'rule 1 covers it',
    ],
    [
      'a wider path',
      ['{level: None, nonResourceURLs: ["/api/*"]}', '{level: Metadata, nonResourceURLs: ["/api*"]}'],
      undefined,
    ],
    [
      'paths are no resources',
      ['{level: None, nonResourceURLs: ["*"]}', '{level: Metadata, resources: [{group: ""}]}'],
      undefined,
    ],
  ]
  for (const [name, rules, expected] of cases) t.equal(covered(...rules), expected, name)
})

void t.test('credentials that are recorded', async (t) => {
  const secrets =
    '{level: Metadata, resources: [{resources: [secrets, serviceaccounts/token]}, {group: authentication.k8s.io}]}'
  t.match(lint('{level: RequestResponse}'), [
    /^1 records bodies of secrets, serviceaccounts\/token, tokenreviews at/,
  ])
  t.match(lint('{level: Request}'), [/^1 records bodies of secrets, tokenreviews at level Request/])
  t.same(lint(secrets, '{level: RequestResponse}'), [])
  t.same(lint('{level: Request, verbs: [get, list, delete]}'), [], 'no body')
  t.match(lint('{level: RequestResponse, verbs: [get]}'), [/secrets/])
  t.match(lint('{level: Request, resources: [{resources: ["*"], resourceNames: [a]}]}'), [/secrets/])
  t.same(lint('{level: Request, resources: [{resources: [pods]}]}'), [])
  t.same(lint('{level: Request, nonResourceURLs: [/x]}'), [])
  t.match(
    lint(
      '{level: Metadata, users: [a], resources: [{resources: [secrets]}]}',
      '{level: Request, resources: [{group: ""}]}',
    ),
    [/^2 records bodies of secrets at/],
    'for others than a',
  )
})

void t.test('what matches nothing', async (t) => {
  t.match(lint('{level: None, verbs: ["*"]}'), [/^1 verbs has "\*", which matches nothing else/])
  t.match(lint('{level: None, users: ["system:*"]}'), [/^1 users has/])
  t.match(lint('{level: None, resources: [{group: core}]}'), [/^1 the API group "core" does not exist/])
  t.match(lint('{level: None, resources: [{resources: [Pod]}]}'), [/^1 resources has "Pod"/])
  t.match(lint('{level: None, nonResourceURLs: [/x], verbs: [get, list]}'), [/have no verb list/])
  t.match(lint('{level: None, resources: [{group: ""}], verbs: [post]}'), [/have no verb post/])
  t.match(
    lint('{level: Metadata, omitStages: [RequestReceived, ResponseStarted, ResponseComplete, Panic]}'),
    [/records nothing/],
  )
})

void t.test('a rule of very many combinations is not taken apart', async (t) => {
  const many = (prefix: string) => `[${Array.from({ length: 200 }, (_, i) => `${prefix}${i}`).join(',')}]`
  t.same(lint(META, `{level: None, users: ${many('u')}, userGroups: ${many('g')}}`), [])
})

void t.test('the policies that we ship to be used in production', async (t) => {
  for (const name of ['policy', 'policy-minimal']) {
    const file = fileURLToPath(new URL(`../../../../config/${name}.yaml`, import.meta.url))
    t.same(lintPolicy(parsePolicy(readFileSync(file, 'utf8'), file)), [])
  }
})

void t.test('exec, attach and port-forward are two verbs', async (t) => {
  const rule = (verbs: string, resources = 'pods/exec', level = 'Metadata') =>
    `{level: ${level}, verbs: [${verbs}], resources: [{resources: [${resources}]}]}`
  t.same(lint(rule('create', 'pods/exec, pods/attach')), [
    '1 records pods/exec, pods/attach with verb create and not with get, and kubectl 1.30 and newer uses get for them: name both',
  ])
  t.same(lint(rule('get', 'pods/exec', 'None')), [
    '1 leaves out pods/exec with verb get and not with create, and kubectl before 1.30 uses create for them: name both',
  ])
  t.same(lint(rule('get, create')), [])
  t.same(lint(rule('create', 'pods')), [])
  t.same(lint(rule('list')), [])
  t.same(lint(rule('create'), rule('get', 'pods/exec', 'None')), [], 'another rule is for the other verb')
})

void t.test('users among groups, and groups among users', async (t) => {
  const wrong: [string, string][] = [
    ['users: ["system:authenticated"]', 'which is a group'],
    ['users: ["system:serviceaccounts:shop"]', 'which is a group'],
    ['users: ["system:node"]', 'which is nobody: nodes are the users system:node:NAME'],
    ['users: ["system:serviceaccount"]', 'which is nobody: a service account is'],
    ['userGroups: ["system:kube-scheduler"]', 'which is a user'],
    ['userGroups: ["system:serviceaccount:shop:web"]', 'which is a user'],
    ['userGroups: ["system:node:n1"]', 'which is a user'],
    ['userGroups: ["system:node"]', 'which is nobody'],
  ]
  for (const [field, message] of wrong) {
    const found = lint(`{level: None, ${field}}`)
    t.equal(found.length, 1, field)
    t.ok(found[0]?.includes(message), String(found[0]))
  }
  t.same(
    lint(
      '{level: None, users: ["system:node:n1", "system:serviceaccount:a:b", "system:kube-proxy", node, admin]}',
      '{level: None, userGroups: ["system:nodes", "system:masters", "system:serviceaccounts:a", dev]}',
    ),
    [],
  )
})

void t.test('every group', async (t) => {
  const all = '{level: None, resources: [{group: "*", resources: [secrets]}]}'
  const one = '{level: Metadata, resources: [{group: apps, resources: [secrets]}]}'
  t.equal(covered(all, one), 'rule 1 covers it')
  t.equal(covered(one, all), undefined)
  t.match(lint('{level: Request, resources: [{group: "*"}]}'), [/records bodies of secrets, tokenreviews/])
})
