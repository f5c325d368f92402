import { RULE } from '../../support/audit-policy.js'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadPolicy, parsePolicy } from '../../../src/audit/policy/load.js'
import { ConfigError } from '../../../src/errors.js'

const path = (relative: string) => fileURLToPath(new URL(`../../../../${relative}`, import.meta.url))
const HEADER = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n'

void t.test('policies that people run', async (t) => {
  const counts: [string, number][] = [
    ['test/audit/policy/policies/sample.yaml', 9],
    ['test/audit/policy/policies/on-premises.yaml', 12],
    ['test/audit/policy/policies/kubeadm-v1beta1.yaml', 7],
    ['config/policy.yaml', 16],
    ['config/policy-minimal.yaml', 2],
    ['config/policy-everything.yaml', 1],
  ]
  for (const [file, rules] of counts) t.equal(loadPolicy(path(file)).rules.length, rules, file)

  const sample = loadPolicy(path('test/audit/policy/policies/sample.yaml'))
  t.strictSame(sample.omitStages, ['RequestReceived'])
  t.strictSame(sample.rules[2], {
    ...RULE,
    level: 'None',
    resources: [{ group: '', resources: ['configmaps'], resourceNames: ['controller-leader'] }],
  })
  const known = loadPolicy(path('test/audit/policy/policies/on-premises.yaml')).rules
  t.ok(known[9]!.resources.length > 10)
  t.strictSame(known[10]!.resources, known[9]!.resources, 'an anchor and its alias')
})

void t.test('every version, and JSON', async (t) => {
  const want = { rules: [RULE], omitStages: [], omitManagedFields: false }
  for (const version of ['v1', 'v1beta1', 'v1alpha1']) {
    const apiVersion = `audit.k8s.io/${version}`
    const json = { apiVersion, kind: 'Policy', metadata: { name: 'x' }, rules: [{ level: 'Metadata' }] }
    t.strictSame(parsePolicy(JSON.stringify(json), 'p'), want)
    t.strictSame(parsePolicy(JSON.stringify(json, undefined, '\t'), 'p'), want)
    t.strictSame(
      parsePolicy(`---\napiVersion: ${apiVersion}\nkind: Policy\nrules:\n- level: Metadata\n---\n`, 'p'),
      want,
    )
  }
})

void t.test('what counts as empty', async (t) => {
  const nothing = ['', 'null', '~', '[]']
  for (const value of nothing) {
    const text = `${HEADER}omitStages: ${value}
omitManagedFields:
metadata:
rules:
- level: Metadata
  users: ${value}
  userGroups: ${value}
  verbs: ${value}
  resources: ${value}
  namespaces: ${value}
  nonResourceURLs: ${value}
  omitStages: ${value}
  omitManagedFields:
`
    t.strictSame(
      parsePolicy(text, 'p'),
      { rules: [RULE], omitStages: [], omitManagedFields: false },
      `"${value}"`,
    )
  }
  const { rules } = parsePolicy(
    `${HEADER}rules: [{level: None, resources: [null, {}, {group: }], namespaces: [null]}]`,
    'p',
  )
  const all = { group: '', resources: [], resourceNames: [] }
  t.strictSame(rules[0], { ...RULE, level: 'None', resources: [all, all, all], namespaces: [''] })
})

void t.test('omitManagedFields, of the policy and of a rule', async (t) => {
  const text = `${HEADER}omitManagedFields: true
rules: [{level: None}, {level: None, omitManagedFields: false}, {level: None, omitManagedFields: yes}]`
  const policy = parsePolicy(text, 'p')
  t.equal(policy.omitManagedFields, true)
  t.strictSame(
    policy.rules.map((rule) => rule.omitManagedFields),
    [undefined, false, true],
  )
})

void t.test('scalars as YAML 1.1 has them', async (t) => {
  const { rules } = parsePolicy(`${HEADER}rules: [{level: None, users: [2001-02-03, "1", no-one]}]`, 'p')
  t.strictSame(rules[0]!.users, ['2001-02-03', '1', 'no-one'])
})

void t.test('merge keys', async (t) => {
  const text = `${HEADER}rules:
- &base {level: None, verbs: [get], users: [a]}
- <<: *base
  users: [b]
- {<<: [{verbs: [list]}, *base]}`
  t.strictSame(parsePolicy(text, 'p').rules, [
    { ...RULE, level: 'None', verbs: ['get'], users: ['a'] },
    { ...RULE, level: 'None', verbs: ['get'], users: ['b'] },
    { ...RULE, level: 'None', verbs: ['list'], users: ['a'] },
  ])
})

