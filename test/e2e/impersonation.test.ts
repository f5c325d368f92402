import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import t from 'tap'
import { apiservers, atLeast, type Apiserver } from '../support/apiservers.js'
import { byAuditID, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { ClusterProxy, grant } from '../support/cluster-proxy.js'
import { TestCluster, type TestResponse } from '../support/cluster.js'
import type { Issued } from '../support/pki.js'

const POLICY =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n'
const PODS = '/api/v1/namespaces/default/pods'
const AUTHENTICATION = 'authentication.k8s.io'

type Headers = Readonly<Record<string, string | readonly string[]>>

interface Attempt {
  readonly name: string
  readonly who: 'legacy' | 'constrained' | 'root' | 'other root' | 'stranger'
  readonly method?: string
  readonly path?: string
  readonly as: Headers
}

const user = (name: string): Headers => ({ 'impersonate-user': name })
const groups = (...names: string[]): Headers => ({ ...user('dana'), 'impersonate-group': names })
const ROBOT = 'system:serviceaccount:default:robot'
const NODE = 'system:node:n1'

/** In an order in which what was granted last matters to what is said next. */
const ATTEMPTS: readonly Attempt[] = [
  { name: 'refused', who: 'stranger', as: user('dana') },
  { name: 'refused, of a path', who: 'stranger', as: user('dana'), path: '/version' },
  { name: 'refused, of a service account', who: 'stranger', as: user(ROBOT) },
  { name: 'refused, of a node', who: 'stranger', as: user(NODE) },
  { name: 'refused, without a body', who: 'stranger', as: user('dana'), method: 'HEAD' },
  { name: 'refused, of a log', who: 'stranger', as: user('dana'), path: `${PODS}/a/log` },
  {
    name: 'refused, with hostile names',
    who: 'stranger',
    as: user('a" cannot <&>'),
    path: `${PODS}/a%22%3c%26`,
  },
  { name: 'nameless', who: 'stranger', as: { 'impersonate-uid': 'u"', 'impersonate-group': ['a', 'b'] } },
  {
    name: 'nameless extra',
    who: 'stranger',
    as: { 'impersonate-extra-b': '1', 'impersonate-extra-a': ['2', '3'] },
  },
  { name: 'root', who: 'root', as: user('dana') },
  { name: 'root, without a body', who: 'root', as: user('dana'), method: 'HEAD' },
  { name: 'root as a node', who: 'root', as: user(NODE) },
  { name: 'root as a service account', who: 'root', as: user(ROBOT) },
  { name: 'root as a node with a group', who: 'other root', as: { ...user(NODE), 'impersonate-group': 'g' } },
  { name: 'granted, then forbidden', who: 'constrained', as: user('dana') },
  {
    name: 'granted on that alone',
    who: 'constrained',
    as: user('dana'),
    path: '/api/v1/namespaces/default/secrets',
  },
  {
    name: 'granted, on a list alone',
    who: 'constrained',
    as: user('dana'),
    method: 'DELETE',
    path: `${PODS}/a`,
  },
  {
    name: 'selected',
    who: 'constrained',
    as: user('dana'),
    path: `${PODS}?labelSelector=a%3Db&fieldSelector=spec.nodeName%3Dn1`,
  },
  { name: 'granted, of another user', who: 'constrained', as: user('erik') },
  { name: 'granted, with a group', who: 'constrained', as: groups('dev') },
  { name: 'granted, with another group', who: 'constrained', as: groups('dev', 'other') },
  { name: 'granted, with many groups', who: 'constrained', as: groups('dev', 'dev', 'dev', 'dev', 'dev') },
  { name: 'masters', who: 'constrained', as: groups('system:masters') },
  { name: 'a uid', who: 'constrained', as: { ...user('dana'), 'impersonate-uid': '1' } },
  { name: 'an extra', who: 'constrained', as: { ...user('dana'), 'impersonate-extra-acme.com%2fteam': 't' } },
  {
    name: 'an extra with a bad key',
    who: 'constrained',
    as: { ...user('dana'), 'impersonate-extra-team': 't' },
  },
  {
    name: 'an empty extra',
    who: 'constrained',
    as: { ...user('dana'), 'impersonate-extra-acme.com%2fteam': '' },
  },
  { name: 'a service account', who: 'constrained', as: user(ROBOT) },
  { name: 'another service account', who: 'constrained', as: user(`${ROBOT}2`) },
  { name: 'a node', who: 'constrained', as: user(NODE) },
  { name: 'another node', who: 'constrained', as: user('system:node:n2') },
  { name: 'a user, by the last mode', who: 'constrained', as: user('erik') },
  { name: 'legacy', who: 'legacy', as: user('dana') },
  { name: 'legacy, as a node', who: 'legacy', as: user(NODE) },
  { name: 'legacy, refused a group', who: 'legacy', as: groups('dev') },
  { name: 'legacy, refused a service account', who: 'legacy', as: user(ROBOT) },
]

/** Impersonates everybody on some requests in some modes, or as before 1.36. */
async function grantAll(cluster: TestCluster): Promise<void> {
  const on = (mode: string) => `impersonate-on:${mode}:list`
  await grant(
    cluster,
    'constrained',
    [
      {
        apiGroups: [''],
        resources: ['pods'],
        verbs: ['user-info', 'serviceaccount', 'arbitrary-node'].map(on),
      },
      {
        apiGroups: [AUTHENTICATION],
        resources: ['users'],
        resourceNames: ['dana'],
        verbs: ['impersonate:user-info'],
      },
      {
        apiGroups: [AUTHENTICATION],
        resources: ['groups'],
        resourceNames: ['dev'],
        verbs: ['impersonate:user-info'],
      },
      {
        apiGroups: [AUTHENTICATION],
        resources: ['userextras/acme.com/team'],
        verbs: ['impersonate:user-info'],
      },
      {
        apiGroups: [AUTHENTICATION],
        resources: ['nodes'],
        resourceNames: ['n1'],
        verbs: ['impersonate:arbitrary-node'],
      },
      {
        apiGroups: [AUTHENTICATION],
        resources: ['serviceaccounts'],
        resourceNames: ['robot'],
        verbs: ['impersonate:serviceaccount'],
      },
    ],
    [{ kind: 'User', name: 'constrained' }],
  )
  await grant(
    cluster,
    'legacy',
    [{ apiGroups: [''], resources: ['users'], verbs: ['impersonate'] }],
    [{ kind: 'User', name: 'legacy' }],
  )
}

/** Who had the group from whom: only the server knows which mode granted it. */
const UNKNOWABLE = 'legacy, as a node'

interface Seen extends TestResponse {
  readonly event: LoggedEvent
}

const CASES = [
  ['impersonation, with constrained impersonation', 'impersonation', true],
  ['impersonation, without', 'impersonation', false],
  ['request header, with constrained impersonation', 'request header', true],
  ['request header, without', 'request header', false],
] as const

for (const apiserver of apiservers()) {
  for (const [name, identity, constrained] of CASES) {
    const skip =
      apiserver.skip || (constrained && !hasGate(apiserver) && 'it has no constrained impersonation')
    await t.test(`${name}: ${apiserver.version}`, { skip, timeout: 300_000 }, async (t) => {
      const gate = hasGate(apiserver) ? [`--feature-gates=ConstrainedImpersonation=${constrained}`] : []
      const cluster = await TestCluster.start({
        apiserver,
        auditPolicy: POLICY,
        flags: ['--requestheader-uid-headers=X-Remote-Uid', ...gate],
      })
      t.teardown(() => cluster.stop())
      await grantAll(cluster)
      const proxy = await ClusterProxy.start(t, cluster, { policy: POLICY, identity })
      // Before 1.35 headers without a user were an internal error, and no Status.
      const attempts = hasGate(apiserver) ? ATTEMPTS : ATTEMPTS.filter(({ as }) => 'impersonate-user' in as)
      const clients = newClients(cluster)
      const direct = { url: cluster.url, log: cluster.auditLog, ca: cluster.ca.cert, clients, attempts }
      // Twice, because what is said depends on what was granted before.
      await askAll(direct)
      const expected = await askAll(direct)
      const proxied = { ...direct, url: proxy.url, log: proxy.auditLog }
      if (identity === 'impersonation') await askAll(proxied)
      const found = await askAll(proxied)
      for (const [attempt, theirs] of expected) {
        const ours = found.get(attempt) as Seen
        t.equal(ours.status, theirs.status, attempt)
        t.strictSame(messageOf(ours), messageOf(theirs), `${attempt}: the message`)
        if (attempt === UNKNOWABLE && constrained && identity === 'request header') {
          t.strictSame(ours.event.impersonatedUser?.groups, ['system:nodes', 'system:authenticated'])
        } else t.strictSame(identityOf(ours.event), identityOf(theirs.event), `${attempt}: the event`)
      }
    })
  }
}

/** Whether it knows the feature gate ConstrainedImpersonation. */
function hasGate(apiserver: Apiserver): boolean {
  return atLeast(apiserver, '1.35')
}

function newClients(cluster: TestCluster): Record<Attempt['who'], Issued> {
  const client = (cn: string, o: string[] = []) =>
    cluster.pki.issue(cluster.ca, { name: `client-${cn}`, cn, o, usage: 'client' })
  return {
    root: cluster.admin,
    'other root': client('other-root', ['system:masters']),
    legacy: client('legacy'),
    constrained: client('constrained'),
    stranger: client('stranger'),
  }
}

interface Asked {
  readonly url: string
  readonly log: string
  readonly ca: string
  readonly clients: Record<Attempt['who'], Issued>
  readonly attempts: readonly Attempt[]
}

async function askAll(asked: Asked): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>()
  for (const attempt of asked.attempts) seen.set(attempt.name, await ask(asked, attempt))
  return seen
}

