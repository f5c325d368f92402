/** On the last event of a request that was not answered to its end: by whom it was broken off. */
export const ABORTED = 'kube-audit-proxy.io/aborted'

/** On the last event of a request that went upstream and of whose answer nothing came: UNKNOWN, whatever its status says. */
export const OUTCOME = 'kube-audit-proxy.io/outcome'
export const UNKNOWN = 'unknown'

/** On every event of a request whose client named it at too great length: what that was. */
export const REPLACED_AUDIT_ID = 'kube-audit-proxy.io/replaced-audit-id'

/** On the events of a request for which the apiserver did not let the proxy act as its user, so that nobody acted at all. */
export const NOT_IMPERSONATED = 'kube-audit-proxy.io/not-impersonated'
