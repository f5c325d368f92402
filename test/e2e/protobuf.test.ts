import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import type { BodyTarget } from '../../src/audit/capture/convert.js'
import { ProtobufConverter } from '../../src/audit/capture/protobuf/convert.js'
import type { ObjectReference } from '../../src/audit/event.js'
import { Schema, type Message } from '../../src/audit/capture/protobuf/schema.js'
import { TABLE } from '../../src/audit/capture/protobuf/table.js'
import { withoutTypeMeta } from '../audit/capture/protobuf/encode.js'
import { apiservers } from '../support/apiservers.js'
import { TestCluster } from '../support/cluster.js'

// Clusters are started and used, one after the other.
t.setTimeout(600_000)

interface KubeObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string }
  status?: unknown
}

interface APIResource {
  /** Such as /apis/apps/v1. */
  readonly base: string
  readonly groupVersion: string
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
}

const JSON_TYPE = 'application/json'
const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const NAMESPACE = 'everything'
const LIMITS = { maxLength: 50_000_000 }

const converter = new ProtobufConverter()

/** JSON with integers past 2^53 kept apart. */
function parse(text: string): unknown {
  return JSON.parse(text.replace(/([:[,]\s*)(-?\d{16,})(?=\s*[,}\]])/g, '$1"int:$2"'))
}

function convert(body: Buffer, target?: BodyTarget): unknown {
  const before = Buffer.from(body)
  const converted = converter.convert(body, LIMITS, target)
  if (!('json' in converted)) throw new Error(`not converted: ${JSON.stringify(converted)}`)
  if (!converted.known) throw new Error(`unknown: ${converted.apiVersion} ${converted.kind}`)
  if (!before.equals(body)) throw new Error('the body was changed')
  return parse(converted.json)
}

class Client {
  constructor(readonly cluster: TestCluster) {}

  async json(path: string, method = 'GET', body?: unknown, contentType = JSON_TYPE): Promise<unknown> {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    const headers = { 'content-type': contentType, accept: JSON_TYPE }
    const res = await this.cluster.request(path, {
      method,
      headers,
      ...(text !== undefined && { body: text }),
    })
    if (res.status >= 300) throw new Error(`${method} ${path}: ${res.status} ${res.body.toString()}`)
    return parse(res.body.toString())
  }

  async protobuf(path: string, method = 'GET', body?: string | Buffer, accept = PROTOBUF): Promise<Buffer> {
    const headers = { 'content-type': typeof body === 'string' ? JSON_TYPE : PROTOBUF, accept }
    const res = await this.cluster.request(path, { method, headers, ...(body !== undefined && { body }) })
    if (!String(res.headers['content-type']).startsWith(PROTOBUF))
      throw new Error(
        `${method} ${path}: ${res.status} ${String(res.headers['content-type'])} ${res.body.toString()}`,
      )
    return res.body
  }

  /** The same thing converted from protobuf and as JSON. kube-apiserver writes too: what changed meanwhile is read again. */
  async both(path: string): Promise<[unknown, unknown]> {
    for (;;) {
      const before = await this.json(path)
      const converted = convert(await this.protobuf(path))
      const after = await this.json(path)
      if (isDeepStrictEqual(before, after)) return [converted, after]
    }
  }

  /** Every resource that kube-apiserver itself serves, in every version, subresources included. */
  async resources(): Promise<APIResource[]> {
    const groups = (await this.json('/apis')) as { groups: { versions: { groupVersion: string }[] }[] }
    const versions = groups.groups.flatMap((group) => group.versions.map((v) => v.groupVersion))
    const found: APIResource[] = []
    for (const groupVersion of ['v1', ...versions]) {
      if (groupVersion.includes('example.com')) continue
      const base = groupVersion === 'v1' ? '/api/v1' : `/apis/${groupVersion}`
      const list = (await this.json(base)) as { resources: APIResource[] }
      found.push(...list.resources.map((resource) => ({ ...resource, base, groupVersion })))
    }
    return found
  }
}

