import { randomInt, randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { toApiObject, type ApiObject, type ObjectMeta } from './api-object.js'
import { isObject, objectField, stringField, type Json, type JsonObject } from './json.js'
import { jsonPatch, mergePatch, strategicMergePatch } from './patch.js'
import { NAMESPACES, validateName, type ResourceType } from './resources.js'
import type { Selector } from './selectors.js'
import { StatusError } from './status.js'
import type { Store } from './store.js'

/** Where an object is: the namespace is empty for cluster-scoped types. */
export interface ObjectKey {
  readonly namespace: string
  readonly name: string
}

export const APPLY_PATCH = 'application/apply-patch+yaml'
export const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  APPLY_PATCH,
]

/** The verbs on the objects of one type, as k8s.io/apiserver/pkg/registry/generic/registry Store has them. */
export class Storage {
  constructor(
    readonly type: ResourceType,
    readonly store: Store,
  ) {}

  /** @throws StatusError 404 */
  get({ namespace, name }: ObjectKey): ApiObject {
    const object = this.store.get(this.type, namespace, name)
    if (object === undefined) throw StatusError.notFound(this.type, name)
    return object
  }

  list(namespace: string, selector: Selector): ApiObject[] {
    return this.store.list(this.type, namespace).filter(selector)
  }

