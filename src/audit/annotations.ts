/** On the last event of a request that was not answered to its end: by whom it was broken off. */
export const ABORTED = 'kube-audit-proxy.io/aborted'