void t.test('a bad policy is refused with one line', async (t) => {
  const rule = (fields: string) => `${HEADER}rules:\n- level: None\n- ${fields}`
  const table: [string, string][] = [
    ['', 'p: found nothing, expected a YAML or JSON document'],
    ['# nothing\n', 'p: found nothing, expected a YAML or JSON document'],
    ['[]', 'p: line 1: found a list, expected an object'],
    ['text', 'p: line 1: found "text", expected an object'],
    ['{', 'p: is not JSON, though it begins with "{": '],
    ['# \n{', 'p: line 2: '],
    ['a:\n\tb: c', 'p: line 2: '],
    [
      'kind: Policy\nrules: [{level: None}]',
      'p: apiVersion (line 1): found nothing, expected audit.k8s.io/v1',
    ],
    [
      'apiVersion: audit.k8s.io/v2\nkind: Policy',
      'p: apiVersion (line 1): found "audit.k8s.io/v2", expected audit.k8s.io/v1',
    ],
    ['apiVersion: v1\nkind: Policy', 'p: apiVersion (line 1): found "v1", expected audit.k8s.io/v1'],
    ['apiVersion: audit.k8s.io/v1\nkind: Event', 'p: kind (line 2): found "Event", expected Policy'],
    [HEADER, 'p: rules (line 1): found no rules, expected at least one'],
    [`${HEADER}rules: []`, 'p: rules (line 3): found no rules, expected at least one'],
    [`${HEADER}rules: {}`, 'p: rules (line 3): found an object, expected a list'],
    [`${HEADER}omitManagedFields: 1`, 'p: omitManagedFields (line 3): found 1, expected true or false'],
    [
      `${HEADER}omitStages: [Received]`,
      'p: omitStages[0] (line 3): found "Received", expected one of RequestReceived, ',
    ],
    [`${HEADER}metadata: x`, 'p: metadata (line 3): found "x", expected an object'],
    [
      rule('level: Metdata'),
      'p: rules[1].level (rule 2, line 5): found "Metdata", expected one of None, Metadata, Request, RequestResponse',
    ],
    [rule('level: metadata'), 'p: rules[1].level (rule 2, line 5): found "metadata", expected '],
    [rule('users: [a]'), 'p: rules[1].level (rule 2, line 5): found nothing, expected one of None, '],
    [rule(''), 'p: rules[1].level (rule 2, line 5): found nothing, expected one of None, '],
    [rule('None'), 'p: rules[1] (rule 2, line 5): found "None", expected an object'],
    [rule('level: None\n  verbs: get'), 'p: rules[1].verbs (rule 2, line 6): found "get", expected a list'],
    [rule('level: None\n  verbs: [1]'), 'p: rules[1].verbs[0] (rule 2, line 6): found 1, expected a string'],
    [
      rule('level: None\n  users: [a, [b]]'),
      'p: rules[1].users[1] (rule 2, line 6): found a list, expected a string',
    ],
    [
      rule('level: None\n  users: [yes]'),
      'p: rules[1].users[0] (rule 2, line 6): found yes, expected a string',
    ],
    [
      rule('level: None\n  omitStages: [Panic, Done]'),
      'p: rules[1].omitStages[1] (rule 2, line 6): found "Done", expected one of ',
    ],
    [
      rule('level: None\n  resources: [{group: rbac.authorization.k8s.io/v1}]'),
      'p: rules[1].resources[0].group (rule 2, line 6): found "rbac.authorization.k8s.io/v1", expected the name of an API group ',
    ],
    [
      rule('level: None\n  resources: [{group: Apps}]'),
      'p: rules[1].resources[0].group (rule 2, line 6): found "Apps", expected ',
    ],
    [
      rule('level: None\n  resources: [pods]'),
      'p: rules[1].resources[0] (rule 2, line 6): found "pods", expected an object',
    ],
    [
      rule('level: None\n  resources:\n  - group: ""\n    resourceNames: [a]'),
      'p: rules[1].resources[0].resourceNames (rule 2, line 8): found names without resources, expected ',
    ],
    [
      rule('level: None\n  nonResourceURLs: [/a]\n  resources: [{}]'),
      'p: rules[1].nonResourceURLs (rule 2, line 6): found together with resources, expected ',
    ],
    [
      rule('level: None\n  namespaces: [""]\n  nonResourceURLs: [/a]'),
      'p: rules[1].nonResourceURLs (rule 2, line 7): found together with namespaces, expected ',
    ],
    [
      rule('level: None\n  nonResourceURLs: [healthz]'),
      'p: rules[1].nonResourceURLs[0] (rule 2, line 6): found "healthz", expected ',
    ],
    [
      rule('level: None\n  nonResourceURLs: ["/a*b"]'),
      'p: rules[1].nonResourceURLs[0] (rule 2, line 6): found "/a*b", expected a "*" only',
    ],
    [rule('level: None\n  nonResourceURLs: [""]'), 'p: rules[1].nonResourceURLs[0] (rule 2, line 6): found '],
    [rule('level: &a *b'), 'p: line 5: '],
    [rule('level: *b'), 'p: line 5: found the unknown alias "b"'],
    [rule('<<: 1'), 'p: line 5: found a merge of something else than an object'],
    [rule('level: !!int None'), 'p: line 5: found "None", which is not what its tag says'],
    [`${HEADER}rules: ${'['.repeat(10_000)}`, 'p: line 3: is nested too deeply'],
    [`${HEADER}rules:\n${'- '.repeat(10_000)}`, 'p: line 4: is nested too deeply'],
    [`${HEADER}rules: &r\n- *r`, 'p: '],
  ]
  for (const [text, want] of table) {
    const err = t.throws(() => parsePolicy(text, 'p'), ConfigError, want) as unknown as ConfigError
    t.ok(err.message.startsWith(want), `${err.message} starts with ${want}`)
    t.notMatch(err.message, '\n')
    t.ok(err.message.length < 500)
  }
})

