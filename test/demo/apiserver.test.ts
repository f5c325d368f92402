import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import t, { type Test } from 'tap'
import { NAMESPACES } from '../../demo/apiserver/resources.js'
import { DemoApiserver } from '../../demo/apiserver/server.js'
import { Store } from '../../demo/apiserver/store.js'
import { CertificateAuthority, type KeyPair } from '../../demo/certificates.js'
import { RULES } from '../../demo/users.js'

interface CallOptions {
  body?: unknown
  type?: string
  headers?: Record<string, string | string[]>
}

/** Sends one request and reads the answer; `json` is undefined where the body is none. */
function client(url: string, ca: string, pair: Partial<KeyPair> = {}, fixed: Record<string, string> = {}) {
  const agent = new Agent({ ca, ...pair, keepAlive: true })
  const open = async (method: string, path: string, { body, type, headers }: CallOptions = {}) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const req = request(new URL(url), {
      agent,
      method,
      path,
      headers: {
        ...fixed,
        ...(text === undefined
          ? {}
          : { 'content-type': type ?? 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...headers,
      },
    })
    req.end(text)
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    return res
  }
  const call = async (method: string, path: string, options?: CallOptions) => {
    const res = await open(method, path, options)
    const chunks: Buffer[] = []
    for await (const chunk of res) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const isJson = res.headers['content-type'] === 'application/json'
    return {
      code: res.statusCode,
      headers: res.headers,
      text,
      json: isJson && text !== '' ? JSON.parse(text) : undefined,
    }
  }
  return { open, call, close: () => agent.destroy() }
}

async function setUp(t: Test) {
  const ca = new CertificateAuthority('ca')
  const frontProxyCA = new CertificateAuthority('front-proxy-ca')
  const apiserver = await DemoApiserver.start({
    serving: ca.issue({ commonName: 'apiserver', usage: 'server', hosts: ['127.0.0.1'] }),
    clientCA: ca.cert,
    frontProxyCA: frontProxyCA.cert,
    tokens: new Map([['carols-token', { username: 'carol', groups: ['viewers'] }]]),
    rules: RULES,
  })
  t.teardown(() => apiserver.close())
  const as = (pair: Partial<KeyPair>, headers: Record<string, string> = {}) => {
    const made = client(apiserver.url, ca.cert, pair, headers)
    t.teardown(() => made.close())
    return made
  }
  const certificate = (authority: CertificateAuthority, commonName: string, ...organizations: string[]) =>
    authority.issue({ commonName, organizations, usage: 'client' })
  const admin = as(certificate(ca, 'alice', 'system:masters'))
  await admin.call('POST', '/api/v1/namespaces', {
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-a' } },
  })
  return {
    admin,
    bob: as(certificate(ca, 'bob', 'developers')),
    carol: as({}, { authorization: 'Bearer carols-token' }),
    nobody: as({}),
    badToken: as({}, { authorization: 'Bearer other' }),
    frontProxy: as(certificate(frontProxyCA, 'front-proxy')),
    stranger: as(certificate(new CertificateAuthority('ca'), 'alice', 'system:masters')),
  }
}

const MAPS = '/api/v1/namespaces/team-a/configmaps'
const DEPLOYMENTS = '/apis/apps/v1/namespaces/team-a/deployments'
const MERGE = 'application/merge-patch+json'
const configMap = (name: string, rest: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  ...rest,
})
const deployment = (name: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [
          { name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }] },
          { name: 'b', image: 'b:1' },
        ],
      },
    },
  },
})

