import type { RequestInfo } from './request-info.js'

/**
 * Whether a request lasts as long as its client likes (a watch, an exec, a followed log): such a request has an event at
 * stage ResponseStarted, and no deadline. k8s.io/apiserver/pkg/server/filters/longrunning.go
 * BasicLongRunningRequestCheck, with the verbs and subresources that kube-apiserver gives it.
 */
export function isLongRunning(info: RequestInfo): boolean {
  if (info.verb === 'watch' || info.verb === 'proxy') return true
  if (!info.isResourceRequest) return info.path.startsWith('/debug/pprof/')
  switch (info.subresource) {
    case 'attach':
    case 'exec':
    case 'proxy':
    case 'log':
    case 'portforward':
      return true
    default:
      return false
  }
}
