import { decodeListOptions } from './list-options.js'
import type { RequestTarget } from './request-target.js'

/** What a request asks for: k8s.io/apiserver/pkg/endpoints/request RequestInfo. Strings that do not apply are empty. */
export interface RequestInfo {
  readonly isResourceRequest: boolean
  /** The URL path, decoded as Go decodes it, without the query. */
  readonly path: string
  /** The Kubernetes verb of a resource request; the method in lower case otherwise. */
  readonly verb: string
  readonly apiPrefix: string
  readonly apiGroup: string
  readonly apiVersion: string
  readonly namespace: string
  readonly resource: string
  readonly subresource: string
  readonly name: string
}

/** A path that kube-apiserver cannot make sense of (`/api/v1/watch`): it answers 500 and writes no event. */
export class RequestInfoError extends Error {
  override name = 'RequestInfoError'
}

// The longest path that means something: apis/GROUP/VERSION/watch/namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE.
const MAX_PARTS = 9

/**
 * Works out what a request is about, as k8s.io/apiserver/pkg/endpoints/request/requestinfo.go NewRequestInfo does for
 * kube-apiserver, whose API prefixes are `api` (without groups) and `apis`.
 *
 * @throws RequestInfoError where kube-apiserver cannot tell the resource
 */
export function newRequestInfo(method: string, target: RequestTarget): RequestInfo {
  const { path } = target
  const parts = splitPath(path)
  const apiPrefix = parts[0] === 'api' || parts[0] === 'apis' ? parts[0] : ''
  const hasGroup = apiPrefix === 'apis'
  if (apiPrefix === '' || parts.length < 3) return nonResourceRequest(method, path, '')
  if (hasGroup && parts.length < 4) return nonResourceRequest(method, path, apiPrefix)

  const apiGroup = hasGroup ? parts[1]! : ''
  let at = hasGroup ? 2 : 1 // the part that is looked at
  const apiVersion = parts[at++]!

  // The deprecated forms that have the verb in the path.
  let verb: string
  if (parts[at] === 'watch' || parts[at] === 'proxy') {
    if (at + 1 === parts.length) {
      throw new RequestInfoError(`unable to determine kind and namespace from url, ${target.requestURI}`)
    }
    verb = parts[at++]!
  } else {
    verb = verbOfMethod(method)
  }

  // namespaces/NAMESPACE/RESOURCE is about the resource, but namespaces/NAMESPACE/status about the namespace.
  let namespace = ''
  if (parts[at] === 'namespaces' && at + 1 < parts.length) {
    namespace = parts[at + 1]!
    const next = parts[at + 2]
    if (next !== undefined && next !== 'status' && next !== 'finalize') at += 2
  }

  const resource = parts[at] ?? ''
  let name = parts[at + 1] ?? ''
  const subresource = verb === 'proxy' ? '' : (parts[at + 2] ?? '')

  if (name === '' && verb === 'get') {
    verb = 'list'
    if (target.rawQuery !== '') {
      const options = decodeListOptions(target.rawQuery)
      if (options.watch) verb = 'watch'
      name = options.name
    }
  } else if (name === '' && verb === 'delete') {
    verb = 'deletecollection'
  }
  return {
    isResourceRequest: true,
    path,
    verb,
    apiPrefix,
    apiGroup,
    apiVersion,
    namespace,
    resource,
    subresource,
    name,
  }
}

/** A request that is about no API object. The verb is the method in lower case. */
export function nonResourceRequest(method: string, path: string, apiPrefix = ''): RequestInfo {
  return {
    isResourceRequest: false,
    path,
    verb: method.toLowerCase(),
    apiPrefix,
    apiGroup: '',
    apiVersion: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
  }
}

/** The verb of a method, empty for one that the Kubernetes API does not have. */
function verbOfMethod(method: string): string {
  switch (method) {
    case 'POST':
      return 'create'
    case 'GET':
    case 'HEAD':
      return 'get'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return 'delete'
    default:
      return ''
  }
}

/** The path's parts. Slashes around it do not count; those inside do, so `api//pods` has an empty part. */
function splitPath(path: string): string[] {
  let start = 0
  let end = path.length
  while (start < end && path.charCodeAt(start) === 0x2f) start++
  while (end > start && path.charCodeAt(end - 1) === 0x2f) end--
  return start === end ? [] : path.slice(start, end).split('/', MAX_PARTS)
}
