import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { STAGES } from '../../../src/audit/event.js'
import { PolicyEvaluator } from '../../../src/audit/policy/evaluate.js'
import { loadPolicy, parsePolicy } from '../../../src/audit/policy/load.js'
import type { UserInfo } from '../../../src/request/user-info.js'
import { newRequestInfo } from '../../../src/request/request-info.js'
import { parseRequestTarget } from '../../../src/request/request-target.js'

const path = (relative: string) => fileURLToPath(new URL(`../../../../${relative}`, import.meta.url))
const infoOf = (method: string, target: string) => newRequestInfo(method, parseRequestTarget(target))
const evaluatorOf = (...rules: string[]) =>
  new PolicyEvaluator(
    parsePolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [${rules.join()}]`, 'policy'),
  )

interface Decision {
  policy: string
  method: string
  target: string
  user: UserInfo | null
  level: string
  stages: string[]
}

void t.test('requests are recorded as a real kube-apiserver recorded them', async (t) => {
  const file = path('test/audit/policy/recordings/decisions.json')
  const decisions = JSON.parse(readFileSync(file, 'utf8')) as Decision[]
  t.ok(decisions.length > 150)
  const evaluators = new Map<string, PolicyEvaluator>()
  for (const { policy, method, target, user, level, stages } of decisions) {
    const evaluator =
      evaluators.get(policy) ??
      new PolicyEvaluator(loadPolicy(path(`test/audit/policy/policies/${policy}.yaml`)))
    evaluators.set(policy, evaluator)
    const config = evaluator.evaluate(user ?? undefined, infoOf(method, target))
    t.equal(config.level, level, `${policy}: ${method} ${target}`)
    t.notOk(stages.some((stage) => config.omitStages.has(stage as never)))
  }
})

const alice: UserInfo = { username: 'alice', groups: ['dev', 'system:authenticated'] }
const POD = '/api/v1/namespaces/shop/pods/web'

void t.test('what a rule matches', async (t) => {
  // The rule's fields, the requests that it matches and those that it does not.
  const table: [string, string[], string[]][] = [
    ['', ['GET /', `GET ${POD}`], []],
    ['users: [bob, alice]', ['GET /'], []],
    ['users: [bob]', [], ['GET /', `GET ${POD}`]],
    ['userGroups: [ops, dev]', ['GET /'], []],
    ['userGroups: [ops]', [], ['GET /']],
    ['users: [alice], userGroups: [ops]', [], ['GET /']],
    ['verbs: [get]', ['GET /', `GET ${POD}`, `HEAD ${POD}`], ['GET /api/v1/pods', 'HEAD /', `DELETE ${POD}`]],
    ['verbs: [watch]', ['GET /api/v1/pods?watch=1', 'GET /api/v1/watch/pods'], ['GET /api/v1/pods']],
    ['namespaces: [shop]', [`GET ${POD}`, 'GET /api/v1/namespaces/shop'], ['GET /api/v1/pods', 'GET /']],
    ['namespaces: [""]', ['GET /api/v1/pods', 'GET /api/v1/nodes/n'], [`GET ${POD}`, 'GET /']],
    [
      'resources: [{}]',
      [`GET ${POD}`, `GET ${POD}/log`],
      ['GET /apis/apps/v1/deployments', 'GET /api', 'GET /'],
    ],
    ['resources: [{group: apps}]', ['GET /apis/apps/v1/deployments'], [`GET ${POD}`, 'GET /apis/apps/v1']],
    [
      'resources: [{resources: [pods]}]',
      [`GET ${POD}`, 'GET /api/v1/pods'],
      [`GET ${POD}/log`, 'GET /apis/metrics.k8s.io/v1/pods'],
    ],
    ['resources: [{resources: [pods/log]}]', [`GET ${POD}/log`], [`GET ${POD}`, `GET ${POD}/status`]],
    [
      'resources: [{resources: [pods/*]}]',
      [`GET ${POD}/log`, `GET ${POD}`],
      ['GET /api/v1/namespaces/shop/services/s/status'],
    ],
    [
      'resources: [{resources: ["*/status"]}]',
      [`GET ${POD}/status`, 'GET /api/v1/nodes/n/status'],
      [`GET ${POD}`, `GET ${POD}/log`, 'GET /apis/apps/v1/namespaces/a/deployments/d/status'],
    ],
    ['resources: [{resources: ["*"]}]', [`GET ${POD}/log`, `GET ${POD}`], ['GET /apis/apps/v1/deployments']],
    ['resources: [{resources: ["*/*"]}]', [], [`GET ${POD}/log`, `GET ${POD}`]],
    [
      'resources: [{resources: [pods], resourceNames: [web]}]',
      [`GET ${POD}`, 'GET /api/v1/pods?fieldSelector=metadata.name%3Dweb'],
      [`GET ${POD}2`, 'GET /api/v1/pods', `GET ${POD}/log`],
    ],
    ['resources: [{resources: ["*"], resourceNames: [web]}]', [`GET ${POD}/log`], ['GET /api/v1/nodes/n']],
    [
      'resources: [{resources: [services]}, {resources: [pods]}, {group: apps}]',
      [`GET ${POD}`, 'GET /apis/apps/v1/deployments'],
      ['GET /api/v1/nodes'],
    ],
    [
      'resources: [{resources: [pods]}], namespaces: [shop]',
      [`GET ${POD}`],
      ['GET /api/v1/pods', 'GET /api/v1/namespaces/shop/services'],
    ],
    ['nonResourceURLs: [/healthz]', ['GET /healthz', 'GET /healthz?verbose'], ['GET /healthz/etcd', 'GET /']],
    [
      'nonResourceURLs: [/healthz*]',
      ['GET /healthz', 'GET /healthz/etcd', 'GET /healthz%2Fetcd'],
      ['GET /health', `GET ${POD}`],
    ],
    ['nonResourceURLs: ["*"]', ['GET /', 'GET /api/v1', 'OPTIONS *'], [`GET ${POD}`]],
    ['nonResourceURLs: [/api*]', ['GET /api', 'GET /apis/apps/v1'], ['GET /api/v1/pods', 'GET //api']],
    ['nonResourceURLs: [/*], verbs: [get]', ['GET /x'], ['POST /x']],
  ]
  for (const [fields, yes, no] of table) {
    const evaluator = evaluatorOf(`{level: Request, ${fields}}`)
    const levelOf = (request: string) => {
      const [method = '', target = ''] = request.split(' ')
      return evaluator.evaluate(alice, infoOf(method, target)).level
    }
    for (const request of yes) t.equal(levelOf(request), 'Request', `${request} matches ${fields}`)
    for (const request of no) t.equal(levelOf(request), 'None', `${request} does not match ${fields}`)
  }
})

void t.test('nobody and somebody without groups', async (t) => {
  const evaluator = evaluatorOf(
    '{level: Metadata, users: [""]}',
    '{level: Request, userGroups: [dev]}',
    '{level: RequestResponse, nonResourceURLs: [/x]}',
  )
  t.equal(evaluator.evaluate(undefined, infoOf('GET', '/x')).level, 'RequestResponse')
  t.equal(evaluator.evaluate({ username: '' }, infoOf('GET', '/x')).level, 'Metadata')
  t.equal(evaluator.evaluate({ username: 'dev' }, infoOf('GET', '/x')).level, 'RequestResponse')
})

void t.test('the first rule that matches decides, with what the policy adds', async (t) => {
  const policy = parsePolicy(
    `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: None, verbs: [get], omitStages: [RequestReceived, Panic], omitManagedFields: false}
