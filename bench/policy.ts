// What one evaluation of a policy costs, by the number of its rules: with the index, and where each rule is asked in turn.
// usage: node build/bench/policy.js
import { PolicyEvaluator } from '../src/audit/policy/evaluate.js'
import { parsePolicy } from '../src/audit/policy/load.js'
import { RuleMatcher } from '../src/audit/policy/rule-matcher.js'
import { newRequestInfo } from '../src/request/request-info.js'
import { parseRequestTarget } from '../src/request/request-target.js'

const EVALUATIONS = 300_000
const user = { username: 'alice', groups: ['dev', 'system:authenticated'] }
const requests = [
  '/api/v1/namespaces/shop/pods/web/log',
  '/apis/apps/v1/namespaces/shop/deployments/web',
  '/api/v1/secrets',
  '/healthz',
].map((target) => newRequestInfo('GET', parseRequestTarget(target)))

/** Rules of four kinds that none of the requests match, and one that all match. */
function policyOf(count: number) {
  const kinds = [
    (i: number) =>
      `{level: None, users: ["system:serviceaccount:ns-${i}:default"], verbs: [get, list, watch]}`,
    (i: number) => `{level: None, userGroups: ["team-${i}"]}`,
    (i: number) =>
      `{level: Request, verbs: [get], resources: [{group: "", resources: [kind-${i}, "kind-${i}/status"]}]}`,
    (i: number) => `{level: None, nonResourceURLs: ["/path-${i}*"]}`,
  ]
  const rules = Array.from({ length: count - 1 }, (_, i) => kinds[i % kinds.length]?.(i))
  const text = [...rules, '{level: Metadata}'].map((rule) => `- ${rule}\n`).join('')
  return parsePolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n${text}`, 'bench')
}

/** Nanoseconds a call. */
function measure(evaluate: (i: number) => unknown): number {
  for (let i = 0; i < EVALUATIONS / 10; i++) evaluate(i)
  const { user: before } = process.cpuUsage()
  for (let i = 0; i < EVALUATIONS; i++) evaluate(i)
  return ((process.cpuUsage().user - before) * 1000) / EVALUATIONS
}

console.log('rules   with the index   each in turn   (ns of CPU for one request)')
for (const count of [1, 10, 100, 1000]) {
  const policy = policyOf(count)
  const evaluator = new PolicyEvaluator(policy)
  const matchers = policy.rules.map((rule) => new RuleMatcher(rule))
  const request = (i: number) => requests[i % requests.length] as (typeof requests)[number]
  const indexed = measure((i) => evaluator.evaluate(user, request(i)))
  const linear = measure((i) => matchers.find((matcher) => matcher.mismatch(user, request(i)) === undefined))
  console.log(
    `${String(count).padStart(5)}${indexed.toFixed(0).padStart(17)}${linear.toFixed(0).padStart(15)}`,
  )
}
