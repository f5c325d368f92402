import type { Level } from '../../src/audit/event.js'

/** Everything at one level, but for what the apiserver does for itself and what the proxy asks of it. */
export function everythingAt(level: Level): string {
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
  - {group: authorization.k8s.io, resources: [subjectaccessreviews, selfsubjectaccessreviews]}
- level: ${level}
`
}
