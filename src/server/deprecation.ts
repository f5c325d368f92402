import type { RequestInfo } from '../request/request-info.js'

const WARNING = /^299 \S+ "((?:[^"\\]|\\.)*)"$/
/** k8s.io/apiserver/pkg/endpoints/deprecation WarningMessage. */
const BUILT_IN =
  /^(\S+) \S+ is deprecated in v\d+\.\d+\+(?:, unavailable in v(\d+\.\d+)\+)?(?:; use \S+ \S+)?$/
/** k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go defaultDeprecationWarning. */
const CUSTOM = /^(\S+) \S+ is deprecated(?:; use \S+ \S+)?$/

/**
 * The annotations that kube-apiserver gives the events of a deprecated API version when the request is over
 * (k8s.io/apiserver/pkg/endpoints/metrics MonitorRequest), by the Warning headers of its answer: the handler that warns is
 * the one that annotates. A warning about another API version than the request's is somebody else's.
 *
 * @param warnings the Warning headers
 */
export function deprecationAnnotations(
  warnings: readonly string[],
  { isResourceRequest, apiGroup, apiVersion }: RequestInfo,
): Readonly<Record<string, string>> | undefined {
  if (!isResourceRequest || warnings.length === 0) return undefined
  const requested = apiGroup === '' ? apiVersion : `${apiGroup}/${apiVersion}`
  for (const warning of warnings) {
    const text = WARNING.exec(warning)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? ''
    const [, groupVersion, removed] = BUILT_IN.exec(text) ?? CUSTOM.exec(text) ?? []
    if (groupVersion !== requested) continue
    return {
      'k8s.io/deprecated': 'true',
      ...(removed === undefined ? {} : { 'k8s.io/removed-release': removed }),
    }
  }
  return undefined
}
