import t from 'tap'
import { readFileSync } from 'node:fs'
import https from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { TestCluster } from '../support/cluster.js'

void t.test(
  'a test cluster serves, audits and knows its identities',
  { skip: TestCluster.skip(), timeout: 120_000 },
  async (t) => {
    const cluster = await TestCluster.start({
      auditPolicy: 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n',
      tokens: ['sesame,bob,uid-bob,"dev,qa"'],
    })
    t.teardown(() => cluster.stop())

    const namespaces = await cluster.request('/api/v1/namespaces')
    t.equal(namespaces.status, 200)

    const whoami = async (options: https.RequestOptions) => {
      const req = https
        .request(`${cluster.url}/api/v1/nodes`, { ca: cluster.ca.cert, agent: false, ...options })
        .end()
      const [res] = (await once(req, 'response')) as [IncomingMessage]
      let text = ''
      for await (const chunk of res) text += String(chunk)
      return (JSON.parse(text) as { message: string }).message
    }
    t.match(await whoami({ headers: { authorization: 'Bearer sesame' } }), /User "bob" cannot list/)
    const { cert, key } = cluster.frontProxyClient
    t.match(await whoami({ cert, key, headers: { 'x-remote-user': 'carol' } }), /User "carol" cannot list/)

    const token = await cluster.request('/api/v1/namespaces/default/serviceaccounts', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot' } }),
    })
    t.equal(token.status, 201)
    const issued = await cluster.request('/api/v1/namespaces/default/serviceaccounts/robot/token', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }),
    })
    t.equal(issued.status, 201)
    const { status } = JSON.parse(issued.body.toString()) as { status: { token: string } }
    t.match(
      await whoami({ headers: { authorization: `Bearer ${status.token}` } }),
      /User "system:serviceaccount:default:robot" cannot list/,
    )

    const users = readFileSync(cluster.auditLog, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { user: { username: string } }).user.username)
    t.ok(users.includes('bob') && users.includes('kubernetes-admin'))
  },
)
