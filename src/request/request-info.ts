/** What a request asks for: k8s.io/apiserver/pkg/endpoints/request RequestInfo. Strings that do not apply are empty. */
export interface RequestInfo {
  readonly isResourceRequest: boolean
  /** The URL path, decoded as Go decodes it, without the query. */
  readonly path: string
  /** The Kubernetes verb of a resource request; the method in lower case otherwise. */
  readonly verb: string
  readonly apiPrefix: string
  readonly apiGroup: string
  readonly apiVersion: string
  readonly namespace: string
  readonly resource: string
  readonly subresource: string
  readonly name: string
}