void t.test('what kube-apiserver loads and is probably not meant is warned of', async (t) => {
  const RULES = 'rules:\n- level: None\n'
  const table: [string, string[]][] = [
    [`${HEADER}${RULES}`, []],
    [`apiVersion: audit.k8s.io/v1\n${RULES}`, ['p: kind (line 1): found nothing, expected Policy; ']],
    [
      `apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n${RULES}`,
      ['p: apiVersion (line 1): kube-apiserver 1.24 and newer refuses audit.k8s.io/v1beta1, '],
    ],
    [
      `${HEADER}${RULES}---\n${HEADER}`,
      ['p: line 6: the second document is ignored, as kube-apiserver does'],
    ],
    [
      `${HEADER}kind: Policy\n${RULES}`,
      ['p: line 3: found the field "kind" a second time; the last one counts, as in kube-apiserver'],
    ],
    [
      `${HEADER}rulez: []\n${RULES}  verb: [get]\n  resources:\n  - resource: [pods]\n    x: 1\n`,
      [
        'p: line 3: the unknown field "rulez" is ignored, as kube-apiserver does; did you mean rules?',
        'p: rules[0] (rule 1, line 6): the unknown field "verb" is ignored, as kube-apiserver does; did you mean verbs?',
        'p: rules[0].resources[0] (rule 1, line 8): the unknown field "resource" is ignored, as kube-apiserver does; did you mean resources?',
        'p: rules[0].resources[0] (rule 1, line 9): the unknown field "x" is ignored, as kube-apiserver does; expected one of group, ',
      ],
    ],
    [
      JSON.stringify(
        { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'None', user: [] }] },
        null,
        1,
      ),
      [
        'p: rules[0] (rule 1, line 7): the unknown field "user" is ignored, as kube-apiserver does; did you mean users?',
      ],
    ],
    [
      `${HEADER}rules: [{level: None,\nusers: [\na]}]\nrule: 1`,
      ['p: line 6: the unknown field "rule" is ignored'],
    ],
  ]
  for (const [text, want] of table) {
    const warnings: string[] = []
    parsePolicy(text, 'p', (warning) => warnings.push(warning))
    t.equal(warnings.length, want.length, text)
    want.forEach((start, i) => t.ok(warnings[i]!.startsWith(start), `${warnings[i]} starts with ${start}`))
  }
  const many: string[] = []
  const fields = Array.from({ length: 60 }, (_, i) => `a${i}: 1\n`).join('')
  parsePolicy(`${HEADER}${RULES}${fields}`, 'p', (warning) => many.push(warning))
  t.equal(many.length, 51)
  t.equal(many[50], 'p: and 10 warnings more')
  const none: string[] = []
  t.throws(() => parsePolicy(`${HEADER}rulez: []`, 'p', (warning) => none.push(warning)))
  t.strictSame(none, [], 'what is refused is not warned of')
})

void t.test('aliases cannot blow a policy up', async (t) => {
  const times = (what: string) => Array<string>(1000).fill(what).join()
  const bomb = `${HEADER}rules:
- {level: None, resources: &gs [&g {resources: &rs [${times('pods')}]}, ${times('*g')}]}
${'- {level: None, resources: *gs}\n'.repeat(1000)}`
  t.throws(() => parsePolicy(bomb, 'p'), {
    name: 'ConfigError',
    message: /^p: line \d+: has too many aliases/,
  })
})

void t.test('a file that cannot be read is refused', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'policy-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'policy.yaml')
  const problem = () => (t.throws(() => loadPolicy(file), ConfigError) as unknown as ConfigError).message
  t.equal(problem(), `${file}: no such file`)
  writeFileSync(file, Buffer.from([...Buffer.from(HEADER), 0xff]))
  t.equal(problem(), `${file}: found bytes that are not UTF-8, expected YAML or JSON`)
  writeFileSync(file, '#'.repeat(5 * 1024 * 1024))
  t.match(problem(), /found 5242880 bytes, expected a policy of at most 4194304$/)
  writeFileSync(file, '\ufeff' + readFileSync(path('config/policy-minimal.yaml'), 'utf8'))
  t.equal(loadPolicy(file).rules.length, 2)
})