void t.test('who is it, and may they', async (t) => {
  const { admin, bob, carol, nobody, badToken, frontProxy, stranger } = await setUp(t)
  const secrets = '/api/v1/namespaces/team-a/secrets'
  const remote = (user: string, group: string) => ({
    headers: { 'X-Remote-User': user, 'X-Remote-Group': [group] },
  })
  const impersonating = (user: string, group: string) => ({
    headers: { 'Impersonate-User': user, 'Impersonate-Group': group },
  })
  const cases: [string, ReturnType<typeof client>, string, string, CallOptions, number][] = [
    ['an administrator', admin, 'GET', secrets, {}, 200],
    ['a developer', bob, 'GET', MAPS, {}, 200],
    ['a developer and secrets', bob, 'GET', secrets, {}, 403],
    ['a developer elsewhere', bob, 'GET', '/api/v1/namespaces/default/configmaps', {}, 403],
    ['a token', carol, 'GET', '/api/v1/pods', {}, 200],
    ['a token that may only read', carol, 'DELETE', `${MAPS}/x`, {}, 403],
    ['no credentials', nobody, 'GET', MAPS, {}, 403],
    ['no credentials and health', nobody, 'GET', '/readyz', {}, 200],
    ['a wrong token', badToken, 'GET', '/readyz', {}, 401],
    ['a certificate of another authority with the same name', stranger, 'GET', '/readyz', {}, 401],
    ['a front proxy without a user', frontProxy, 'GET', MAPS, {}, 401],
    ['a front proxy for a developer', frontProxy, 'GET', MAPS, remote('bob', 'developers'), 200],
    ['a front proxy for nobody', frontProxy, 'GET', MAPS, remote('eve', 'eve'), 403],
    ['X-Remote-User from a user', bob, 'GET', secrets, remote('alice', 'system:masters'), 403],
    ['X-Remote-User from anyone', nobody, 'GET', secrets, remote('alice', 'system:masters'), 403],
    ['an administrator as a developer', admin, 'GET', secrets, impersonating('bob', 'developers'), 403],
    ['an administrator as a developer, allowed', admin, 'GET', MAPS, impersonating('bob', 'developers'), 200],
    ['a developer as an administrator', bob, 'GET', secrets, impersonating('alice', 'system:masters'), 403],
    ['groups without a user', admin, 'GET', MAPS, { headers: { 'Impersonate-Group': 'x' } }, 400],
  ]
  for (const [name, user, method, path, options, expected] of cases) {
    t.equal((await user.call(method, path, options)).code, expected, name)
  }

  const { json } = await bob.call('GET', `${secrets}/password`)
  t.same(json, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message:
      'secrets "password" is forbidden: User "bob" cannot get resource "secrets" in API group "" in the namespace "team-a"',
    reason: 'Forbidden',
    details: { name: 'password', kind: 'secrets' },
    code: 403,
  })
  t.match(
    (await bob.call('GET', secrets, impersonating('alice', 'x'))).json.message,
    /^users "alice" is forbidden: User "bob" cannot impersonate/,
  )
  t.equal((await admin.call('GET', MAPS, { headers: { 'Audit-ID': 'mine' } })).headers['audit-id'], 'mine')
})