function readObjects(): KubeObject[] {
  const file = new URL('../../../test/e2e/protobuf-objects.yaml', import.meta.url)
  const request = execFileSync(
    'openssl',
    [
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      '/dev/null',
      '-subj',
      '/CN=x',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const text = readFileSync(file, 'utf8').replace('{{certificateRequest}}', request.toString('base64'))
  return parseAllDocuments(text, { intAsBigInt: true }).map((doc) => {
    if (doc.errors[0] !== undefined) throw doc.errors[0]
    return doc.toJS() as KubeObject
  })
}

/** JSON.stringify for objects with bigints. */
function stringify(value: unknown): string {
  const text = JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? `int:${v}` : v))
  return text.replace(/"int:(-?\d+)"/g, '$1')
}

for (const apiserver of apiservers()) {
  const name = `protobuf from kube-apiserver ${apiserver.version}`
  await t.test(name, { skip: apiserver.skip, timeout: 300_000 }, async (t) => {
    const cluster = await TestCluster.start({
      apiserver,
      auditPolicy:
        'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: RequestResponse}]\n',
      flags: [
        '--runtime-config=api/all=true',
        '--feature-gates=AllAlpha=true,AllBeta=true',
        '--enable-admission-plugins=DefaultStorageClass',
        '--disable-admission-plugins=ServiceAccount,Priority,RuntimeClass,CertificateSubjectRestriction',
      ],
    })
    t.teardown(() => cluster.stop())
    const client = new Client(cluster)
    await client.json('/api/v1/namespaces', 'POST', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: NAMESPACE },
    })
    const resources = await client.resources()

    const pathOf = (resource: APIResource, name = '') =>
      `${resource.base}/${resource.namespaced ? `namespaces/${NAMESPACE}/` : ''}${resource.name}${name && `/${name}`}`

    await t.test('what we can make', async (t) => {
      for (const object of readObjects()) {
        const resource = resources.find(
          (r) => r.groupVersion === object.apiVersion && r.kind === object.kind && !r.name.includes('/'),
        )
        if (resource === undefined) {
          t.fail(`${object.apiVersion} ${object.kind} is not served`)
          continue
        }
        const { status, ...rest } = object
        const path = pathOf(resource)
        const name = `${object.kind} ${object.metadata.name}`
        await t.resolves(client.json(path, 'POST', stringify(rest)), name)
        if (status === undefined) continue
        const patch = client.json(
          `${path}/${object.metadata.name}/status`,
          'PATCH',
          stringify({ status }),
          'application/merge-patch+json',
        )
        await t.resolves(patch, `status of ${name}`)
      }
    })

    /** Where the objects are that the test found, for the checks that change them. */
    const paths: string[] = []

    await t.test('every list and every object in it', async (t) => {
      // componentstatuses come in another order each time.
      const listed = resources.filter((r) => r.verbs.includes('list') && r.name !== 'componentstatuses')
      for (const resource of listed) {
        const list = `${resource.base}/${resource.name}`
        const name = `${resource.groupVersion} ${resource.name}`
        const [converted, expected] = await client.both(list)
        t.same(converted, expected, `list of ${name}`)
        const { items } = expected as { items: KubeObject[] }
        for (const { metadata } of resource.verbs.includes('get') ? items : []) {
          const namespace = metadata.namespace === undefined ? '' : `namespaces/${metadata.namespace}/`
          const path = `${resource.base}/${namespace}${resource.name}/${metadata.name}`
          t.same(...(await client.both(path)), `${name} ${metadata.name}`)
          if (resource.verbs.includes('update')) paths.push(path)
        }
      }
    })

    await t.test('subresources', async (t) => {
      const inNamespace = `namespaces/${NAMESPACE}`
      for (const path of [
        `/apis/apps/v1/${inNamespace}/deployments/web/scale`,
        `/apis/apps/v1/${inNamespace}/deployments/web/status`,
        `/api/v1/${inNamespace}/replicationcontrollers/rc/scale`,
        `/api/v1/${inNamespace}/pods/everything/status`,
      ]) {
        t.same(...(await client.both(path)), path)
      }
    })

    await t.test('only metadata', async (t) => {
      for (const version of ['v1', 'v1beta1']) {
        for (const [path, kind] of [
          ['/api/v1/configmaps', 'PartialObjectMetadataList'],
          [`/api/v1/namespaces/${NAMESPACE}/configmaps/settings`, 'PartialObjectMetadata'],
        ] as const) {
          const as = `;as=${kind};v=${version};g=meta.k8s.io`
          const json = await cluster.request(path, { headers: { accept: JSON_TYPE + as } })
          const body = await client.protobuf(path, 'GET', undefined, PROTOBUF + as)
          t.same(convert(body), parse(json.body.toString()), `${kind} ${version}`)
        }
      }
    })

    await t.test('reviews, tokens and other things that are never stored', async (t) => {
      for (const [path, object] of transient()) {
        const body = await client.protobuf(path, 'POST', stringify(object))
        t.same(comparable(convert(body)), comparable(await client.json(path, 'POST', object)), path)
      }
    })

    await t.test('errors', async (t) => {
      const path = `/api/v1/namespaces/${NAMESPACE}/configmaps`
      const invalid = stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'UPPER', labels: { 'a b': 'c d' } },
      })
      t.same(
        convert(await client.protobuf(path, 'POST', invalid)),
        await failed(client, path, invalid),
        'invalid',
      )
      t.match(convert(await client.protobuf(`${path}/gone`)), {
        kind: 'Status',
        reason: 'NotFound',
        code: 404,
      })
    })

    await t.test('requests and responses as kube-apiserver itself audits them', async (t) => {
      const sent = new Map<string, { request: Buffer; response: Buffer; method: string; path: string }>()
      const exchange = async (path: string, method: string, request: Buffer) => {
        const auditID = randomUUID()
        const headers = { 'content-type': PROTOBUF, accept: PROTOBUF, 'audit-id': auditID }
        const res = await cluster.request(path, { method, headers, body: request })
        sent.set(auditID, { request, response: res.body, method, path: `${method} ${path}` })
      }
      for (const path of paths) {
        const body = await client.protobuf(path)
        await exchange(path, 'PUT', body)
        await exchange(path, 'PUT', withoutTypeMeta(body))
      }
      await exchange(
        `/api/v1/namespaces/${NAMESPACE}/configmaps/settings`,
        'DELETE',
        withoutTypeMeta(deleteOptions()),
      )
      await exchange(`/api/v1/namespaces/${NAMESPACE}/secrets/credentials`, 'DELETE', deleteOptions())
      const events = readFileSync(cluster.auditLog, 'utf8')
        .trim()
        .split('\n')
        .map((line) => parse(line) as AuditEvent)
      for (const { auditID, objectRef, requestObject, responseObject } of events) {
        const exchanged = sent.get(auditID)
        if (exchanged === undefined) continue
        sent.delete(auditID)
        const target = { method: exchanged.method, ref: objectRef }
        t.same(convert(exchanged.request, target), asSent(requestObject), `request ${exchanged.path}`)
        t.same(convert(exchanged.response), responseObject, `response ${exchanged.path}`)
      }
      t.equal(sent.size, 0, 'all were audited')
    })

    await t.test('the table has what OpenAPI has', async (t) => {
      const { definitions } = (await client.json('/openapi/v2')) as {
        definitions: Record<string, Definition>
      }
      const schema = new Schema(TABLE)
      let checked = 0
      for (const [name, { properties }] of Object.entries(definitions)) {
        const message = messageOf(schema, name)
        if (message === undefined || message.special !== undefined) continue
        checked++
        const known = new Set(jsonNames(message))
        const missing = Object.keys(properties ?? {}).filter((key) => !known.has(key))
        t.same(
          missing.filter((key) => key !== 'apiVersion' && key !== 'kind'),
          [],
          name,
        )
      }
      t.ok(checked > 500, `${checked} definitions`)
    })
  })
}

