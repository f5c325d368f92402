import type { RequestInfo } from '../../request/request-info.js'
import type { RequestTarget } from '../../request/request-target.js'
import { selectors } from '../../request/list-options.js'
import type { RequestAttributes } from './plan.js'

/** Of these, k8s.io/apiserver/pkg/endpoints/request/requestinfo.go verbsWithSelectors, authorization sees the selectors. */
const WITH_SELECTORS = new Set(['list', 'watch', 'deletecollection'])
/** The deprecated form with the verb in the path, which has none. */
const VERB_IN_PATH = /^\/*(?:api|apis\/[^/]+)\/[^/]+\/(?:watch|proxy)(?:\/|$)/

/** What a request's own authorization asks (k8s.io/apiserver/pkg/endpoints/filters/authorization.go GetAuthorizerAttributes). */
export function requestAttributes(info: RequestInfo, target: RequestTarget): RequestAttributes {
  const { verb, path } = info
  if (!info.isResourceRequest) return { nonResourceAttributes: { verb, path } }
  const selected = WITH_SELECTORS.has(verb) && !VERB_IN_PATH.test(path) ? selectors(target.rawQuery) : {}
  return {
    resourceAttributes: {
      verb,
      group: info.apiGroup,
      version: info.apiVersion,
      resource: info.resource,
      ...(info.subresource === '' ? {} : { subresource: info.subresource }),
      ...(info.namespace === '' ? {} : { namespace: info.namespace }),
      ...(info.name === '' ? {} : { name: info.name }),
      ...selected,
    },
  }
}