void t.test('what it answers to mistakes', async (t) => {
  const { admin } = await setUp(t)
  await admin.call('POST', MAPS, { body: configMap('one') })
  const deep = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":${'{"a":'.repeat(200)}1${'}'.repeat(201)}`
  const cases: [string, string, string, CallOptions, number, string][] = [
    ['missing', 'GET', `${MAPS}/none`, {}, 404, 'NotFound'],
    ['an unknown resource', 'GET', '/api/v1/nodes', {}, 404, 'NotFound'],
    ['an unknown group', 'GET', '/apis/example.com/v1/things', {}, 404, 'NotFound'],
    ['an unknown path', 'GET', '/nope', {}, 404, 'NotFound'],
    ['a doubled slash', 'GET', '//api/v1/namespaces', {}, 404, 'NotFound'],
    ['a subresource', 'GET', `${MAPS}/one/scale`, {}, 404, 'NotFound'],
    [
      'an unknown namespace',
      'POST',
      '/api/v1/namespaces/none/configmaps',
      { body: configMap('x') },
      404,
      'NotFound',
    ],
    ['an update of nothing', 'PUT', `${MAPS}/none`, { body: configMap('none') }, 404, 'NotFound'],
    ['twice', 'POST', MAPS, { body: configMap('one') }, 409, 'AlreadyExists'],
    ['a bad name', 'POST', MAPS, { body: configMap('Not_Valid') }, 422, 'Invalid'],
    ['no name', 'POST', MAPS, { body: { apiVersion: 'v1', kind: 'ConfigMap' } }, 422, 'Invalid'],
    [
      'another namespace',
      'POST',
      MAPS,
      { body: configMap('x', { metadata: { name: 'x', namespace: 'y' } }) },
      400,
      'BadRequest',
    ],
    ['another kind', 'POST', MAPS, { body: { ...configMap('x'), kind: 'Pod' } }, 400, 'BadRequest'],
    ['another name', 'PUT', `${MAPS}/one`, { body: configMap('two') }, 400, 'BadRequest'],
    ['half an object', 'POST', MAPS, { body: '{"apiVersion":' }, 400, 'BadRequest'],
    ['no body', 'POST', MAPS, {}, 400, 'BadRequest'],
    ['a list', 'POST', MAPS, { body: [] }, 400, 'BadRequest'],
    [
      'a name that is a number',
      'POST',
      MAPS,
      { body: configMap('x', { metadata: { name: 1 } }) },
      400,
      'BadRequest',
    ],
    ['an object that is too deep', 'POST', MAPS, { body: deep }, 400, 'BadRequest'],
    [
      'YAML that contains itself',
      'POST',
      MAPS,
      { body: 'a: &a [*a, *a]', type: 'application/yaml' },
      400,
      'BadRequest',
    ],
    [
      'an object that is too large',
      'POST',
      MAPS,
      { body: ' '.repeat(3.1 * 1024 * 1024) },
      413,
      'RequestEntityTooLarge',
    ],
    ['an unknown type', 'POST', MAPS, { body: 'k=v', type: 'text/plain' }, 415, 'UnsupportedMediaType'],
    ['an unknown patch', 'PATCH', `${MAPS}/one`, { body: {} }, 415, 'UnsupportedMediaType'],
    ['what we cannot serve', 'GET', MAPS, { headers: { accept: 'image/png' } }, 406, 'NotAcceptable'],
    ['a method on a collection', 'PUT', MAPS, { body: configMap('x') }, 405, 'MethodNotAllowed'],
    ['a method on an object', 'POST', `${MAPS}/one`, { body: configMap('x') }, 405, 'MethodNotAllowed'],
    ['an unknown method', 'OPTIONS', MAPS, {}, 405, 'MethodNotAllowed'],
    ['a bad label selector', 'GET', `${MAPS}?labelSelector=%3D%3D`, {}, 400, 'BadRequest'],
    ['a bad field selector', 'GET', `${MAPS}?fieldSelector=data.x%3D1`, {}, 400, 'BadRequest'],
    ['a bad version', 'GET', `${MAPS}?watch=1&resourceVersion=x`, {}, 400, 'BadRequest'],
    ['a watch list', 'GET', `${MAPS}?watch=1&sendInitialEvents=true`, {}, 422, 'Invalid'],
    ['a bad escape', 'GET', `${MAPS}/%ff`, {}, 400, 'BadRequest'],
    [
      'an uid that is another',
      'DELETE',
      `${MAPS}/one`,
      { body: { preconditions: { uid: 'x' } } },
      409,
      'Conflict',
    ],
  ]
  for (const [name, method, path, options, code, reason] of cases) {
    const answer = await admin.call(method, path, options)
    t.equal(answer.code, code, name)
    t.match(answer.json, { kind: 'Status', status: 'Failure', reason, code }, name)
  }
})