interface AuditEvent {
  readonly auditID: string
  readonly objectRef?: ObjectReference
  readonly requestObject?: unknown
  readonly responseObject?: unknown
}

interface Definition {
  readonly properties?: Readonly<Record<string, unknown>>
}

/** io.k8s.api.core.v1.Pod is core.v1.Pod */
function messageOf(schema: Schema, definition: string): Message | undefined {
  const name = /\.(?:api|apis|pkg|util)\.([a-z0-9]+\.[a-z0-9]+\.\w+|[a-z]+\.\w+)$/.exec(definition)?.[1]
  if (name === undefined) return undefined
  try {
    return schema.message(name)
  } catch {
    return undefined
  }
}

/** The keys that the message's JSON may have. */
function jsonNames(message: Message): string[] {
  return message.fields.flatMap((field) =>
    field.key === '' ? jsonNames(field.message as Message) : [JSON.parse(field.key.slice(0, -1)) as string],
  )
}

/** kube-apiserver calls the version of a body of DELETE internal (k8s.io/apiserver/pkg/endpoints/handlers/delete.go). */
function asSent(requestObject: unknown): unknown {
  const object = requestObject as { apiVersion?: string }
  return object.apiVersion === 'meta.k8s.io/__internal' ? { ...object, apiVersion: 'v1' } : object
}

