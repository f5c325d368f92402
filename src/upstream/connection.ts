import type { Dispatcher } from 'undici'
import type { ClusterConnection } from '../kubeconfig/connection.js'

export interface ClusterPoolOptions {
  /** Whether its connections show the client certificate of connection.credentials. Without, they show none. */
  readonly withCredentials: boolean
  /** How many connections at most; without it, as many as there are requests at a time. */
  readonly connections?: number | undefined
  /** Milliseconds to connect, the TLS handshake included. Default 30,000 (client-go's dialer). */
  readonly connectTimeout?: number | undefined
  /** Milliseconds to wait for the headers of a response. Default 0, for ever. */
  readonly headersTimeout?: number | undefined
  /** Milliseconds that a body may stand still. Default 0, for ever. */
  readonly bodyTimeout?: number | undefined
}

/**
 * HTTP/1.1 connections to one cluster. A dispatch names the origin `connection.server.origin` and the whole path, the
 * path of connection.server included. The Authorization header is the caller's to set, from
 * connection.credentials.authorization(). Closed by the caller; that does not close the credentials.
 */
export function newClusterPool(connection: ClusterConnection, _options: ClusterPoolOptions): Dispatcher {
  throw new Error(`${connection.source}: no pool yet`)
}
