/** On the last event of a request that was not answered to its end: by whom it was broken off. */
export const ABORTED = 'kube-audit-proxy.io/aborted'
/** On the events of a request for which the apiserver did not let the proxy act as its user, so that nobody acted at all. */
export const NOT_IMPERSONATED = 'kube-audit-proxy.io/not-impersonated'
