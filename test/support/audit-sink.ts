import type { Issued } from './pki.js'
import { base64 } from './webhook.js'

/** The manifest of an AuditSink, as JSON. */
export function sinkManifest(
  name: string,
  url: string,
  { ca, policy = {}, webhook = {} }: { ca?: Issued; policy?: object; webhook?: object } = {},
): string {
  return JSON.stringify({
    apiVersion: 'auditregistration.k8s.io/v1alpha1',
    kind: 'AuditSink',
    metadata: { name },
    spec: {
      policy: { level: 'Metadata', stages: ['ResponseComplete'], ...policy },
      webhook: {
        clientConfig: { url, ...(ca !== undefined && { caBundle: base64(ca.cert) }) },
        ...webhook,
      },
    },
  })
}