void t.test('create, read, update, delete', async (t) => {
  const { admin } = await setUp(t)
  const body = configMap('one', {
    metadata: { name: 'one', labels: { app: 'x' }, managedFields: [] },
    data: { a: '1' },
  })
  const created = await admin.call('POST', MAPS, { body })
  t.equal(created.code, 201)
  const { metadata } = created.json
  t.match(metadata, {
    name: 'one',
    namespace: 'team-a',
    uid: /^[0-9a-f-]{36}$/,
    creationTimestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
  })
  t.notOk('managedFields' in metadata)
  t.same((await admin.call('GET', `${MAPS}/one`)).json, created.json)

  const updated = await admin.call('PUT', `${MAPS}/one`, { body: { ...created.json, data: { a: '2' } } })
  t.equal(updated.code, 200)
  t.equal(updated.json.metadata.uid, metadata.uid)
  t.not(updated.json.metadata.resourceVersion, metadata.resourceVersion)
  const stale = await admin.call('PUT', `${MAPS}/one`, { body: { ...created.json, data: { a: '3' } } })
  t.match(stale.json, {
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to the latest version and try again',
  })
  const same = await admin.call('PUT', `${MAPS}/one`, { body: updated.json })
  t.equal(same.json.metadata.resourceVersion, updated.json.metadata.resourceVersion, 'nothing changed')

  t.equal((await admin.call('POST', `${MAPS}?dryRun=All`, { body: configMap('dry') })).code, 201)
  t.equal((await admin.call('GET', `${MAPS}/dry`)).code, 404)
  const generated = await admin.call('POST', MAPS, {
    body: configMap('', { metadata: { generateName: 'two-' } }),
  })
  t.match(generated.json.metadata.name, /^two-[a-z0-9]{5}$/)
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: three\n  labels: {app: y}\n'
  t.equal((await admin.call('POST', MAPS, { body: yaml, type: 'application/yaml' })).code, 201)

  const names = async (query: string) =>
    (await admin.call('GET', `${MAPS}?${query}`)).json.items.map(
      (item: { metadata: { name: string } }) => item.metadata.name,
    )
  const generatedName = generated.json.metadata.name
  const selections: [string, string[]][] = [
    ['', ['one', 'three', generatedName]],
    ['labelSelector=app', ['one', 'three']],
    ['labelSelector=app%3Dx', ['one']],
    ['labelSelector=app%3D%3Dx', ['one']],
    ['labelSelector=app!%3Dx', ['three', generatedName]],
    ['labelSelector=!app', [generatedName]],
    ['labelSelector=app+in+(x,z)', ['one']],
    ['labelSelector=app+notin+(x,z),app', ['three']],
    ['fieldSelector=metadata.name%3Done', ['one']],
    ['fieldSelector=metadata.name!%3Done,metadata.namespace%3Dteam-a', ['three', generatedName]],
    ['labelSelector=app&fieldSelector=metadata.name%3Dthree', ['three']],
  ]
  for (const [query, expected] of selections) t.same(await names(query), expected, query)

  const deleted = await admin.call('DELETE', `${MAPS}/one`)
  t.match(deleted.json, {
    kind: 'Status',
    status: 'Success',
    details: { name: 'one', kind: 'configmaps', uid: metadata.uid },
  })
  t.equal((await admin.call('GET', `${MAPS}/one`)).code, 404)
  const collection = await admin.call('DELETE', `${MAPS}?labelSelector=app`)
  t.match(collection.json, { kind: 'ConfigMapList', items: [{ metadata: { name: 'three' } }] })
  t.same(await names(''), [generatedName])
  await admin.call('DELETE', '/api/v1/namespaces/team-a')
  t.same(
    (await admin.call('GET', '/api/v1/configmaps')).json.items,
    [],
    'a namespace takes what is in it along',
  )

  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { p: 'q' } }
  const { json } = await admin.call('POST', '/api/v1/namespaces/default/secrets', { body: secret })
  t.match(json, { type: 'Opaque', data: { p: 'cQ==' } })
  t.notOk('stringData' in json)
})

