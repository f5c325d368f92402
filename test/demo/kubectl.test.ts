import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { DemoApiserver } from '../../demo/apiserver/server.js'
import { CertificateAuthority } from '../../demo/certificates.js'
import { newProtobufDecoder } from '../../demo/decode-protobuf.js'
import { RULES } from '../../demo/users.js'
import { kubeconfig } from '../../demo/workspace.js'

function findKubectl(): string | undefined {
  const directories = [process.env.KUBEBUILDER_ASSETS ?? '', ...(process.env.PATH ?? '').split(delimiter)]
  return directories
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, 'kubectl'))
    .find((file) => existsSync(file))
}

const MANIFEST = JSON.stringify({
  apiVersion: 'v1',
  kind: 'List',
  items: [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-a' } },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: 'team-a' },
      data: { color: 'blue' },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'debug', namespace: 'team-a', labels: { app: 'debug' } },
      spec: { containers: [{ name: 'shell', image: 'busybox' }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'team-a' },
      spec: {
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'web', image: 'nginx:1' }] },
        },
      },
    },
  ],
})

const kubectl = findKubectl()
const skip = kubectl === undefined ? 'no kubectl in KUBEBUILDER_ASSETS or PATH' : false

void t.test('kubectl works against it', { skip }, async (t) => {
  const ca = new CertificateAuthority('ca')
  const apiserver = await DemoApiserver.start({
    serving: ca.issue({ commonName: 'apiserver', usage: 'server', hosts: ['127.0.0.1'] }),
    clientCA: ca.cert,
    frontProxyCA: new CertificateAuthority('front-proxy-ca').cert,
    tokens: new Map([['carols-token', { username: 'carol', groups: ['viewers'] }]]),
    rules: RULES,
    decodeProtobuf: newProtobufDecoder(),
  })
  t.teardown(() => apiserver.close())
  const alice = ca.issue({ commonName: 'alice', organizations: ['system:masters'], usage: 'client' })
  const home = t.testdir({
    alice: kubeconfig(apiserver.url, ca.cert, 'alice', alice),
    carol: kubeconfig(apiserver.url, ca.cert, 'carol', { token: 'carols-token' }),
    manifest: MANIFEST,
  })
  const env = { ...process.env, HOME: home }
  const as = (user: string, args: string) => ['--kubeconfig', join(home, user), ...args.split(' ')]
  const run = (user: string, args: string) =>
    new Promise<{ code: number; out: string }>((resolve) => {
      execFile(kubectl ?? '', as(user, args), { env, timeout: 30_000 }, (err, stdout, stderr) => {
        resolve({ code: err === null ? 0 : 1, out: stdout + stderr })
      })
    })
  const manifest = join(home, 'manifest')

  const steps: [string, string, number, RegExp][] = [
    ['alice', `create -f ${manifest}`, 0, /deployment\.apps\/web created/],
    ['alice', `create -f ${manifest}`, 1, /configmaps "settings" already exists/],
    ['alice', `apply -f ${manifest}`, 0, /deployment\.apps\/web configured/],
    ['alice', `apply -f ${manifest}`, 0, /deployment\.apps\/web unchanged/],
    ['alice', `apply --server-side -f ${manifest}`, 0, /configmap\/settings serverside-applied/],
    [
      'alice',
      'get pods -A',
      0,
      /NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE\nteam-a +debug +1\/1 +Running +0 +\d+s/,
    ],
    ['alice', '-n team-a scale deployment web --replicas=3', 0, /deployment\.apps\/web scaled/],
    ['alice', '-n team-a set image deployment/web web=nginx:2', 0, /image updated/],
    ['alice', '-n team-a rollout status deployment/web --timeout=10s', 0, /successfully rolled out/],
    ['carol', '-n team-a get deployments', 0, /NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +3\/3 +3 +3/],
    [
      'carol',
      '-n team-a get deployment web -o jsonpath={.spec.template.spec.containers[0].image}',
      0,
      /^nginx:2$/,
    ],
    ['carol', '-n team-a logs debug --tail=1', 0, /^shell: ready\n$/],
    ['carol', '-n team-a describe pod debug', 0, /Name: +debug/],
    ['carol', '-n team-a get secrets', 1, /Forbidden.*User "carol" cannot list resource "secrets"/],
    ['carol', '-n team-a delete pod debug', 1, /Forbidden/],
    ['alice', '-n team-a get configmaps --as carol --as-group viewers', 0, /settings +1/],
    ['alice', '-n team-a get secrets --as carol --as-group viewers', 1, /Forbidden/],
    ['alice', '-n team-a patch configmap settings --type=merge -p {"data":{"color":"green"}}', 0, /patched/],
    ['alice', '-n team-a label pod debug tier=front', 0, /labeled/],
    ['alice', '-n team-a get pods -l tier=front -o name', 0, /^pod\/debug\n$/],
    // Newer kubectl sends these in protobuf.
    ['alice', '-n team-a create configmap more --from-literal=a=b', 0, /configmap\/more created/],
    ['alice', '-n team-a create deployment api --image=nginx', 0, /deployment\.apps\/api created/],
    ['carol', 'auth can-i list pods', 0, /^yes$/m],
    ['carol', 'auth can-i list secrets', 1, /^no$/m],
    [
      'alice',
      '-n team-a get configmap none',
      1,
      /Error from server \(NotFound\): configmaps "none" not found/,
    ],
  ]
  for (const [user, args, code, expected] of steps) {
    const result = await run(user, args)
    const name = `${user}: kubectl ${args.replaceAll(home, '.')}`
    t.equal(result.code, code, name)
    t.match(result.out, expected, name)
  }

  const watch = spawn(kubectl ?? '', as('carol', '-n team-a get pods --watch --no-headers'), { env })
  t.teardown(() => watch.kill())
  const lines = createInterface({ input: watch.stdout })[Symbol.asyncIterator]()
  t.match((await lines.next()).value, /^debug +1\/1 +Running/, 'what exists')
  const unlabelled = run('alice', '-n team-a label pod debug tier-')
  t.match((await lines.next()).value, /^debug +1\/1 +Running/, 'what changes')
  t.equal((await unlabelled).code, 0)

  t.match((await run('alice', '-n team-a delete pods --all')).out, /pod "debug" deleted/)
  t.match((await run('alice', 'delete namespace team-a')).out, /namespace "team-a" deleted/)
  t.match((await run('alice', 'get configmaps -A')).out, /No resources found/)
})
