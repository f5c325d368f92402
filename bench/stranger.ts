// How many bytes of audit log a request costs of somebody who has no credential, in front of a kube-apiserver that refuses it.
// What was sent is counted as TLS's content: with HTTP/2 a header that was sent before is one byte.
// usage: KUBEBUILDER_ASSETS=FOLDER node build/bench/stranger.js
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { connect } from 'node:http2'
import t from 'tap'
import { ClusterProxy } from '../test/support/cluster-proxy.js'
import { TestCluster } from '../test/support/cluster.js'

const REQUESTS = 200
const PODS = '/api/v1/namespaces/default/pods'
const YAML_BOMB = `kind: Pod\nx: &a ${'y'.repeat(1000)}\ny: [${'*a,'.repeat(500)}*a]\n`

interface Case {
  readonly name: string
  readonly path: string
  readonly userAgent?: string
  readonly body?: string
}

const CASES: readonly Case[] = [
  { name: 'nothing special', path: PODS },
  { name: 'a path of 3 KiB, plain', path: `/${'a'.repeat(3000)}` },
  { name: 'a path of 3 KiB, quotes', path: `/${'%22'.repeat(1000)}` },
  { name: 'a name of 3 KiB, plain', path: `${PODS}/${'a'.repeat(3000)}` },
  { name: 'a name of 3 KiB, quotes', path: `${PODS}/${'%22'.repeat(1000)}` },
  { name: 'a name of 3 KiB, control characters', path: `${PODS}/${'%01'.repeat(1000)}` },
  { name: 'a name of 3 KiB, <', path: `${PODS}/${'<'.repeat(3000)}` },
  { name: 'a user agent of 3 KiB, <', path: PODS, userAgent: '<'.repeat(3000) },
  { name: 'a body of YAML with aliases', path: PODS, body: YAML_BOMB },
]

await t.test('what a stranger costs', { timeout: 600_000 }, async (t) => {
  const rows: object[] = []
  for (const level of ['Metadata', 'RequestResponse']) {
    const cluster = await TestCluster.start()
    t.teardown(() => cluster.stop())
    const policy = `apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: ${level}}]\n`
    const flags = ['--audit-log-mode=blocking', '--audit-log-maxsize=0']
    const proxy = await ClusterProxy.start(t, cluster, { policy, flags, identity: 'request header' })
    for (const { name, path, userAgent = 'x', body } of CASES) {
      const session = connect(proxy.url, { ca: cluster.ca.cert })
      await once(session, 'connect')
      const ask = async () => {
        const req = session.request({
          ':method': body === undefined ? 'GET' : 'POST',
          ':path': path,
          'user-agent': userAgent,
          'content-type': 'application/yaml',
        })
        req.end(body)
        await once(req.resume(), 'end')
      }
      await ask()
      const size = () => statSync(proxy.auditLog).size
      const [sent, logged] = [session.socket.bytesWritten, size()]
      for (let i = 0; i < REQUESTS; i++) await ask()
      const [bytesSent, bytesLogged] = [session.socket.bytesWritten - sent, size() - logged]
      session.close()
      rows.push({
        level,
        request: name,
        'sent (bytes/request)': Math.round(bytesSent / REQUESTS),
        'logged (bytes/request)': Math.round(bytesLogged / REQUESTS),
        'logged per byte sent': (bytesLogged / bytesSent).toFixed(1),
      })
    }
    await proxy.stop()
  }
  console.table(rows)
})
