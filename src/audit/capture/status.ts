import type { ResponseStatus } from '../event.js'
import { compactJSON } from './json.js'
import { endOfString, endOfValue, isObject, isString, skipSpace } from './json-cursor.js'

/** How much of a response's body is read in search of a Status, in bytes. */
export const STATUS_PREFIX_BYTES = 65536

/** The strings of a Status that go into an event as they are. */
type StatusString = 'status' | 'message' | 'reason'

/**
 * The `kind` at the top level of the JSON object that `prefix` begins with; undefined where it has not been seen yet,
 * and the empty string where `prefix` begins with something else. `prefix` may end anywhere.
 */
export function kindOfPrefix(prefix: string): string | undefined {
  let kind: string | undefined
  const began = visitPrefix(prefix, (name, value, end) => {
    if (name === 'kind') kind = stringOf(prefix, value, end) ?? ''
    return kind === undefined
  })
  return began ? kind : ''
}

/**
 * The fields of a metav1.Status that go into an event, read from the first bytes of a JSON document, pretty-printed or
 * not, its keys in any order; undefined where it is something else. A Status that goes on behind the end of `prefix`
 * gives the fields that were seen whole. k8s.io/apiserver/pkg/audit request.go LogResponseObject copies them.
 */
export function readStatus(prefix: string): ResponseStatus | undefined {
  let kind: string | undefined
  let apiVersion: string | undefined
  const status: ResponseStatus = {}
  visitPrefix(prefix, (name, value, end) => {
    switch (name) {
      case 'kind':
        kind = stringOf(prefix, value, end)
        return kind === 'Status'
      case 'apiVersion':
        apiVersion = stringOf(prefix, value, end)
        return apiVersion === 'v1'
      case 'status':
      case 'message':
      case 'reason':
        setString(status, name, stringOf(prefix, value, end))
        return true
      case 'code': {
        const code = Number(prefix.slice(value, end))
        if (Number.isInteger(code)) status.code = code
        return true
      }
      case 'details': {
        const details = isObject(prefix, value)
          ? compactJSON(Buffer.from(prefix.slice(value, end)))
          : undefined
        if (details !== undefined) status.details = details
        return true
      }
      default:
        return true
    }
  })
  return kind === 'Status' && apiVersion === 'v1' ? status : undefined
}

function setString(status: ResponseStatus, name: StatusString, value: string | undefined): void {
  if (value !== undefined && value !== '') status[name] = value
}

/** The string at [start, end); undefined where there is none, or one that is not JSON. */
function stringOf(text: string, start: number, end: number): string | undefined {
  if (!isString(text, start)) return undefined
  try {
    return JSON.parse(text.slice(start, end)) as string
  } catch {
    return undefined
  }
}

/**
 * Visits the members of the object that `prefix` begins with, as far as they are there whole, until the visitor says
 * false. False where `prefix` begins with no object. Nothing is assumed about the text: what is no JSON ends the visit.
 */
function visitPrefix(prefix: string, visit: (name: string, value: number, end: number) => boolean): boolean {
  let i = skipSpace(prefix, 0)
  if (i === prefix.length) return true
  if (!isObject(prefix, i)) return false
  i = skipSpace(prefix, i + 1)
  while (isString(prefix, i)) {
    const endOfKey = endOfString(prefix, i)
    if (endOfKey < 0) break
    const name = stringOf(prefix, i, endOfKey)
    i = skipSpace(prefix, endOfKey)
    if (prefix[i] !== ':') break
    const value = skipSpace(prefix, i + 1)
    const end = endOfValue(prefix, value)
    if (end < 0) break
    i = skipSpace(prefix, end)
    // A number at the very end of the prefix may go on behind it.
    if (i === prefix.length && end === i && !isString(prefix, value) && !isObject(prefix, value)) break
    if (name !== undefined && !visit(name, value, end)) break
    if (prefix[i] !== ',') break
    i = skipSpace(prefix, i + 1)
  }
  return true
}