void t.test('patches', async (t) => {
  const { admin } = await setUp(t)
  await admin.call('POST', DEPLOYMENTS, { body: deployment('web') })
  const patch = (type: string, body: unknown, query = '') =>
    admin.call('PATCH', `${DEPLOYMENTS}/web${query}`, { type: `application/${type}`, body })
  const containers = (answer: Awaited<ReturnType<typeof patch>>) => answer.json.spec.template.spec.containers

  const strategic = await patch('strategic-merge-patch+json', {
    spec: {
      template: {
        spec: {
          containers: [
            { name: 'b', image: 'b:2' },
            { name: 'a', env: [{ name: 'Y', value: '2' }] },
          ],
        },
      },
    },
  })
  t.equal(strategic.code, 200)
  t.equal(strategic.json.metadata.generation, 2)
  t.same(containers(strategic), [
    {
      name: 'a',
      image: 'a:1',
      env: [
        { name: 'X', value: '1' },
        { name: 'Y', value: '2' },
      ],
    },
    { name: 'b', image: 'b:2' },
  ])
  const removed = await patch('strategic-merge-patch+json', {
    spec: {
      template: {
        spec: {
          '$setElementOrder/containers': [{ name: 'a' }],
          containers: [{ $patch: 'delete', name: 'b' }],
        },
      },
    },
  })
  t.same(
    containers(removed).map((c: { name: string }) => c.name),
    ['a'],
  )
  t.notOk('$setElementOrder/containers' in removed.json.spec.template.spec)

  const merged = await patch('merge-patch+json', {
    metadata: { labels: { x: 'y' } },
    spec: { template: { spec: { containers: [{ name: 'c' }] } } },
  })
  t.same(containers(merged), [{ name: 'c' }], 'a merge patch replaces lists')
  t.equal(
    (await patch('merge-patch+json', { metadata: { labels: { x: null } } })).json.metadata.labels.x,
    undefined,
  )

  const json = await patch('json-patch+json', [
    { op: 'test', path: '/spec/replicas', value: 1 },
    { op: 'replace', path: '/spec/replicas', value: 2 },
    { op: 'add', path: '/metadata/annotations', value: { 'a/b': '1' } },
    { op: 'move', from: '/metadata/annotations/a~1b', path: '/metadata/annotations/c' },
    { op: 'copy', from: '/metadata/annotations/c', path: '/metadata/annotations/d' },
    { op: 'add', path: '/spec/template/spec/containers/-', value: { name: 'last' } },
    { op: 'add', path: '/spec/template/spec/containers/0', value: { name: 'first' } },
    { op: 'remove', path: '/spec/template/spec/containers/1' },
  ])
  t.equal(json.json.spec.replicas, 2)
  t.same(json.json.metadata.annotations, { c: '1', d: '1' })
  t.same(containers(json), [{ name: 'first' }, { name: 'last' }])
  for (const [operation, code] of [
    [{ op: 'test', path: '/spec/replicas', value: 9 }, 422],
    [{ op: 'remove', path: '/spec/none' }, 422],
    [{ op: 'replace', path: '/spec/template/spec/containers/7', value: {} }, 422],
    [{ op: 'add', path: 'spec', value: 1 }, 400],
    [{ op: 'burn', path: '/spec' }, 400],
  ] as const) {
    t.equal((await patch('json-patch+json', [operation])).code, code, JSON.stringify(operation))
  }
  t.equal((await patch('merge-patch+json', { spec: { replicas: -1 } })).code, 422)
  t.equal((await patch('merge-patch+json', { metadata: { resourceVersion: '1' } })).code, 409)

  await patch('merge-patch+json', '{"spec":{"__proto__":{"polluted":true}},"__proto__":{"polluted":true}}')
  t.notOk('polluted' in {}, 'a patch does not reach the prototype of objects')

  const applied = 'apiVersion: v1\nkind: ConfigMap\ndata: {a: "1"}\n'
  const apply = (query: string) =>
    admin.call('PATCH', `${MAPS}/applied${query}`, { type: 'application/apply-patch+yaml', body: applied })
  t.equal((await apply('')).code, 422, 'a field manager is required')
  t.equal((await apply('?fieldManager=me')).code, 201)
  t.equal((await apply('?fieldManager=me')).code, 200)
})

void t.test('subresources', async (t) => {
  const { admin } = await setUp(t)
  await admin.call('POST', DEPLOYMENTS, { body: deployment('web') })
  const scale = await admin.call('GET', `${DEPLOYMENTS}/web/scale`)
  t.match(scale.json, {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    spec: { replicas: 1 },
    status: { selector: 'app=web' },
  })
  scale.json.spec.replicas = 3
  t.equal((await admin.call('PUT', `${DEPLOYMENTS}/web/scale`, { body: scale.json })).json.spec.replicas, 3)
  t.equal(
    (await admin.call('PUT', `${DEPLOYMENTS}/web/scale`, { body: scale.json })).code,
    409,
    'the Scale is old',
  )
  const patched = await admin.call('PATCH', `${DEPLOYMENTS}/web/scale`, {
    type: MERGE,
    body: { spec: { replicas: 5 } },
  })
  t.equal(patched.json.spec.replicas, 5)
  t.match((await admin.call('GET', `${DEPLOYMENTS}/web`)).json, {
    spec: { replicas: 5 },
    status: { readyReplicas: 5 },
  })

  const pods = '/api/v1/namespaces/team-a/pods'
  await admin.call('POST', pods, {
    body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c' }] } },
  })
  t.equal((await admin.call('GET', `${pods}/p/log`)).text, 'c: starting\nc: listening on :8080\nc: ready\n')
  t.equal((await admin.call('GET', `${pods}/p/log?tailLines=1&container=c`)).text, 'c: ready\n')
  t.equal((await admin.call('GET', `${pods}/p/log?container=d`)).code, 400)
  t.equal((await admin.call('GET', `${pods}/q/log`)).code, 404)
})