- {level: Request, verbs: [get, list]}
- {level: Metadata, verbs: [create], omitStages: [${STAGES.join()}]}
`,
    'policy',
  )
  const evaluator = new PolicyEvaluator(policy)
  const table: [string, string, string, string[], boolean][] = [
    ['GET', POD, 'None', ['RequestReceived', 'Panic'], false],
    ['GET', '/api/v1/pods', 'Request', ['RequestReceived'], true],
    ['POST', '/api/v1/pods', 'Metadata', [...STAGES], true],
    ['DELETE', POD, 'None', ['RequestReceived'], true],
  ]
  for (const [method, target, level, omitStages, omitManagedFields] of table) {
    const config = evaluator.evaluate(alice, infoOf(method, target))
    t.strictSame({ ...config, omitStages: [...config.omitStages] }, { level, omitStages, omitManagedFields })
    t.equal(evaluator.evaluate(alice, infoOf(method, target)), config, 'no new object')
  }
})

void t.test('the policy to start from', async (t) => {
  const evaluator = new PolicyEvaluator(loadPolicy(path('config/policy.yaml')))
  const node: UserInfo = { username: 'system:node:n', groups: ['system:nodes', 'system:authenticated'] }
  const controller: UserInfo = {
    username: 'system:serviceaccount:kube-system:node-controller',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
  }
  const anonymous: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] }
  const ns = '/api/v1/namespaces/shop'
  const table: [UserInfo | undefined, string, string, string][] = [
    [anonymous, 'GET', '/readyz?verbose', 'None'],
    [undefined, 'GET', '/livez', 'None'],
    [alice, 'GET', '/apis/apps/v1', 'None'],
    [alice, 'GET', '/', 'None'],
    [anonymous, 'GET', '/api', 'Metadata'],
    [anonymous, 'GET', `${ns}/pods`, 'Metadata'],
    [undefined, 'POST', `${ns}/pods`, 'Request'],
    [alice, 'POST', '/healthz', 'Metadata'],
    [alice, 'POST', `${ns}/secrets`, 'Metadata'],
    [node, 'GET', `${ns}/secrets/s`, 'Metadata'],
    [controller, 'GET', '/api/v1/secrets?watch=1', 'Metadata'],
    [alice, 'POST', `${ns}/serviceaccounts/robot/token`, 'Metadata'],
    [node, 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', 'Metadata'],
    [alice, 'PUT', `${ns}/configmaps/c`, 'Metadata'],
    [alice, 'POST', `${ns}/events`, 'None'],
    [node, 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n', 'None'],
    [alice, 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n', 'Request'],
    [node, 'PATCH', '/api/v1/nodes/n/status', 'None'],
    [node, 'GET', '/api/v1/pods?watch=1', 'None'],
    [node, 'POST', `${ns}/pods`, 'Request'],
    [controller, 'DELETE', `${ns}/pods/p`, 'Request'],
    [{ username: 'system:kube-scheduler' }, 'GET', '/api/v1/pods?watch=1', 'None'],
    [{ username: 'system:kube-scheduler' }, 'POST', `${ns}/pods/p/binding`, 'Request'],
    [alice, 'POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', 'Metadata'],
    [alice, 'POST', `${ns}/pods/p/exec?command=sh`, 'Metadata'],
    [alice, 'GET', `${ns}/pods/p/log`, 'Metadata'],
    [alice, 'GET', `${ns}/pods`, 'Metadata'],
    [alice, 'DELETE', `${ns}/pods`, 'Request'],
    [alice, 'POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', 'RequestResponse'],
    [alice, 'GET', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', 'Metadata'],
    [alice, 'PATCH', '/apis/apps/v1/namespaces/shop/deployments/web/scale', 'Request'],
    [alice, 'OPTIONS', `${ns}/pods`, 'Metadata'],
  ]
  for (const [user, method, target, level] of table) {
    t.equal(
      evaluator.evaluate(user, infoOf(method, target)).level,
      level,
      `${user?.username} ${method} ${target}`,
    )
  }
})
