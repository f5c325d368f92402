import { EventEmitter } from 'node:events'
import type { ApiObject } from './api-object.js'
import type { ResourceType } from './resources.js'
import { StatusError } from './status.js'

/** What happened to one object. Objects are never changed in place, so a Change stays true. */
export interface Change {
  readonly type: ResourceType
  readonly resourceVersion: number
  /** Absent where the object is new. */
  readonly before: ApiObject | undefined
  /** The object; when it was deleted, as it was last, with the resourceVersion of the deletion. */
  readonly object: ApiObject
  readonly deleted: boolean
}

/** How many changes a watch can start back at; k8s.io/apiserver's watch cache keeps a window too. */
const HISTORY = 1_000
const MAX_OBJECTS = 10_000

/** All objects, in memory, with one counter of resource versions as etcd has one revision. */
export class Store {
  readonly #objects = new Map<string, { type: ResourceType; object: ApiObject }>()
  readonly #history: Change[] = []
  readonly #changes = new EventEmitter<{ change: [Change] }>().setMaxListeners(0)
  #resourceVersion = 1

  /** The version of the latest change. */
  get resourceVersion(): number {
    return this.#resourceVersion
  }

  get(type: ResourceType, namespace: string, name: string): ApiObject | undefined {
    return this.#objects.get(key(type, namespace, name))?.object
  }

  /** The objects of a type, in one namespace or (when that is empty) in all, sorted as etcd sorts them. */
  list(type: ResourceType, namespace: string): ApiObject[] {
    const found: [string, ApiObject][] = []
    for (const [id, { type: other, object }] of this.#objects) {
      if (other === type && (namespace === '' || object.metadata.namespace === namespace))
        found.push([id, object])
    }
    return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
  }

  /**
   * Stores a new object or the next state of one, and returns it with its resourceVersion.
   * @throws StatusError 500 when the store is full
   */
  put(type: ResourceType, object: ApiObject): ApiObject {
    const id = key(type, object.metadata.namespace ?? '', object.metadata.name ?? '')
    const before = this.#objects.get(id)?.object
    if (before === undefined && this.#objects.size >= MAX_OBJECTS) {
      throw new StatusError(500, 'InternalError', `this demonstration keeps at most ${MAX_OBJECTS} objects`)
    }
    const stored = this.#withNextVersion(object)
    this.#objects.set(id, { type, object: stored })
    this.#tell({ type, resourceVersion: this.#resourceVersion, before, object: stored, deleted: false })
    return stored
  }

  delete(type: ResourceType, namespace: string, name: string): void {
    const id = key(type, namespace, name)
    const before = this.#objects.get(id)?.object
    if (before === undefined) return
    this.#objects.delete(id)
    const object = this.#withNextVersion(before)
    this.#tell({ type, resourceVersion: this.#resourceVersion, before, object, deleted: true })
  }

  /** Removes everything in a namespace, as the namespace controller does. */
  deleteNamespaceContents(namespace: string): void {
    for (const { type, object } of [...this.#objects.values()]) {
      if (object.metadata.namespace === namespace) this.delete(type, namespace, object.metadata.name ?? '')
    }
  }

  /**
   * The changes after a resource version, oldest first.
   * @throws StatusError 410 when they are no longer all known
   */
  since(resourceVersion: number): Change[] {
    const oldest = this.#history[0]?.resourceVersion ?? this.#resourceVersion + 1
    if (resourceVersion < oldest - 1) {
      throw StatusError.expired(`too old resource version: ${resourceVersion} (${oldest - 1})`)
    }
    return this.#history.filter((change) => change.resourceVersion > resourceVersion)
  }

  /** Calls `listener` at each change until the function that is returned is called. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#changes.on('change', listener)
    return () => this.#changes.off('change', listener)
  }

  #withNextVersion(object: ApiObject): ApiObject {
    const resourceVersion = String(++this.#resourceVersion)
    return { ...object, metadata: { ...object.metadata, resourceVersion } }
  }

  #tell(change: Change): void {
    this.#history.push(change)
    if (this.#history.length > HISTORY) this.#history.shift()
    this.#changes.emit('change', change)
  }
}

/** Names hold no slash (validateName). */
function key(type: ResourceType, namespace: string, name: string): string {
  return `${type.group}/${type.resource}/${namespace}/${name}`
}
