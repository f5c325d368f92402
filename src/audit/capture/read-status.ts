import type { ResponseStatus } from '../event.js'
import { type ContentEncoding, decodeContent } from './content-encoding.js'
import { kindOfCBOR } from './cbor/kind.js'
import { compactJSON } from './json/json.js'
import { isObject } from './json/json-cursor.js'
import { stringIn, visitPrefix } from './json/json-prefix.js'
import type { Encoding } from './media-type.js'

/** How much of a response's body is read in search of a Status, in bytes. */
export const STATUS_PREFIX_BYTES = 65536

/** The kind of most objects is within so many bytes. */
const KIND_BYTES = 256
/** So many compressed bytes tell whether it is a Status; they decode to a quarter of a megabyte at most. */
const COMPRESSED_PREFIX_BYTES = 256
const MAX_DEFLATE_RATIO = 1032
/** `k8s`, a zero byte, and the type of the object. */
const PROTOBUF_HEADER_BYTES = 64

/**
 * Whether the body that begins with `prefix` may still turn out to be a Status. This is asked of every response whose
 * object is not wanted, mostly by its first chunk.
 */
export function mayBeStatus(prefix: Buffer, encoding: Encoding, contentEncoding: ContentEncoding): boolean {
  if (contentEncoding !== 'identity') {
    const compressed = prefix.subarray(0, COMPRESSED_PREFIX_BYTES)
    try {
      const max = COMPRESSED_PREFIX_BYTES * MAX_DEFLATE_RATIO
      return mayBeStatus(decodeContent(compressed, contentEncoding, max, true), encoding, 'identity')
    } catch {
      return false
    }
  }
  switch (encoding) {
    case 'json': {
      // kube-apiserver writes the kind first.
      const kind =
        kindOfPrefix(prefix.toString('latin1', 0, KIND_BYTES)) ?? kindOfPrefix(prefix.toString('latin1'))
      return kind === undefined || kind === 'Status'
    }
    case 'yaml': {
      const kind = /^kind:[ \t]*([^\s]+)/m.exec(prefix.toString('latin1'))?.[1]
      return kind === undefined || kind.includes('Status')
    }
    case 'protobuf':
      // The kind is in the first message of the envelope.
      return (
        prefix.length < PROTOBUF_HEADER_BYTES || prefix.subarray(0, PROTOBUF_HEADER_BYTES).includes('Status')
      )
    case 'cbor': {
      const kind = kindOfCBOR(prefix)
      return kind === undefined || kind === 'Status'
    }
  }
}

/** The strings of a Status that go into an event as they are. */
type StatusString = 'status' | 'message' | 'reason'

/**
 * The `kind` at the top level of the JSON object that `prefix` begins with; undefined where it has not been seen yet,
 * and the empty string where `prefix` begins with something else. `prefix` may end anywhere.
 */
export function kindOfPrefix(prefix: string): string | undefined {
  let kind: string | undefined
  const began = visitPrefix(prefix, (name, value, end) => {
    if (name === 'kind') kind = stringIn(prefix, value, end) ?? ''
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
        kind = stringIn(prefix, value, end)
        return kind === 'Status'
      case 'apiVersion':
        apiVersion = stringIn(prefix, value, end)
        return apiVersion === 'v1'
      case 'status':
      case 'message':
      case 'reason':
        setString(status, name, stringIn(prefix, value, end))
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