async function ask(
  { url, log, ca, clients }: Asked,
  { who, method = 'GET', path = PODS, as }: Attempt,
): Promise<Seen> {
  const auditID = randomUUID()
  const { cert, key } = clients[who]
  const headers = { 'audit-id': auditID, ...as } as Record<string, string | string[]>
  const req = https.request(`${url}${path}`, { method, headers, cert, key, ca, agent: false })
  req.end()
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of res) chunks.push(chunk as Buffer)
  const event = await waitForEvents(log, (events) => byAuditID(events).get(auditID)?.at(-1))
  return { status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks), event }
}

/** Before 1.36 the apiserver has other words for headers without a user than we do. */
function messageOf({ body, status }: Seen): unknown {
  if (body.length === 0) return undefined
  const { message, details } = JSON.parse(body.toString()) as { message?: string; details?: object }
  return status === 400 ? message?.includes('without impersonating a user') : [message, details]
}

/** What an event says of who acts as whom. */
function identityOf({ user, impersonatedUser, responseStatus }: LoggedEvent) {
  const { extra, ...target } = impersonatedUser ?? {}
  // The user behind it, whom the proxy tells the apiserver of where it impersonates.
  const told = Object.entries(extra ?? {}).filter(([key]) => !key.startsWith('kube-audit-proxy.io/original-'))
  return { user, impersonatedUser: impersonatedUser && { ...target, told }, code: responseStatus?.code }
}