/** Without what differs from one answer to the next: a new token, and the order of somebody's rules. */
function comparable(answer: unknown): unknown {
  const { status, ...rest } = answer as { status: Record<string, unknown> }
  const rules = ['resourceRules', 'nonResourceRules'].map((key) => {
    const list = status[key] as unknown[] | undefined
    return list?.map((rule) => JSON.stringify(rule)).sort()
  })
  return {
    ...rest,
    status: { ...status, token: '', expirationTimestamp: '', resourceRules: '', nonResourceRules: '' },
    rules,
  }
}

/** What kube-apiserver says to a request that it refuses. */
async function failed(client: Client, path: string, body: string): Promise<unknown> {
  const res = await client.cluster.request(path, {
    method: 'POST',
    headers: { 'content-type': JSON_TYPE },
    body,
  })
  return parse(res.body.toString())
}

/** DeleteOptions{GracePeriodSeconds: 0, PropagationPolicy: Background, Preconditions: {}} */
function deleteOptions(): Buffer {
  const field = (number: number, bytes: Buffer) =>
    Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
  const typeMeta = Buffer.concat([field(1, Buffer.from('v1')), field(2, Buffer.from('DeleteOptions'))])
  const raw = Buffer.concat([
    Buffer.from([0x08, 0]),
    field(2, Buffer.alloc(0)),
    field(4, Buffer.from('Background')),
  ])
  return Buffer.concat([
    Buffer.from('k8s\0'),
    field(1, typeMeta),
    field(2, raw),
    Buffer.from([0x1a, 0, 0x22, 0]),
  ])
}

/** Objects that kube-apiserver answers and does not keep. */
function transient(): [string, object][] {
  const attributes = {
    namespace: 'n',
    verb: 'get',
    group: 'g',
    version: 'v',
    resource: 'r',
    subresource: 's',
    name: 'x',
  }
  const extra = { 'example.com/a': ['1', '2'], b: ['3'] }
  const found: [string, object][] = []
  const authorization = 'authorization.k8s.io/v1'
  const spec = { resourceAttributes: attributes, user: 'u', groups: ['g1', 'g2'], uid: 'id', extra }
  const review = (kind: string, body: object) => ({ apiVersion: authorization, kind, spec: body })
  const base = `/apis/${authorization}`
  const nonResource = { nonResourceAttributes: { path: '/x', verb: 'get' } }
  found.push(
    [`${base}/subjectaccessreviews`, review('SubjectAccessReview', spec)],
    [`${base}/subjectaccessreviews`, review('SubjectAccessReview', { ...nonResource, user: 'u' })],
    [`${base}/selfsubjectaccessreviews`, review('SelfSubjectAccessReview', nonResource)],
    [
      `${base}/namespaces/n/localsubjectaccessreviews`,
      { ...review('LocalSubjectAccessReview', spec), metadata: { namespace: 'n' } },
    ],
    [`${base}/selfsubjectrulesreviews`, review('SelfSubjectRulesReview', { namespace: 'n' })],
    [
      '/apis/authentication.k8s.io/v1/tokenreviews',
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: 'none', audiences: ['a'] },
      },
    ],
    [
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    ],
  )
  found.push([
    `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/robot/token`,
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: ['a'], expirationSeconds: 3600 },
    },
  ])
  return found
}