/** Reads a watch event by event. */
function events(res: IncomingMessage) {
  res.setEncoding('utf8')
  const lines = (async function* () {
    let rest = ''
    for await (const chunk of res) {
      const parts = (rest + (chunk as string)).split('\n')
      rest = parts.pop() ?? ''
      yield* parts
    }
  })()
  return async () => {
    const next = await lines.next()
    return next.done === true ? undefined : JSON.parse(next.value)
  }
}

void t.test('watches', async (t) => {
  const { admin } = await setUp(t)
  const { json: list } = await admin.call('GET', MAPS)
  const version = list.metadata.resourceVersion
  await admin.call('POST', MAPS, { body: configMap('a', { metadata: { name: 'a', labels: { on: '1' } } }) })

  const all = events(await admin.open('GET', `${MAPS}?watch=true&resourceVersion=${version}`))
  t.match(
    await all(),
    { type: 'ADDED', object: { kind: 'ConfigMap', metadata: { name: 'a' } } },
    'what came before',
  )
  const labelled = events(await admin.open('GET', `${MAPS}?watch=1&labelSelector=on`))
  t.match(await labelled(), { type: 'ADDED', object: { metadata: { name: 'a' } } }, 'what exists')

  await admin.call('POST', '/api/v1/namespaces/default/configmaps', { body: configMap('elsewhere') })
  await admin.call('PATCH', `${MAPS}/a`, { type: MERGE, body: { metadata: { labels: null } } })
  await admin.call('DELETE', `${MAPS}/a`)
  t.match(await all(), { type: 'MODIFIED', object: { metadata: { name: 'a' } } })
  t.match(await all(), { type: 'DELETED', object: { metadata: { name: 'a' } } })
  t.match(await labelled(), { type: 'DELETED', object: { metadata: { name: 'a' } } }, 'it no longer matches')

  const short = events(
    await admin.open('GET', `${MAPS}?watch=true&timeoutSeconds=1&resourceVersion=${version}`),
  )
  for (const type of ['ADDED', 'MODIFIED', 'DELETED']) t.match(await short(), { type })
  t.equal(await short(), undefined, 'the time is over')
  t.match((await admin.call('GET', `${MAPS}?watch=true&resourceVersion=0&timeoutSeconds=1`)).text, /^$/)
})

void t.test('a watch cannot start before what is remembered', (t) => {
  const store = new Store()
  const put = () => store.put(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } })
  const first = Number(put().metadata.resourceVersion)
  t.equal(store.since(first - 1).length, 1)
  for (let i = 0; i < 1000; i++) put()
  t.equal(store.since(first).length, 1000)
  t.throws(() => store.since(first - 1), { code: 410, reason: 'Expired' })
  t.end()
})

