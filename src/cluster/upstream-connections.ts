import type { Dispatcher } from 'undici'
import type { Dial } from './dial.js'

/** Connections of one kind to the apiserver. */
export interface UpstreamConnections {
  readonly dispatcher: Dispatcher
  /** Opens a connection for one request that is to be upgraded. */
  readonly dial: Dial
  /** The apiserver's URL as far as its port. */
  readonly origin: string
  /** What the kubeconfig's server URL has for a path, without a slash at the end; put before each request's path. */
  readonly pathPrefix: string
}
