import type { Dispatcher } from 'undici'
import type { Dial } from './dial.js'
import type { SharedConnections } from './shared-connections.js'

/** Bytes of the head of a response that are read: as many as a client's request may have. */
export const MAX_HEADER_SIZE = 1 << 20

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
