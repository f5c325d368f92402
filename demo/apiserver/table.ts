import type { ApiObject } from './api-object.js'
import type { Json, JsonObject } from './json.js'
import type { ResourceType } from './resources.js'

/** How much of each object a Table row carries: the query parameter includeObject. */
export type IncludeObject = 'None' | 'Metadata' | 'Object'

/** `Table` is what kubectl asks for to print; the server knows the columns. */
export type Shape = 'Object' | 'Table' | 'PartialObjectMetadata'

export const JSON_TYPE = 'application/json'

/**
 * The shape in which a client wants objects: the first element of its Accept header that we can serve.
 * `undefined` when there is none.
 */
export function negotiateShape(accept: string | undefined): Shape | undefined {
  if (accept === undefined || accept.trim() === '') return 'Object'
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    if (!['application/json', 'application/*', '*/*'].includes(type.toLowerCase())) continue
    const wants = new Map(parameters.map((parameter) => parameter.split('=', 2) as [string, string]))
    const as = wants.get('as')
    if (as === undefined) return 'Object'
    if (wants.get('g') !== 'meta.k8s.io' || wants.get('v') !== 'v1') continue
    if (as === 'Table') return 'Table'
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'PartialObjectMetadata'
  }
  return undefined
}

/** One object in the shape that was asked for. `columns` is false for all but the first event of a watch. */
export function shapeObject(
  type: ResourceType,
  object: ApiObject,
  shape: Shape,
  include: IncludeObject,
  columns = true,
): Json {
  if (shape === 'Object') return object
  if (shape === 'PartialObjectMetadata') return partialMetadata(object)
  return table(type, [object], object.metadata.resourceVersion ?? '', include, columns)
}

/** A list in the shape that was asked for. */
export function shapeList(
  type: ResourceType,
  objects: readonly ApiObject[],
  resourceVersion: string,
  shape: Shape,
  include: IncludeObject,
): Json {
  if (shape === 'Table') return table(type, objects, resourceVersion, include, true)
  const metadata = { resourceVersion }
  if (shape === 'PartialObjectMetadata') {
    const items = objects.map(partialMetadata)
    return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items }
  }
  const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`
  return { kind: `${type.kind}List`, apiVersion, metadata, items: [...objects] }
}

function table(
  type: ResourceType,
  objects: readonly ApiObject[],
  resourceVersion: string,
  include: IncludeObject,
  columns: boolean,
): JsonObject {
  const definitions = [
    {
      name: 'Name',
      type: 'string',
      format: 'name',
      description: `Name of the ${type.singular}`,
      priority: 0,
    },
    ...type.columns.map((column) => ({
      name: column.name,
      type: column.type,
      format: '',
      description: column.name,
      priority: 0,
    })),
    { name: 'Age', type: 'string', format: '', description: 'Time since it was created', priority: 0 },
  ]
  const now = Date.now()
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion },
    columnDefinitions: columns ? definitions : [],
    rows: objects.map((object) => ({
      cells: [
        object.metadata.name ?? '',
        ...type.columns.map((column) => column.cell(object)),
        age(object.metadata.creationTimestamp, now),
      ],
      ...(include === 'None' ? {} : { object: include === 'Object' ? object : partialMetadata(object) }),
    })),
  }
}

function partialMetadata(object: ApiObject): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata }
}

/** As k8s.io/apimachinery/pkg/util/duration HumanDuration shows it, to one unit. `now` is in milliseconds. */
function age(creationTimestamp: string | undefined, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(creationTimestamp ?? '')) / 1000))
  if (Number.isNaN(seconds)) return '<unknown>'
  if (seconds < 120) return `${seconds}s`
  if (seconds < 3 * 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}
