import type { Dispatcher } from 'undici'
import type { Dial } from './dial.js'
import type { SharedConnections } from './shared-connections.js'

/** Connections of one kind to the apiserver. */
export interface UpstreamConnections {
  readonly dispatcher: Dispatcher
  /** For requests that stay open; undefined where the server is not spoken to over TLS, which HTTP/2 needs. */
  readonly shared?: SharedConnections | undefined
  /** Opens a connection for one request that is to be upgraded. */
  readonly dial: Dial
  /** The apiserver's URL as far as its port. */
  readonly origin: string
  /** What the kubeconfig's server URL has for a path, without a slash at the end; put before each request's path. */
  readonly pathPrefix: string
}
