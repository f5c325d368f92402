import { atLeast, type Apiserver } from './apiservers.js'

/** What the supported kube-apiservers do differently, as far as a test can tell. The newest is what the proxy is held against. */
export interface Behaviour {
  /**
   * Exec and attach over a WebSocket for v5.channel.k8s.io, of a pod whose kubelet says that it knows WebSockets: handed on to
   * it, or always translated to SPDY on the way.
   * k8s.io/kubernetes/pkg/registry/core/pod/rest/subresources.go, feature gate ExtendWebSocketsToKubelet: since 1.36.
   */
  readonly handsOnWebSockets: boolean
  /**
   * Exec, attach and port-forward need the verb `create` also where a WebSocket asks with GET.
   * k8s.io/kubernetes/pkg/registry/core/pod/rest/subresources.go ensureAuthorizedForVerb, feature gate
   * AuthorizePodWebsocketUpgradeCreatePermission: since 1.35.
   */
  readonly webSocketsNeedCreate: boolean
}

export function behaviourOf(apiserver: Apiserver): Behaviour {
  return {
    handsOnWebSockets: atLeast(apiserver, '1.36'),
    webSocketsNeedCreate: atLeast(apiserver, '1.35'),
  }
}
