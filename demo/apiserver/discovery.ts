import { AUTHENTICATION_GROUP, AUTHORIZATION_GROUP, REVIEWS } from './reviews.js'
import type { Json } from './json.js'
import { RESOURCE_TYPES, VERBS, type ResourceType } from './resources.js'

/** The Kubernetes version that this apiserver speaks for. */
const VERSION = { major: '1', minor: '20', gitVersion: 'v1.20.0-demo' }

const GROUPS = ['apps', AUTHENTICATION_GROUP, AUTHORIZATION_GROUP]

/** The discovery document of a path (`/api`, `/apis/apps/v1`, `/version`), or undefined where there is none. */
export function discoveryDocument(path: string): Json | undefined {
  switch (path) {
    case '/':
      return {
        paths: ['/api', '/api/v1', '/apis', '/healthz', '/livez', '/openapi/v2', '/readyz', '/version'],
      }
    case '/api':
      return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] }
    case '/api/v1':
      return resourceList('')
    case '/apis':
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: GROUPS.map(groupDocument) }
    case '/version':
      return {
        ...VERSION,
        gitCommit: '',
        gitTreeState: '',
        buildDate: '1970-01-01T00:00:00Z',
        goVersion: '',
        compiler: '',
        platform: '',
      }
  }
  for (const group of GROUPS) {
    if (path === `/apis/${group}`) return { kind: 'APIGroup', apiVersion: 'v1', ...groupDocument(group) }
    if (path === `/apis/${group}/v1`) return resourceList(group)
  }
  return undefined
}

function groupDocument(name: string) {
  const version = { groupVersion: `${name}/v1`, version: 'v1' }
  return { name, versions: [version], preferredVersion: version }
}

function resourceList(group: string): Json {
  const groupVersion = group === '' ? 'v1' : `${group}/v1`
  const kept = RESOURCE_TYPES.filter((type) => type.group === group).flatMap(typeEntries)
  const reviews = REVIEWS.filter((review) => review.group === group).map((review) => ({
    name: review.resource,
    singularName: '',
    namespaced: false,
    kind: review.kind,
    verbs: ['create'],
  }))
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [...kept, ...reviews] }
}

function typeEntries(type: ResourceType) {
  const { namespaced } = type
  const entry = {
    name: type.resource,
    singularName: type.singular,
    namespaced,
    kind: type.kind,
    verbs: VERBS,
    shortNames: [...type.shortNames],
    categories: [...type.categories],
  }
  const subresources = type.subresources.map((subresource) => ({
    name: `${type.resource}/${subresource}`,
    singularName: '',
    namespaced,
    ...(subresource === 'scale'
      ? { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get', 'patch', 'update'] }
      : { kind: type.kind, verbs: ['get'] }),
  }))
  return [entry, ...subresources]
}

/** What kubectl asks for has an `@` before `v1.0`, with which Go cannot parse it as the type of an answer. */
const OPENAPI_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
const OPENAPI_PROTOBUF_ACCEPTED = [OPENAPI_PROTOBUF, OPENAPI_PROTOBUF.replace('v2.v1', 'v2@v1')]

/**
 * An OpenAPI v2 document that describes no type: kubectl then leaves the check of an object's fields to the server.
 * `/openapi/v3` does not exist here; newer kubectl falls back to this one.
 */
export function openapiDocument(accept: string | undefined): { contentType: string; body: Buffer } {
  const info = { title: 'kube-audit-proxy demo', version: VERSION.gitVersion }
  if (!OPENAPI_PROTOBUF_ACCEPTED.some((type) => accept?.includes(type))) {
    const document = { swagger: '2.0', info, paths: {}, definitions: {} }
    return { contentType: 'application/json', body: Buffer.from(JSON.stringify(document)) }
  }
  // gnostic's openapi.v2.Document: 1 swagger, 2 info { 1 title, 2 version }
  const infoMessage = Buffer.concat([protobufField(1, info.title), protobufField(2, info.version)])
  return {
    contentType: OPENAPI_PROTOBUF,
    body: Buffer.concat([protobufField(1, '2.0'), protobufField(2, infoMessage)]),
  }
}

/** A length-delimited protobuf field of fewer than 128 bytes. */
function protobufField(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes])
}