void t.test('tables and metadata', async (t) => {
  const { admin } = await setUp(t)
  await admin.call('POST', DEPLOYMENTS, { body: deployment('web') })
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
  const as = (path: string, accept: string) => admin.call('GET', path, { headers: { accept } })
  const list = await as(DEPLOYMENTS, table)
  t.same(
    list.json.columnDefinitions.map((column: { name: string }) => column.name),
    ['Name', 'Ready', 'Up-to-date', 'Available', 'Age'],
  )
  t.match(list.json.rows, [
    {
      cells: ['web', '1/1', 1, 1, /^\d+s$/],
      object: { kind: 'PartialObjectMetadata', metadata: { namespace: 'team-a' } },
    },
  ])
  t.equal((await as(`${DEPLOYMENTS}/web?includeObject=None`, table)).json.rows[0].object, undefined)
  t.equal((await as(`${DEPLOYMENTS}/web?includeObject=Object`, table)).json.rows[0].object.kind, 'Deployment')
  t.equal(
    (await as(`${DEPLOYMENTS}/web`, 'application/json;as=Table;v=v2;g=meta.k8s.io, application/json')).json
      .kind,
    'Deployment',
  )
  t.equal(
    (await as(DEPLOYMENTS, 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io')).json.kind,
    'PartialObjectMetadataList',
  )

  const next = events(await admin.open('GET', `${DEPLOYMENTS}?watch=1`, { headers: { accept: table } }))
  t.equal((await next()).object.columnDefinitions.length, 5)
  await admin.call('PATCH', `${DEPLOYMENTS}/web/scale`, { type: MERGE, body: { spec: { replicas: 2 } } })
  t.match(await next(), {
    type: 'MODIFIED',
    object: { kind: 'Table', columnDefinitions: [], rows: [{ cells: ['web', '2/2'] }] },
  })
})

void t.test('discovery and health', async (t) => {
  const { bob } = await setUp(t)
  t.equal((await bob.call('GET', '/healthz')).text, 'ok')
  t.match((await bob.call('GET', '/version')).json, { major: '1', gitVersion: /^v1\./ })
  t.same((await bob.call('GET', '/api')).json.versions, ['v1'])
  const { json: groups } = await bob.call('GET', '/apis')
  t.same(
    groups.groups.map((g: { name: string }) => g.name),
    ['apps', 'authentication.k8s.io', 'authorization.k8s.io'],
  )
  for (const group of groups.groups) {
    t.match((await bob.call('GET', `/apis/${group.name}`)).json, { kind: 'APIGroup', name: group.name })
    for (const { groupVersion } of group.versions) {
      t.match((await bob.call('GET', `/apis/${groupVersion}/`)).json, {
        kind: 'APIResourceList',
        groupVersion,
      })
    }
  }
  const { json: apps } = await bob.call('GET', '/apis/apps/v1')
  t.match(apps.resources[1], {
    name: 'deployments/scale',
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
  })
  const protobuf = await bob.call('GET', '/openapi/v2', {
    headers: { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' },
  })
  t.ok(protobuf.text.startsWith('\n\u00032.0\u0012'))
  t.equal((await bob.call('GET', '/openapi/v2')).json.swagger, '2.0')
  t.equal((await bob.call('GET', '/openapi/v3')).code, 404, 'kubectl falls back to v2')
})

void t.test('reviews', async (t) => {
  const { admin, bob, carol } = await setUp(t)
  const review = (user: typeof admin, group: string, resource: string, kind: string, spec: object) =>
    user.call('POST', `/apis/${group}.k8s.io/v1/${resource}`, {
      body: { apiVersion: `${group}.k8s.io/v1`, kind, spec },
    })
  const token = async (text: string) =>
    (await review(admin, 'authentication', 'tokenreviews', 'TokenReview', { token: text })).json.status
  t.same(await token('carols-token'), {
    authenticated: true,
    user: { username: 'carol', groups: ['viewers', 'system:authenticated'] },
  })
  t.match(await token('other'), { user: {}, error: String })

  const access = async (spec: object) =>
    (await review(admin, 'authorization', 'subjectaccessreviews', 'SubjectAccessReview', spec)).json.status
      .allowed
  const pods = { verb: 'list', group: '', resource: 'pods', namespace: 'team-a' }
  t.equal(await access({ user: 'x', groups: ['developers'], resourceAttributes: pods }), true)
  t.equal(await access({ user: 'x', groups: ['others'], resourceAttributes: pods }), false)
  t.equal(
    await access({ user: 'x', groups: ['developers'], resourceAttributes: { ...pods, resource: 'secrets' } }),
    false,
  )
  t.equal(
    await access({
      user: 'x',
      groups: ['system:authenticated'],
      nonResourceAttributes: { verb: 'get', path: '/apis/x' },
    }),
    true,
  )

  const self = async (user: typeof admin) =>
    (
      await review(user, 'authorization', 'selfsubjectaccessreviews', 'SelfSubjectAccessReview', {
        resourceAttributes: { ...pods, verb: 'create' },
      })
    ).json.status.allowed
  t.equal(await self(bob), true)
  t.equal(await self(carol), false)
  t.match(
    (await review(carol, 'authentication', 'selfsubjectreviews', 'SelfSubjectReview', {})).json.status
      .userInfo,
    { username: 'carol' },
  )
  const rules = await review(bob, 'authorization', 'selfsubjectrulesreviews', 'SelfSubjectRulesReview', {
    namespace: 'default',
  })
  t.notMatch(rules.json.status.resourceRules, [{ resources: ['configmaps'] }], 'a rule of another namespace')

  t.equal((await review(bob, 'authentication', 'tokenreviews', 'TokenReview', { token: 'x' })).code, 403)
  t.equal((await review(admin, 'authentication', 'tokenreviews', 'Pod', {})).code, 400)
  t.equal((await admin.call('GET', '/apis/authentication.k8s.io/v1/tokenreviews')).code, 405)
})
