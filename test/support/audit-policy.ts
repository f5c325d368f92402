import type { Level } from '../../src/audit/event.js'
import type { PolicyRule } from '../../src/audit/policy/policy.js'

/** A rule about everything. */
export const RULE: PolicyRule = {
  level: 'Metadata',
  users: [],
  userGroups: [],
  verbs: [],
  resources: [],
  namespaces: [],
  nonResourceURLs: [],
  omitStages: [],
  omitManagedFields: undefined,
}

/**
 * Everything at one level, but for what the apiserver does for itself and what the proxy asks of it.
 *
 * @param accessReviews those that only the proxy makes. Of a proxy that impersonates, the apiserver takes what users make
 *   for the proxy's as well.
 */
export function everythingAt(level: Level, accessReviews = ['subjectaccessreviews']): string {
  return `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: ["system:apiserver"]
- level: None
  users: ["kube-audit-proxy"]
  resources:
  - {group: authentication.k8s.io, resources: [tokenreviews]}
  - {group: authorization.k8s.io, resources: [${accessReviews.join(', ')}]}
- level: None
  users: ["kube-audit-proxy"]
  nonResourceURLs: [/version]
- level: ${level}
`
}
