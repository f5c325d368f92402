import { isDeepStrictEqual } from 'node:util'
import { isObject, stringField, type Json, type JsonObject } from './json.js'
import { StatusError } from './status.js'

/*
 * These functions change nothing in place, and build objects with Object.fromEntries only: a key "__proto__" in a patch
 * is then a field like another. Their recursion ends because a body's depth is bounded where it is read.
 */

/** JSON merge patch, RFC 7396. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const result = fields(target)
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === undefined) result.delete(key)
    else result.set(key, mergePatch(result.get(key), value))
  }
  return Object.fromEntries(result)
}

/** By which field the elements of a list are the same one: the patchMergeKey of k8s.io/api's types, by field name. */
const MERGE_KEYS: ReadonlyMap<string, string> = new Map([
  ['ports', 'containerPort'],
  ['volumeMounts', 'mountPath'],
  ['conditions', 'type'],
  ['ownerReferences', 'uid'],
  ['hostAliases', 'ip'],
])
/** Lists that a patch replaces as a whole. */
const ATOMIC_LISTS: ReadonlySet<string> = new Set(['tolerations', 'matchExpressions', 'subjects', 'rules'])

/**
 * Strategic merge patch, as k8s.io/apimachinery/pkg/util/strategicpatch: as a merge patch, but lists of named objects
 * merge by name, and `$patch`, `$retainKeys` and `$deleteFromPrimitiveList/...` are obeyed. `$setElementOrder/...` is
 * dropped: elements keep the order in which they came.
 */
export function strategicMergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  if (patch.$patch === 'delete') return {}
  const result = patch.$patch === 'replace' ? new Map<string, Json | undefined>() : fields(target)
  const retain = patch.$retainKeys
  if (Array.isArray(retain)) {
    for (const key of result.keys()) if (!retain.includes(key)) result.delete(key)
  }
  for (const [key, value] of Object.entries(patch)) {
    const dropped = key.startsWith('$deleteFromPrimitiveList/') ? key.slice(key.indexOf('/') + 1) : undefined
    if (dropped !== undefined) {
      const kept = result.get(dropped)
      if (Array.isArray(kept) && Array.isArray(value)) {
        result.set(
          dropped,
          kept.filter((item) => !value.includes(item)),
        )
      }
    } else if (key.startsWith('$')) continue
    else if (value === null || value === undefined) result.delete(key)
    else if (Array.isArray(value)) result.set(key, mergeList(key, result.get(key), value))
    else result.set(key, strategicMergePatch(result.get(key), value))
  }
  return Object.fromEntries(result)
}

function mergeList(field: string, target: Json | undefined, patch: Json[]): Json[] {
  const key = MERGE_KEYS.get(field) ?? 'name'
  const mergeable = (list: Json[]): list is JsonObject[] =>
    list.every((item) => isObject(item) && (key in item || item.$patch === 'replace'))
  if (ATOMIC_LISTS.has(field) || !mergeable(patch) || patch.some((item) => item.$patch === 'replace')) {
    return patch.filter((item) => !isObject(item) || item.$patch === undefined)
  }
  const result = Array.isArray(target) && mergeable(target) ? [...target] : []
  for (const item of patch) {
    const at = result.findIndex((old) => old[key] === item[key])
    if (item.$patch === 'delete') {
      if (at >= 0) result.splice(at, 1)
    } else {
      const merged = strategicMergePatch(at < 0 ? undefined : result[at], item) as JsonObject
      if (at < 0) result.push(merged)
      else result[at] = merged
    }
  }
  return result
}

function fields(value: Json | undefined): Map<string, Json | undefined> {
  return new Map(isObject(value) ? Object.entries(value) : [])
}

/**
 * JSON patch, RFC 6902.
 * @throws StatusError 400 for what is no patch, 422 for one that does not fit the object.
 */
export function jsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw StatusError.badRequest('a JSON patch is a list of operations')
  return patch.reduce<Json>((result, operation) => {
    if (!isObject(operation)) throw StatusError.badRequest('a JSON patch operation is an object')
    return applyOperation(result, operation)
  }, target)
}

function applyOperation(document: Json, operation: JsonObject): Json {
  const path = pointer(stringField(operation, 'path'))
  const value = operation.value ?? null
  switch (stringField(operation, 'op')) {
    case 'add':
      return change(document, path, 'add', value)
    case 'remove':
      return change(document, path, 'remove', null)
    case 'replace':
      return change(document, path, 'replace', value)
    case 'test':
      if (isDeepStrictEqual(lookUp(document, path), value)) return document
      throw unfit(`testing value ${stringField(operation, 'path')} failed`)
    case 'copy':
      return change(document, path, 'add', lookUp(document, pointer(stringField(operation, 'from'))))
    case 'move': {
      const from = pointer(stringField(operation, 'from'))
      const moved = lookUp(document, from)
      return change(change(document, from, 'remove', null), path, 'add', moved)
    }
    default:
      throw StatusError.badRequest(`unknown JSON patch operation ${JSON.stringify(operation.op ?? null)}`)
  }
}

function pointer(text: string): string[] {
  if (text !== '' && !text.startsWith('/'))
    throw StatusError.badRequest(`invalid JSON pointer ${JSON.stringify(text)}`)
  return text
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function lookUp(document: Json, path: readonly string[]): Json {
  let found: Json | undefined = document
  for (const token of path) {
    if (Array.isArray(found)) found = found[index(token, found.length - 1)]
    else if (isObject(found) && Object.hasOwn(found, token)) found = found[token]
    else throw unfit(`no value at ${JSON.stringify(token)}`)
  }
  return found ?? null
}

type Change = 'add' | 'remove' | 'replace'

function change(document: Json, path: readonly string[], how: Change, value: Json): Json {
  const [token, ...rest] = path
  if (token === undefined) return how === 'remove' ? null : value
  const last = rest.length === 0
  if (Array.isArray(document)) {
    const at =
      last && how === 'add' && token === '-'
        ? document.length
        : index(token, document.length - (last && how === 'add' ? 0 : 1))
    if (!last) return document.with(at, change(document[at] ?? null, rest, how, value))
    return document.toSpliced(at, how === 'add' ? 0 : 1, ...(how === 'remove' ? [] : [value]))
  }
  const result = fields(document)
  if (!isObject(document) || (!result.has(token) && !(last && how === 'add'))) {
    throw unfit(`no value at ${JSON.stringify(token)}`)
  }
  if (last && how === 'remove') result.delete(token)
  else result.set(token, last ? value : change(result.get(token) ?? null, rest, how, value))
  return Object.fromEntries(result)
}

function index(token: string, max: number): number {
  const at = /^(0|[1-9][0-9]{0,8})$/.test(token) ? Number(token) : -1
  if (at < 0 || at > max) throw unfit(`no list element ${JSON.stringify(token)}`)
  return at
}

function unfit(why: string): StatusError {
  return new StatusError(
    422,
    'Invalid',
    `the server rejected our request due to an error in our request: ${why}`,
    {},
  )
}
