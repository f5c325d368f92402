import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { sinkManifest } from '../support/audit-sink.js'
import { newestApiserver } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'
import { certificate, writeKubeconfigFile } from '../support/kubeconfig.js'
import { ProxyProcess } from '../support/proxy-process.js'
import { WebhookReceiver } from '../support/webhook-receiver.js'

const KUBECTL = join(newestApiserver().dir, 'kubectl')
const CRD = fileURLToPath(new URL('../../../config/auditsink-crd.yaml', import.meta.url))

await t.test('kubectl apply of an AuditSink through the proxy', { skip: TestCluster.skip() }, async (t) => {
  const cluster = await TestCluster.start()
  t.teardown(() => cluster.stop())
  const dir = t.testdir()
  const serving = { name: 'receiver', cn: 'receiver', ip: ['127.0.0.1'], usage: 'server' } as const
  const receiver = await WebhookReceiver.start({ serving: cluster.pki.issue(cluster.ca, serving) })
  t.teardown(() => receiver.stop())
  const proxied = { name: 'proxy', cn: 'proxy', ip: ['127.0.0.1'], usage: 'server' } as const
  const { certFile, keyFile } = cluster.pki.issue(cluster.ca, proxied)
  const proxy = await ProxyProcess.start([
    `--kubeconfig=${cluster.kubeconfigFile}`,
    `--tls-cert-file=${certFile}`,
    `--tls-private-key-file=${keyFile}`,
    `--client-ca-file=${cluster.ca.certFile}`,
    '--audit-dynamic-configuration',
    '--audit-webhook-batch-max-wait=100ms',
  ])
  t.teardown(() => proxy.stop())
  const { admin, ca } = cluster
  const kubeconfig = writeKubeconfigFile(
    join(dir, 'kubeconfig'),
    { server: proxy.url, 'certificate-authority': ca.certFile },
    certificate(admin),
  )
  const kubectl = (...args: string[]) =>
    new Promise<{ out: string; err: string }>((resolve) => {
      const all = [`--kubeconfig=${kubeconfig}`, `--cache-dir=${join(dir, 'cache')}`, ...args]
      execFile(KUBECTL, all, (_error, out, err) => resolve({ out: out.trim(), err: err.trim() }))
    })
  const namespaces = () =>
    receiver.requests.flatMap(({ body }) =>
      (JSON.parse(body) as { items: { verb: string; objectRef?: Record<string, string> }[] }).items
        .filter(({ verb, objectRef }) => verb === 'create' && objectRef?.resource === 'namespaces')
        .map(({ objectRef }) => objectRef?.name),
    )

  await proxy.logged('the cluster has no resource auditsinks')
  await kubectl('create', 'namespace', 'before')
  t.match(await kubectl('apply', '-f', CRD), {
    out: 'customresourcedefinition.apiextensions.k8s.io/auditsinks.auditregistration.k8s.io created',
  })
  await kubectl('wait', '--for=condition=established', 'crd/auditsinks.auditregistration.k8s.io')

  const file = join(dir, 'auditSink.yml')
  writeFileSync(file, sinkManifest('mysink', receiver.url, { ca }))
  t.match(await kubectl('apply', '-f', file), { out: 'auditsink.auditregistration.k8s.io/mysink created' })
  await proxy.logged('audit sink added')
  await kubectl('create', 'namespace', 'first')
  await receiver.watch.until(() => namespaces().includes('first'))
  t.match(receiver.requests[0], { method: 'POST', path: /^\/audit\b/ })

  const broken = sinkManifest('mysink', receiver.url, { ca, policy: { stages: [] } })
  writeFileSync(file, broken)
  await kubectl('apply', '-f', file)
  await proxy.logged('auditsink mysink: spec.policy.stages')
  await kubectl('create', 'namespace', 'second')
  await receiver.watch.until(() => namespaces().includes('second'))

  let from = proxy.logLines.length
  const moved = sinkManifest('mysink', `${receiver.url}/moved`, { ca })
  writeFileSync(file, moved)
  await kubectl('apply', '-f', file)
  await proxy.logged('audit sink changed', from)
  await kubectl('create', 'namespace', 'third')
  await receiver.watch.until(() => namespaces().includes('third'))
  t.match(receiver.requests.at(-1)?.path, '/audit/moved')

  from = proxy.logLines.length
  t.match(await kubectl('delete', 'auditsink', 'mysink'), {
    out: 'auditsink.auditregistration.k8s.io "mysink" deleted',
  })
  await proxy.logged('audit sink removed', from)
  await kubectl('create', 'namespace', 'after')
  t.equal(await proxy.stop(), 0, 'everything that was buffered is delivered by now')
  t.strictSame(namespaces(), ['first', 'second', 'third'])
})