  /** @throws StatusError 400, 404 (no such namespace), 409 or 422 */
  create(namespace: string, body: Json, dryRun: boolean): ApiObject {
    const given = this.#decode(body, namespace)
    if (given.metadata.resourceVersion !== undefined) {
      throw StatusError.badRequest('resourceVersion should not be set on objects to be created')
    }
    const name = given.metadata.name || generateName(given.metadata.generateName ?? '')
    if (name === '') {
      const why = 'Required value: name or generateName is required'
      throw StatusError.invalid(this.type.group, this.type.kind, '', 'metadata.name', why)
    }
    validateName(this.type, name)
    if (this.type.namespaced && this.store.get(NAMESPACES, '', namespace) === undefined) {
      throw StatusError.notFound({ group: '', resource: 'namespaces' }, namespace)
    }
    if (this.store.get(this.type, namespace, name) !== undefined) {
      throw StatusError.alreadyExists(this.type, name)
    }
    return this.#save(
      this.type.complete({
        ...given,
        metadata: {
          ...withoutManagedFields(given.metadata),
          name,
          ...(this.type.namespaced ? { namespace } : {}),
          uid: randomUUID(),
          // Only types whose status says how far a controller has come count generations.
          ...(this.type.subresources.includes('scale') ? { generation: 1 } : {}),
          creationTimestamp: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
        },
      }),
      dryRun,
    )
  }

  /** @throws StatusError 400, 404, 409 (changed since it was read) or 422 */
  update(key: ObjectKey, body: Json, dryRun: boolean): ApiObject {
    const existing = this.get(key)
    const given = this.#decode(body, key.namespace)
    const { name = key.name, resourceVersion, uid } = given.metadata
    if (name !== key.name) {
      throw StatusError.badRequest(
        `the name of the object (${name}) does not match the name on the URL (${key.name})`,
      )
    }
    this.#checkPreconditions(existing, { uid, resourceVersion })
    const { creationTimestamp, generation, namespace } = existing.metadata
    const changed = !isDeepStrictEqual(given.spec, existing.spec)
    const next = this.type.complete({
      ...given,
      metadata: {
        ...withoutManagedFields(given.metadata),
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...pick(existing.metadata, ['uid', 'resourceVersion']),
        ...(generation === undefined ? {} : { generation: changed ? generation + 1 : generation }),
        ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
      },
    })
    return isDeepStrictEqual(next, existing) ? existing : this.#save(next, dryRun)
  }

  /**
   * Applies a patch of one of PATCH_TYPES. A server-side apply creates what does not exist; it keeps no account of who
   * owns which field, so it never conflicts.
   */
  patch(
    key: ObjectKey,
    contentType: string,
    patch: Json,
    dryRun: boolean,
  ): { object: ApiObject; created: boolean } {
    if (contentType === APPLY_PATCH && this.store.get(this.type, key.namespace, key.name) === undefined) {
      const body = isObject(patch)
        ? { ...patch, metadata: { ...objectField(patch, 'metadata'), name: key.name } }
        : patch
      return { object: this.create(key.namespace, body, dryRun), created: true }
    }
    const existing = this.get(key)
    return { object: this.update(key, applyPatch(contentType, existing, patch), dryRun), created: false }
  }

  /**
   * Deletes at once: nothing here has finalizers or takes time to stop. `options` is a metav1.DeleteOptions.
   * @throws StatusError 404 or 409
   */
  delete(key: ObjectKey, options: Json | undefined, dryRun: boolean): JsonObject {
    const object = this.get(key)
    const preconditions = isObject(options) ? objectField(options, 'preconditions') : {}
    this.#checkPreconditions(object, {
      uid: stringField(preconditions, 'uid'),
      resourceVersion: stringField(preconditions, 'resourceVersion'),
    })
    if (!dryRun) {
      if (this.type === NAMESPACES) this.store.deleteNamespaceContents(key.name)
      this.store.delete(this.type, key.namespace, key.name)
    }
    const { group, resource } = this.type
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: {
        name: key.name,
        ...(group === '' ? {} : { group }),
        kind: resource,
        uid: object.metadata.uid ?? '',
      },
    }
  }

  /** Deletes what the selector selects and returns it. */
  deleteCollection(
    namespace: string,
    selector: Selector,
    options: Json | undefined,
    dryRun: boolean,
  ): ApiObject[] {
    const objects = this.list(namespace, selector)
    for (const { metadata } of objects) {
      this.delete({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' }, options, dryRun)
    }
    return objects
  }

  #decode(body: Json, namespace: string): ApiObject {
    const { group, version, kind } = this.type
    const object = toApiObject(body, kind)
    if (object.kind !== kind || object.apiVersion !== (group === '' ? version : `${group}/${version}`)) {
      throw StatusError.badRequest(
        `${object.kind} in version ${JSON.stringify(object.apiVersion)} cannot be handled as a ${kind}`,
      )
    }
    if ((object.metadata.namespace ?? namespace) !== namespace) {
      throw StatusError.badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      )
    }
    return object
  }

  #checkPreconditions(
    existing: ApiObject,
    wanted: { uid?: string | undefined; resourceVersion?: string | undefined },
  ) {
    const { name = '', uid, resourceVersion } = existing.metadata
    if (wanted.uid && wanted.uid !== uid) {
      const why = `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid}`
      throw StatusError.conflict(this.type, name, why)
    }
    if (wanted.resourceVersion && wanted.resourceVersion !== resourceVersion) {
      const why =
        'the object has been modified; please apply your changes to the latest version and try again'
      throw StatusError.conflict(this.type, name, why)
    }
  }

  #save(object: ApiObject, dryRun: boolean): ApiObject {
    return dryRun ? object : this.store.put(this.type, object)
  }
}

/** @throws StatusError 400 or 422 where the patch does not fit */
export function applyPatch(contentType: string, target: Json, patch: Json): Json {
  if (contentType === 'application/json-patch+json') return jsonPatch(target, patch)
  if (!isObject(patch)) throw StatusError.badRequest('the patch is not an object')
  return contentType === 'application/merge-patch+json'
    ? mergePatch(target, patch)
    : strategicMergePatch(target, patch)
}

/** No vowels and no look-alikes, as k8s.io/apimachinery/pkg/util/rand. */
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'

function generateName(prefix: string): string {
  if (prefix === '') return ''
  const suffix = Array.from({ length: 5 }, () => SUFFIX_ALPHABET[randomInt(SUFFIX_ALPHABET.length)])
  return prefix + suffix.join('')
}

function withoutManagedFields(metadata: ObjectMeta): ObjectMeta {
  const { managedFields: _, ...kept } = metadata
  return kept
}

function pick(metadata: ObjectMeta, names: readonly string[]): ObjectMeta {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => names.includes(name)))
}
