import { readFileSync } from 'node:fs'
import t from 'tap'
import { comparePolicies } from '../../../src/audit/policy/compare.js'
import { parsePolicy } from '../../../src/audit/policy/load.js'
import type { Policy } from '../../../src/audit/policy/policy.js'

const policy = (rules: readonly string[], more = ''): Policy =>
  parsePolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\n${more}\nrules: [${rules.join(', ')}]`, 'policy')
const META = '{level: Metadata}'
const NONE = '{level: None}'
const SECRETS = '{level: Request, resources: [{resources: [secrets, configmaps]}]}'
const BOB = '{level: None, users: [alice, bob]}'

void t.test('which rules are others', async (t) => {
  const cases: [string, string[], string[], number[], number[], boolean][] = [
    ['the same', [BOB, META], [BOB, META], [], [], false],
    ['written in another way', ['{level: None, users: [a]}'], ['{users: [a], level: None}'], [], [], false],
    ['one more', [META], [BOB, META], [1], [], false],
    ['one less', [BOB, SECRETS, META], [SECRETS, META], [], [1], false],
    ['another level', [SECRETS, META], [SECRETS, NONE], [2], [2], false],
    ['another order', [SECRETS, BOB, META], [BOB, SECRETS, META], [], [], true],
    ['twice', [META], [META, META], [2], [], false],
    ['all', [META], [NONE, BOB], [1, 2], [1], false],
  ]
  for (const [name, before, after, added, removed, moved] of cases) {
    t.match(comparePolicies(policy(before), policy(after)), { added, removed, moved }, name)
  }
})

void t.test('whether less is recorded', async (t) => {
  const cases: [string, Policy, Policy, RegExp | undefined][] = [
    ['nothing changed', policy([META]), policy([META]), undefined],
    ['more', policy([META]), policy([SECRETS, META]), undefined],
    ['the last rule is gone', policy([BOB, META]), policy([BOB]), /has level None, and had Metadata$/],
    [
      'a rule is gone that raised the level',
      policy([SECRETS, META]),
      policy([META]),
      /^get "secrets" in namespace "somewhere" .* has level Metadata, and had Request$/,
    ],
    ['a rule is gone that the next one does for', policy([META, SECRETS]), policy([META]), undefined],
    [
      'another level',
      policy(['{level: RequestResponse}']),
      policy(['{level: Request}']),
      /Request, and had RequestR/,
    ],
    [
      'a None for one user among others',
      policy([META]),
      policy([BOB, META]),
      /by user "alice", .* has level None/,
    ],
    [
      'one more user in it',
      policy(['{level: None, users: [alice]}', META]),
      policy([BOB, META]),
      /by user "bob", .* has level None/,
    ],
    ['a None for a group', policy([META]), policy(['{level: None, userGroups: [g]}', META]), /groups \["g",/],
    [
      'a None for one of many verbs and resources',
      policy([META]),
      policy(['{level: None, verbs: [get, watch], resources: [{group: "*", resources: ["*/scale"]}]}', META]),
      /^get "things.example.com\/scale" /,
    ],
    [
      'a None for paths',
      policy([META]),
      policy(['{level: None, nonResourceURLs: ["/healthz*"]}', META]),
      /^get "\/healthz/,
    ],
    [
      'a None for a namespace',
      policy([META]),
      policy(['{level: None, namespaces: [x]}', META]),
      /in namespace "x"/,
    ],
    [
      'a None that stands too late',
      policy([META]),
      policy([META, '{level: None, users: [alice]}']),
      undefined,
    ],
    [
      'another order',
      policy([SECRETS, META]),
      policy([META, SECRETS]),
      /has level Metadata, and had Request$/,
    ],
    [
      'a stage',
      policy([META]),
      policy([META], 'omitStages: [ResponseComplete]'),
      /no event at ResponseComplete/,
    ],
    [
      'a stage of one rule',
      policy([META]),
      policy(['{level: Metadata, omitStages: [Panic]}']),
      /no event at Panic/,
    ],
    ['a stage more', policy([META], 'omitStages: [Panic]'), policy([META]), undefined],
  ]
  for (const [name, before, after, lowered] of cases) {
    const found = comparePolicies(before, after).lowered
    if (lowered === undefined) t.equal(found, undefined, name)
    else t.match(found, lowered, name)
  }
})

void t.test('every shipped policy, cut after any of its rules, says less', async (t) => {
  for (const name of ['policy', 'policy-minimal', 'policy-everything']) {
    const whole = parsePolicy(readFileSync(`config/${name}.yaml`, 'utf8'), name)
    t.equal(comparePolicies(whole, whole).lowered, undefined)
    for (let count = 1; count < whole.rules.length; count++) {
      const cut = { ...whole, rules: whole.rules.slice(0, count) }
      t.ok(comparePolicies(whole, cut).lowered, `${name}, ${count} of its rules`)
      t.strictSame(comparePolicies(cut, whole).removed, [])
    }
  }
})
