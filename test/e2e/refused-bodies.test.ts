import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { apiservers } from '../support/apiservers.js'
import { byAuditID, waitForEvents } from '../support/audit-log.js'
import { ClusterProxy } from '../support/cluster-proxy.js'
import { TestCluster } from '../support/cluster.js'

const POLICY =
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Request}]\n'
const MAPS = '/api/v1/namespaces/default/configmaps'
const ADMISSION = '/apis/admissionregistration.k8s.io/v1'
/** What a refusal by authorization says, from somebody who would like to be taken for it. */
const MIMICRY = 'configmaps is forbidden: User "admin" cannot create resource "configmaps"'

interface Refused {
  readonly name: string
  readonly who: 'admin' | 'stranger' | 'nobody'
  readonly code: number
  /** Whether kube-apiserver has read the body. */
  readonly read: boolean
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: object
}

const map = (name: string) => ({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name }, data: { k: 'v' } })

const REFUSED: readonly Refused[] = [
  { name: 'a policy, 403', who: 'admin', code: 403, read: true, body: map('policy-forbidden') },
  { name: 'a webhook, 403', who: 'admin', code: 403, read: true, body: map('webhook-403') },
  { name: 'a webhook, 401', who: 'admin', code: 401, read: true, body: map('webhook-401') },
  { name: 'a webhook, 429', who: 'admin', code: 429, read: true, body: map('webhook-429') },
  {
    name: 'a quota',
    who: 'admin',
    code: 403,
    read: true,
    path: '/api/v1/namespaces/full/configmaps',
    body: map('a'),
  },
  { name: 'authorization', who: 'stranger', code: 403, read: false, body: map('a') },
  {
    name: 'authorization of a name',
    who: 'stranger',
    code: 403,
    read: false,
    method: 'PUT',
    path: `${MAPS}/a%22%20is%20forbidden:%20x`,
    body: map('a'),
  },
  {
    name: 'authorization of a patch',
    who: 'stranger',
    code: 403,
    read: false,
    method: 'PATCH',
    path: `${MAPS}/a`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { data: { k: 'w' } },
  },
  {
    name: 'authorization of a deletion',
    who: 'stranger',
    code: 403,
    read: false,
    method: 'DELETE',
    path: `${MAPS}/a`,
    body: { kind: 'DeleteOptions', apiVersion: 'v1' },
  },
  {
    name: 'authorization of an eviction',
    who: 'stranger',
    code: 403,
    read: false,
    path: '/api/v1/namespaces/default/pods/a/eviction',
    body: { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name: 'a' } },
  },
  { name: 'authorization of nobody', who: 'nobody', code: 403, read: false, body: map('a') },
  {
    name: 'impersonation',
    who: 'stranger',
    code: 403,
    read: false,
    headers: { 'impersonate-user': 'dana' },
    body: map('a'),
  },
]

/** Admission that denies what the names of objects ask for. */
async function deny(t: Test, cluster: TestCluster): Promise<void> {
  const serving = cluster.pki.issue(cluster.ca, {
    name: 'webhook',
    cn: 'webhook',
    ip: ['127.0.0.1'],
    usage: 'server',
  })
  const server = https.createServer({ cert: serving.cert, key: serving.key }, (req, res) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of req) chunks.push(chunk as Buffer)
      const { request } = JSON.parse(Buffer.concat(chunks).toString()) as {
        request: { uid: string; name: string }
      }
      const code = Number(/^webhook-(\d+)$/.exec(request.name)?.[1] ?? 200)
      const response = { uid: request.uid, allowed: code === 200, status: { code, message: MIMICRY } }
      res.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response }))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }]
  await cluster.create(`${ADMISSION}/validatingwebhookconfigurations`, {
    metadata: { name: 'deny' },
    webhooks: [
      {
        name: 'deny.example.com',
        rules,
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        clientConfig: {
          url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
          caBundle: readFileSync(cluster.ca.certFile).toString('base64'),
        },
      },
    ],
  })
  const unless = (name: string, reason: string) => ({
    expression: `object.metadata.name != "${name}"`,
    message: MIMICRY,
    reason,
  })
  await cluster.create(`${ADMISSION}/validatingadmissionpolicies`, {
    metadata: { name: 'deny' },
    spec: {
      matchConstraints: { resourceRules: rules },
      validations: [unless('policy-forbidden', 'Forbidden')],
    },
  })
  await cluster.create(`${ADMISSION}/validatingadmissionpolicybindings`, {
    metadata: { name: 'deny' },
    spec: { policyName: 'deny', validationActions: ['Deny'] },
  })
  await cluster.create('/api/v1/namespaces', { metadata: { name: 'full' } })
  const hard = { 'count/configmaps': '0' }
  await cluster.create('/api/v1/namespaces/full/resourcequotas', { metadata: { name: 'q' }, spec: { hard } })
  await cluster.request('/api/v1/namespaces/full/resourcequotas/q/status', {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify({ status: { hard, used: { 'count/configmaps': '0' } } }),
  })
  // It takes a while until the apiserver has heard of all that.
  for (const { who, code, path = MAPS, body } of REFUSED.filter(({ read }) => read)) {
    const request = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    while ((await cluster.request(`${path}?dryRun=All`, request)).status !== code) await sleep(100)
    t.equal(who, 'admin')
  }
}

for (const apiserver of apiservers()) {
  await t.test(
    `bodies of refused requests: ${apiserver.version}`,
    { skip: apiserver.skip, timeout: 300_000 },
    async (t) => {
      const cluster = await TestCluster.start({ apiserver, auditPolicy: POLICY })
      t.teardown(() => cluster.stop())
      await deny(t, cluster)
      const proxy = await ClusterProxy.start(t, cluster, { policy: POLICY, identity: 'request header' })
      const stranger = cluster.pki.issue(cluster.ca, { name: 'stranger', cn: 'stranger', usage: 'client' })
      for (const { name, who, code, read, method = 'POST', path = MAPS, headers, body } of REFUSED) {
        const id = randomUUID()
        const certificate = who === 'nobody' ? {} : who === 'admin' ? cluster.admin : stranger
        const { cert, key } = certificate as Partial<typeof stranger>
        const text = JSON.stringify(body)
        const req = https.request(`${proxy.url}${path}`, {
          method,
          headers: {
            'content-type': 'application/json',
            'content-length': String(text.length),
            'audit-id': id,
            ...headers,
          },
          ca: cluster.ca.cert,
          ...(cert !== undefined && { cert, key }),
          agent: false,
        })
        req.end(text)
        const [res] = (await once(req, 'response')) as [IncomingMessage]
        res.resume()
        t.equal(res.statusCode, code, name)
        const last = (log: string) => waitForEvents(log, (events) => byAuditID(events).get(id)?.at(-1))
        const [ours, theirs] = [await last(proxy.auditLog), await last(cluster.auditLog)]
        t.equal(theirs.requestObject !== undefined, read, `${name}: kube-apiserver's`)
        t.equal(ours.requestObject !== undefined, read, `${name}: ours`)
        t.strictSame(ours.objectRef, theirs.objectRef, `${name}: what it is about`)
      }
    },
  )
}
