import { RULE } from '../../support/audit-policy.js'
import fc from 'fast-check'
import t from 'tap'
import { PolicyEvaluator } from '../../../src/audit/policy/evaluate.js'
import type { Policy, PolicyRule } from '../../../src/audit/policy/policy.js'
import { RuleIndex } from '../../../src/audit/policy/rule-index.js'
import { RuleMatcher } from '../../../src/audit/policy/rule-matcher.js'
import type { RequestInfo } from '../../../src/request/request-info.js'

/** Often nothing, so that rules match now and then. */
const some = (...values: string[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.subarray(values, { maxLength: 3 }))
const USERS = ['alice', 'bob', 'system:anonymous', '']
const GROUPS = ['dev', 'ops', 'system:authenticated']
const VERBS = ['get', 'list', 'create', 'post']
const NAMESPACES = ['shop', 'kube-system', '']
const NAMES = ['web', 'db', '']
const URLS = ['*', '/', '/a', '/a*', '/a/*', '/a/b*', '/healthz', '/api/v1/pods']
const PATTERNS = ['*', 'pods', 'pods/log', 'pods/*', '*/log', '*/*', 'deployments', 'deployments/scale', '*/']

const rule: fc.Arbitrary<PolicyRule> = fc.record({
  level: fc.constantFrom('None', 'Metadata', 'Request', 'RequestResponse'),
  users: some(...USERS),
  userGroups: some(...GROUPS),
  verbs: some(...VERBS),
  namespaces: some(...NAMESPACES),
  resources: fc.array(
    fc.record({
      group: fc.constantFrom('', 'apps', '*', 'batch'),
      resources: some(...PATTERNS),
      resourceNames: some(...NAMES),
    }),
    { maxLength: 2 },
  ),
  nonResourceURLs: some(...URLS),
  omitStages: fc.constant([]),
})

const info: fc.Arbitrary<RequestInfo> = fc.record({
  isResourceRequest: fc.boolean(),
  path: fc.constantFrom('/', '/a', '/a/b/c', '/healthz', '/healthz/x', '/api/v1/pods', ''),
  verb: fc.constantFrom(...VERBS, 'watch'),
  apiPrefix: fc.constant('api'),
  apiGroup: fc.constantFrom('', 'apps', '*', 'other'),
  apiVersion: fc.constant('v1'),
  namespace: fc.constantFrom(...NAMESPACES, 'other'),
  resource: fc.constantFrom('pods', 'deployments', 'secrets', '*', ''),
  subresource: fc.constantFrom('', 'log', 'scale', '*'),
  name: fc.constantFrom(...NAMES, 'other'),
})

const user = fc.option(
  fc.record(
    { username: fc.constantFrom(...USERS, 'eve'), groups: some(...GROUPS, 'other') },
    { requiredKeys: ['username'] },
  ),
  { nil: undefined },
)

void t.test('finds the rule that asking each in turn finds', async (t) => {
  const rules = fc.array(rule, { maxLength: 100, size: 'max' })
  const requests = fc.array(fc.tuple(user, info), { minLength: 20, maxLength: 20 })
  let found = 0
  fc.assert(
    fc.property(rules, requests, (rules, requests) => {
      const indexed = rules.map((rule) => ({ rule, matcher: new RuleMatcher(rule) }))
      const index = new RuleIndex(indexed)
      for (const [user, info] of requests) {
        const want = indexed.findIndex(({ matcher }) => matcher.mismatch(user, info) === undefined)
        if (want >= 0) found++
        if (index.first(user, info) !== want) return false
      }
      return true
    }),
    { numRuns: 300 },
  )
  t.ok(found > 1000, 'many requests match a rule')
})

const POD: RequestInfo = {
  isResourceRequest: true,
  path: '/api/v1/namespaces/shop/pods/web',
  verb: 'get',
  apiPrefix: 'api',
  apiGroup: '',
  apiVersion: 'v1',
  namespace: 'shop',
  resource: 'pods',
  subresource: '',
  name: 'web',
}

void t.test('more rules than one index is for', async (t) => {
  const rules = Array.from({ length: 2500 }, (_, i) => ({ ...RULE, users: [`user-${i}`] }))
  const policy: Policy = {
    rules: [...rules, { ...RULE, level: 'Request', users: ['user-1', 'last'] }],
    omitStages: [],
    omitManagedFields: false,
  }
  const evaluator = new PolicyEvaluator(policy)
  const configs = new Set(rules.map((_, i) => evaluator.evaluate({ username: `user-${i}` }, POD)))
  t.equal(configs.size, rules.length)
  t.equal(evaluator.evaluate({ username: 'last' }, POD).level, 'Request')
  t.equal(evaluator.evaluate({ username: 'nobody' }, POD).level, 'None')
  t.equal(evaluator.evaluate(undefined, POD).level, 'None')
})

void t.test('only the rules that may match are asked', async (t) => {
  const asked: number[] = []
  const index = new RuleIndex(
    Array.from({ length: 1000 }, (_, i) => ({
      rule: { ...RULE, resources: [{ group: 'apps', resources: [`kind-${i}`], resourceNames: [] }] },
      matcher: {
        mismatch: () => {
          asked.push(i)
          return undefined
        },
      },
    })),
  )
  t.equal(index.first(undefined, { ...POD, apiGroup: 'apps', resource: 'kind-700' }), 700)
  t.equal(index.first(undefined, { ...POD, apiGroup: 'apps', resource: 'other' }), -1)
  t.same(asked, [700])
})
