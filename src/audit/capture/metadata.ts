import type { CapturedBody } from '../captured-body.js'
import { compactJSON } from './json/json.js'
import { endOfValue, STOP, stringAt, visitMembers } from './json/json-cursor.js'
import type { TypeMeta } from './protobuf/type-meta.js'
import { visitPrefix } from './json/json-prefix.js'

/** What an object says about itself. What is absent, or is no string, is undefined. */
export interface ObjectHeader {
  apiVersion?: string
  kind?: string
  metadata?: NonNullable<CapturedBody['metadata']>
}

/**
 * Reads apiVersion, kind and the metadata that an ObjectReference is completed with (k8s.io/apiserver/pkg/audit
 * request.go LogRequestObject) from `text` (from compactJSON). It stops reading when it has all three.
 */
export function readObjectHeader(text: string): ObjectHeader {
  const header: ObjectHeader = {}
  let wanted = 3
  visitMembers(text, 0, (name, value) => {
    let end: number
    if (name === 'apiVersion' || name === 'kind') {
      const found = stringAt(text, value)
      if (found !== undefined) header[name] = found
      end = endOfValue(text, value)
    } else if (name === 'metadata') {
      end = readMetadata(text, value, header)
    } else {
      return endOfValue(text, value)
    }
    return --wanted === 0 ? STOP : end
  })
  return header
}

/**
 * What the object in `text` (from compactJSON) says that it is, as k8s.io/apimachinery/pkg/runtime/serializer/json/meta.go
 * Interpret finds it with encoding/json: the case of the keys does not matter, and the last one counts.
 */
export function typeMetaOf(text: string): TypeMeta {
  const found = { apiVersion: '', kind: '' }
  visitMembers(text, 0, (name, value) => {
    const folded = name.toLowerCase()
    if (folded === 'kind') found.kind = stringAt(text, value) ?? found.kind
    else if (folded === 'apiversion') found.apiVersion = stringAt(text, value) ?? found.apiVersion
    return endOfValue(text, value)
  })
  return found
}

function readMetadata(text: string, metadata: number, header: ObjectHeader): number {
  const found: Record<string, string> = {}
  const end = visitMembers(text, metadata, (name, value) => {
    switch (name) {
      case 'namespace':
      case 'name':
      case 'uid':
      case 'resourceVersion': {
        const string = stringAt(text, value)
        if (string !== undefined && string !== '') found[name] = string
      }
    }
    return endOfValue(text, value)
  })
  if (Object.keys(found).length > 0) header.metadata = found
  return end
}

/** The metadata of an object of which only the first bytes are there, if all of the metadata is among them. */
export function readPrefixMetadata(prefix: string): ObjectHeader['metadata'] {
  let found: string | undefined
  visitPrefix(prefix, (name, value, end) => {
    if (name === 'metadata') found = compactJSON(Buffer.from(prefix.slice(value, end)))
    return found === undefined
  })
  const header: ObjectHeader = {}
  if (found !== undefined) readMetadata(found, 0, header)
  return header.metadata
}
