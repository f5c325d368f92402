import type { BodyTarget } from '../convert.js'
import type { TypeMeta } from './type-meta.js'

/** Subresources that have a kind of their own, in every API group. Others have that of their resource, as `status` has. */
const SUBRESOURCES: Readonly<Record<string, TypeMeta>> = {
  binding: { apiVersion: 'v1', kind: 'Binding' },
  eviction: { apiVersion: 'policy/v1', kind: 'Eviction' },
  scale: { apiVersion: 'autoscaling/v1', kind: 'Scale' },
  token: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' },
}

/**
 * What the body of a request is that does not say it itself: the default with which kube-apiserver's handlers decode
 * (k8s.io/apiserver/pkg/endpoints/handlers create.go, update.go, delete.go: defaultGVK).
 *
 * @param kindOf the kind of a resource's objects: by API version and resource
 */
export function defaultTypeMeta(
  { method, ref }: BodyTarget,
  kindOf: (apiVersion: string, resource: string) => string | undefined,
): TypeMeta | undefined {
  if (method === 'DELETE') return { apiVersion: 'v1', kind: 'DeleteOptions' }
  if (ref?.resource === undefined) return undefined
  const { resource, subresource, apiGroup, apiVersion: version = '' } = ref
  if (subresource !== undefined && Object.hasOwn(SUBRESOURCES, subresource)) return SUBRESOURCES[subresource]
  const apiVersion = apiGroup === undefined || apiGroup === '' ? version : `${apiGroup}/${version}`
  const kind = kindOf(apiVersion, resource)
  return kind === undefined ? undefined : { apiVersion, kind }
}

/**
 * The resource of a kind, as all of Kubernetes' own have it (k8s.io/apimachinery/pkg/api/meta/restmapper.go
 * UnsafeGuessKindToResource).
 */
export function resourceOfKind(kind: string): string {
  const singular = kind.toLowerCase()
  if (singular === 'endpoints') return singular
  if (singular.endsWith('s')) return `${singular}es`
  return singular.endsWith('y') ? `${singular.slice(0, -1)}ies` : `${singular}s`
}
