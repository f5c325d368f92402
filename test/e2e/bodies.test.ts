import { once } from 'node:events'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { byAuditID, readAuditLog, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { ClusterProxy } from '../support/cluster-proxy.js'
import { TestCluster } from '../support/cluster.js'

const POLICY = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n'
/** Annotations that the proxy sets as kube-apiserver does. */
const KNOWN = [
  'k8s.io/deprecated',
  'k8s.io/removed-release',
  'authentication.kubernetes.io/issued-credential-id',
]

interface Asked {
  readonly method: string
  readonly path: string
  readonly type?: string
  readonly accept?: string
  readonly encoding?: string
  readonly body?: string | Buffer
}

const MAPS = '/api/v1/namespaces/default/configmaps'
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const get = (path: string, accept?: string): Asked => ({
  method: 'GET',
  path,
  ...(accept === undefined ? {} : { accept }),
})
const post = (path: string, body: string | Buffer, more: Partial<Asked> = {}): Asked => ({
  method: 'POST',
  path,
  body,
  ...more,
})
const map = (name: string, members = '"data":{"k":"v"}'): string =>
  `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"${name}"},${members}}`
const yaml = (name: string): string =>
  `kind: ConfigMap\napiVersion: v1\nmetadata: {name: ${name}}\ndata: {k: v}\n`
const YAML = { type: 'application/yaml' }

const REQUESTS: readonly Asked[] = [
  ...['/', '/api', '/api/v1', '/apis', '/apis/apps', '/apis/apps/v1', '/version', '/healthz', '/nothing'].map(
    (p) => get(p),
  ),
  get('/apis/nothing'),
  get('/api', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'),
  get('/apis', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'),
  get('/api/v1', 'application/yaml'),
  get('/api', 'text/plain'),
  get('/flagz', 'application/json'),
  get('/openapi/v3', 'application/json'),
  { method: 'POST', path: '/version' },
  { method: 'DELETE', path: '/apis' },
  get(`${MAPS}/none`, TABLE),
  get(`${MAPS}/none`, `${TABLE},application/json`),
  get(`${MAPS}/none`, 'application/json;pretty=1'),
  get(MAPS, 'application/json;as=Other;v=v1;g=meta.k8s.io'),
  get('/api/v1/namespaces/default/endpoints'),
  get('/api/v1/componentstatuses'),
  get(`${MAPS}?timeout=1x`),
  get(`${MAPS}?timeout=1s`),
  post('/api/v1/namespaces/default/serviceaccounts', '{"metadata":{"name":"robot"}}'),
  post('/api/v1/namespaces/default/serviceaccounts/robot/token', '{}'),
  post('/api/v1/namespaces/default/serviceaccounts/robot/token', 'spec: {}\n', YAML),
  post(`${MAPS}?fieldValidation=Maybe`, map('maybe')),
  post(MAPS, map('strict').replace('"data"', '"date"'), { path: `${MAPS}?fieldValidation=Strict` }),
  post(MAPS, map('a').replace('v1', 'v2')),
  post(MAPS, map('exists')),
  post(MAPS, map('exists'), { accept: TABLE }),
  post(MAPS, map('stripped'), { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' }),
  ...['identity', 'gzip', 'br', 'zstd', 'gzip, gzip'].map((encoding, i) =>
    post(MAPS, map(`encoding-${i}`), { encoding }),
  ),
  ...[';stream=watch', '; charset=utf-16', ';as=Table', ';x="', ';;'].map((parameters, i) =>
    post(MAPS, map(`parameters-${i}`), { type: `application/json${parameters}` }),
  ),
  post(MAPS, `${' '.repeat(1_000_000)}${map('padded')}\n`),
  post(MAPS, map('no-data', '"data":{"a":"1"},"data":null')),
  post(MAPS, map('more-data', '"data":{"a":"1"},"data":{"b":"2"}')),
  post(MAPS, '{"Kind":"ConfigMap","APIVersion":"v1","metadata":{"name":"cases"},"Data":{"a":"1"}}'),
  post(MAPS, `${yaml('two')}---\na: [\n`, YAML),
  post(MAPS, `${map('rest')} }]`, YAML),
  post(MAPS, Buffer.from(`\ufeff${yaml('little')}`, 'utf16le'), YAML),
  post(MAPS, Buffer.from(`\ufeff${yaml('big')}`, 'utf16le').swap16(), YAML),
  post(MAPS, yaml('separated').replaceAll('\n', '\u2028'), YAML),
  post(MAPS, map('separator', '"data":{"k":"a \u2028 b"}'), YAML),
  post(MAPS, `x: &a 1\ny: [${'*a, '.repeat(11_000)}]\n${yaml('aliases')}`, YAML),
  {
    method: 'PATCH',
    path: `${MAPS}/exists`,
    type: 'application/merge-patch+json',
    body: '{"data":{"a":"1"},"data":{"b":"2"}}',
  },
  {
    method: 'PATCH',
    path: `${MAPS}/applied?fieldManager=m`,
    type: 'application/apply-patch+yaml',
    body: `${yaml('applied')}---\na: [\n`,
  },
  {
    method: 'DELETE',
    path: `${MAPS}/exists`,
    encoding: 'gzip',
    body: '{"gracePeriodSeconds":0,"dryRun":["All"]}',
  },
  {
    method: 'DELETE',
    path: `${MAPS}/exists`,
    type: 'application/yaml',
    body: 'gracePeriodSeconds: 0\n---\n',
  },
]

await t.test('bodies as kube-apiserver records them', { skip: TestCluster.skip() }, async (t) => {
  const cluster = await TestCluster.start({ auditPolicy: POLICY })
  t.teardown(() => cluster.stop())
  const version = JSON.parse((await cluster.request('/version')).body.toString()) as { minor: string }
  if (parseInt(version.minor) < 37) return void t.pass(`1.${version.minor} records less`)
  const flags = ['--audit-redact=false']
  const proxy = await ClusterProxy.start(t, cluster, { policy: POLICY, identity: 'request header', flags })
  for (const [i, asked] of REQUESTS.entries()) await ask(cluster, proxy, asked, `request-${i}`)
  await proxy.stop()
  const ours = byAuditID(readAuditLog(proxy.auditLog))
  const theirs = await waitForEvents(cluster.auditLog, (events) => {
    const found = byAuditID(events)
    return REQUESTS.every((_, i) => isWhole(found.get(`request-${i}`), ours.get(`request-${i}`)))
      ? found
      : undefined
  })
  for (const [i, { method, path, accept = '', type = '' }] of REQUESTS.entries()) {
    const [got, want] = [ours, theirs].map((log) => log.get(`request-${i}`)?.at(-1))
    const name = `${i} ${method} ${path} ${accept} ${type}`
    // What is refused before its user is known does not get that far.
    if (want === undefined) t.match(got, { stage: 'ResponseStarted', responseStatus: { code: 400 } }, name)
    else {
      t.strictSame(essence(got), essence(want), name)
      if (want.requestObject === undefined) continue
      t.notMatch(got?.annotations, { 'kube-audit-proxy.io/unread-request-object': String }, name)
      t.ok(within(withoutNull(got?.requestObject), want.requestObject), `${name}: requestObject`)
    }
  }
})

async function ask(cluster: TestCluster, proxy: ClusterProxy, asked: Asked, id: string): Promise<void> {
  const { method, path, accept = 'application/json', type, encoding, body } = asked
  const req = https.request(`${proxy.url}${path}`, {
    method,
    ca: cluster.ca.cert,
    cert: cluster.admin.cert,
    key: cluster.admin.key,
    agent: false,
    headers: {
      accept,
      'audit-id': id,
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
    },
  })
  req.end(body)
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  res.resume()
  await once(res, 'end')
}

/** Whether kube-apiserver has logged the end of a request, or was never asked. */
function isWhole(
  native: readonly LoggedEvent[] | undefined,
  ours: readonly LoggedEvent[] | undefined,
): boolean {
  return ours?.at(-1)?.stage === 'ResponseStarted' || native?.at(-1)?.stage === 'ResponseComplete'
}

function essence(event: LoggedEvent | undefined): object {
  const { stage, verb, objectRef, responseStatus, responseObject, annotations = {} } = event ?? {}
  const known = KNOWN.filter((key) => key in annotations).map((key) => [key, annotations[key]])
  return { stage, verb, objectRef, responseStatus, responseObject, annotations: known }
}

/** Without members that kube-apiserver has no place for: nulls, and what it does not know. */
function withoutNull(object: unknown): unknown {
  const known = ['kind', 'apiVersion', 'metadata', 'data', 'spec', 'gracePeriodSeconds', 'dryRun']
  const members = Object.entries(object ?? {})
  return Object.fromEntries(members.filter(([key, value]) => known.includes(key) && value !== null))
}

/** Whether everything in `a` is in `b` as well, but for the version that options of a deletion are in. */
function within(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null) return a === b
  if (typeof b !== 'object' || b === null) return false
  return Object.entries(a).every(
    ([key, value]) => key === 'apiVersion' || within(value, (b as Record<string, unknown>)[key]),
  )
}
