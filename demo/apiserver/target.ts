import type { PathAttributes, ResourceAttributes } from './authorization.js'
import { StatusError } from './status.js'

/** What a request is for: a resource of a version of an API group, or a path that is none. */
export type Target = (ResourceAttributes & { readonly version: string }) | PathAttributes

const COLLECTION_VERBS: Record<string, string> = { GET: 'list', POST: 'create', DELETE: 'deletecollection' }
const OBJECT_VERBS: Record<string, string> = {
  GET: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
  POST: 'create',
}

/**
 * Reads method, path and query as k8s.io/apiserver/pkg/endpoints/request RequestInfoFactory does.
 * @throws StatusError 400 where the path is not decodable
 */
export function parseTarget(method: string, path: string, query: URLSearchParams): Target {
  const segments = path.split('/').slice(1).map(decode)
  if (segments.at(-1) === '') segments.pop()
  const resource = resourceSegments(segments)
  if (resource === undefined) return { verb: method.toLowerCase(), path }

  const { group, version } = resource
  let { rest } = resource
  let namespace = ''
  if (rest[0] === 'namespaces' && rest[1] !== undefined) {
    namespace = rest[1]
    if (rest[2] !== undefined && !['status', 'finalize'].includes(rest[2])) rest = rest.slice(2)
  }
  const [plural = '', name = '', ...deeper] = rest
  return {
    verb: resourceVerb(method, name, query),
    group,
    version,
    resource: plural,
    namespace,
    name,
    subresource: deeper.join('/'),
  }
}

function resourceVerb(method: string, name: string, query: URLSearchParams): string {
  const verb = (name === '' ? COLLECTION_VERBS : OBJECT_VERBS)[method] ?? method.toLowerCase()
  return verb === 'list' && isTrue(query.get('watch')) ? 'watch' : verb
}

/** A flag in a query, as Go's conversion of url.Values reads it: set but empty is true. */
function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== 'false' && value !== '0'
}

function resourceSegments(segments: readonly string[]) {
  if (segments.includes('')) return undefined
  const [prefix, ...rest] = segments
  if (prefix === 'api' && rest.length >= 2) return { group: '', version: rest[0] ?? '', rest: rest.slice(1) }
  if (prefix === 'apis' && rest.length >= 3) {
    return { group: rest[0] ?? '', version: rest[1] ?? '', rest: rest.slice(2) }
  }
  return undefined
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw StatusError.badRequest(`the path segment ${JSON.stringify(segment)} is not percent-encoded text`)
  }
}
