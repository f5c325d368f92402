import type { ApiObject } from './api-object.js'
import { isObject, numberField, objectField, objectsField, stringField, type JsonObject } from './json.js'
import { StatusError } from './status.js'

/** One kind of object that this apiserver keeps, and what is particular about it. */
export interface ResourceType {
  readonly group: string
  readonly version: string
  readonly kind: string
  /** The plural, as it stands in a URL. */
  readonly resource: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly namespaced: boolean
  readonly subresources: readonly ('scale' | 'log')[]
  /** What `kubectl get` shows between NAME and AGE. */
  readonly columns: readonly Column[]
  /** Fills in defaults and the status that a controller would write. */
  readonly complete: (object: ApiObject) => ApiObject
}

export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer'
  readonly cell: (object: ApiObject) => string | number
}

export const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

const plain = { shortNames: [], categories: [], namespaced: true, subresources: [], columns: [] } as const

export const NAMESPACES: ResourceType = {
  ...plain,
  group: '',
  version: 'v1',
  kind: 'Namespace',
  resource: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  namespaced: false,
  columns: [{ name: 'Status', type: 'string', cell: phase }],
  complete: (object) => ({ ...object, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } }),
}

export const PODS: ResourceType = {
  ...plain,
  group: '',
  version: 'v1',
  kind: 'Pod',
  resource: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  subresources: ['log'],
  columns: [
    { name: 'Ready', type: 'string', cell: readyContainers },
    { name: 'Status', type: 'string', cell: phase },
    { name: 'Restarts', type: 'integer', cell: () => 0 },
  ],
  complete: completePod,
}

export const DEPLOYMENTS: ResourceType = {
  ...plain,
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  resource: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  subresources: ['scale'],
  columns: [
    { name: 'Ready', type: 'string', cell: (object) => `${replicas(object)}/${replicas(object)}` },
    { name: 'Up-to-date', type: 'integer', cell: replicas },
    { name: 'Available', type: 'integer', cell: replicas },
  ],
  complete: completeDeployment,
}

export const RESOURCE_TYPES: readonly ResourceType[] = [
  {
    ...plain,
    group: '',
    version: 'v1',
    kind: 'ConfigMap',
    resource: 'configmaps',
    singular: 'configmap',
    shortNames: ['cm'],
    columns: [{ name: 'Data', type: 'integer', cell: dataCount }],
    complete: (object) => object,
  },
  {
    ...plain,
    group: '',
    version: 'v1',
    kind: 'Event',
    resource: 'events',
    singular: 'event',
    shortNames: ['ev'],
    columns: [
      { name: 'Type', type: 'string', cell: (object) => stringField(object, 'type') },
      { name: 'Reason', type: 'string', cell: (object) => stringField(object, 'reason') },
      { name: 'Message', type: 'string', cell: (object) => stringField(object, 'message') },
    ],
    complete: (object) => object,
  },
  NAMESPACES,
  PODS,
  {
    ...plain,
    group: '',
    version: 'v1',
    kind: 'Secret',
    resource: 'secrets',
    singular: 'secret',
    columns: [
      { name: 'Type', type: 'string', cell: (object) => stringField(object, 'type') },
      { name: 'Data', type: 'integer', cell: dataCount },
    ],
    complete: completeSecret,
  },
  {
    ...plain,
    group: '',
    version: 'v1',
    kind: 'ServiceAccount',
    resource: 'serviceaccounts',
    singular: 'serviceaccount',
    shortNames: ['sa'],
    columns: [{ name: 'Secrets', type: 'integer', cell: (object) => objectsField(object, 'secrets').length }],
    complete: (object) => object,
  },
  DEPLOYMENTS,
]

/** Desired replicas of a deployment, which are its actual ones too: nothing here takes time to start. */
export function replicas(deployment: JsonObject): number {
  return numberField(objectField(deployment, 'spec'), 'replicas', 1)
}

const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const MAX_NAME = 253

/** @throws StatusError 422 where a name is no RFC 1123 subdomain. */
export function validateName(type: ResourceType, name: string): void {
  if (name.length <= MAX_NAME && DNS_SUBDOMAIN.test(name)) return
  const why =
    name.length > MAX_NAME
      ? `must be no more than ${MAX_NAME} characters`
      : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
        'and must start and end with an alphanumeric character'
  const shown = name.slice(0, MAX_NAME)
  throw StatusError.invalid(
    type.group,
    type.kind,
    shown,
    'metadata.name',
    `Invalid value: ${JSON.stringify(shown)}: ${why}`,
  )
}

function phase(object: ApiObject): string {
  return stringField(objectField(object, 'status'), 'phase')
}

function readyContainers(pod: ApiObject): string {
  const count = objectsField(objectField(pod, 'spec'), 'containers').length
  return `${count}/${count}`
}

function dataCount(object: ApiObject): number {
  return (
    Object.keys(objectField(object, 'data')).length + Object.keys(objectField(object, 'binaryData')).length
  )
}

function completePod(pod: ApiObject): ApiObject {
  const spec = objectField(pod, 'spec')
  const containers = objectsField(spec, 'containers')
  if (containers.length === 0) {
    throw StatusError.invalid('', 'Pod', pod.metadata.name ?? '', 'spec.containers', 'Required value')
  }
  const startedAt = pod.metadata.creationTimestamp ?? ''
  return {
    ...pod,
    spec: { restartPolicy: 'Always', serviceAccountName: 'default', nodeName: 'demo-node', ...spec },
    status: {
      phase: 'Running',
      startTime: startedAt,
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: startedAt }],
      containerStatuses: containers.map((container) => ({
        name: stringField(container, 'name'),
        image: stringField(container, 'image'),
        imageID: '',
        ready: true,
        restartCount: 0,
        state: { running: { startedAt } },
        lastState: {},
      })),
    },
  }
}

function completeDeployment(deployment: ApiObject): ApiObject {
  const name = deployment.metadata.name ?? ''
  const spec = objectField(deployment, 'spec')
  if (!isObject(spec.selector)) {
    throw StatusError.invalid('apps', 'Deployment', name, 'spec.selector', 'Required value')
  }
  const count = spec.replicas ?? 1
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0) {
    const why = `Invalid value: ${JSON.stringify(count)}: must be greater than or equal to 0`
    throw StatusError.invalid('apps', 'Deployment', name, 'spec.replicas', why)
  }
  return {
    ...deployment,
    spec: { ...spec, replicas: count },
    status: {
      observedGeneration: deployment.metadata.generation ?? 1,
      replicas: count,
      updatedReplicas: count,
      readyReplicas: count,
      availableReplicas: count,
    },
  }
}

/** `stringData` is for writing only: it is kept as base64 under `data`. */
function completeSecret(secret: ApiObject): ApiObject {
  const { stringData, ...kept } = secret
  const added = Object.entries(isObject(stringData) ? stringData : {}).map(([key, value]) => [
    key,
    Buffer.from(typeof value === 'string' ? value : '').toString('base64'),
  ])
  return {
    ...kept,
    metadata: secret.metadata,
    apiVersion: secret.apiVersion,
    kind: secret.kind,
    type: stringField(secret, 'type') || 'Opaque',
    data: { ...objectField(secret, 'data'), ...(Object.fromEntries(added) as JsonObject) },
  }
}
