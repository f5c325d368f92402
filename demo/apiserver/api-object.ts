import { isObject, type Json, type JsonObject } from './json.js'
import { StatusError } from './status.js'

/** metav1.ObjectMeta, as far as this apiserver looks at it. */
export interface ObjectMeta extends JsonObject {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  labels?: Record<string, string>
}

export interface ApiObject extends JsonObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

const STRING_FIELDS = ['name', 'generateName', 'namespace', 'uid', 'resourceVersion', 'creationTimestamp']

/**
 * Takes a decoded body as an API object.
 * @throws StatusError 400 where it is none, or where a field that we rely on has another type.
 */
export function toApiObject(body: Json, kind: string): ApiObject {
  const bad = (what: string) =>
    StatusError.badRequest(`the object provided is unrecognized (must be of type ${kind}): ${what}`)
  if (!isObject(body)) throw bad("couldn't get version/kind")
  const { apiVersion, kind: bodyKind, metadata = {} } = body
  if (typeof apiVersion !== 'string' || typeof bodyKind !== 'string') throw bad("couldn't get version/kind")
  if (!isObject(metadata)) throw bad('metadata is not an object')
  for (const field of STRING_FIELDS) {
    const value = metadata[field]
    if (value != null && typeof value !== 'string') throw bad(`metadata.${field} is not a string`)
  }
  for (const field of ['labels', 'annotations']) {
    const value = metadata[field]
    if (value == null) continue
    if (!isObject(value) || Object.values(value).some((v) => typeof v !== 'string')) {
      throw bad(`metadata.${field} is not a map of strings`)
    }
  }
  for (const field of ['spec', 'status', 'data']) {
    const value = body[field]
    if (value != null && !isObject(value)) throw bad(`${field} is not an object`)
  }
  const present = Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== null))
  return { ...body, apiVersion, kind: bodyKind, metadata: present }
}
