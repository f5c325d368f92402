import type { Dispatcher } from 'undici'
import type { ClusterConnection, Credentials } from '../kubeconfig/connection.js'
import { NO_CREDENTIALS } from '../kubeconfig/credentials.js'
import type { Reloadable } from '../live/reloadable.js'
import { systemTimers, type Timer, type Timers } from '../timers.js'
import { newClusterDial, newClusterPool } from './connection.js'
import { DialLimit } from './dial-limit.js'
import type { ReviewClient } from './reviews.js'
import { SharedConnections } from './shared-connections.js'
import type { UpstreamConnections } from './upstream-connections.js'

/**
 * Milliseconds after which nobody can still be about to use connections that were replaced: a route is taken at once, or
 * after an exec plugin has answered, which may take a minute.
 */
const RETIRE_AFTER = 120_000

/** The connections that one reading of a kubeconfig gives, kept apart by what they prove. */
interface Generation {
  readonly cluster: ClusterConnection
  /** With the kubeconfig's own credentials. */
  readonly own: UpstreamConnections
  /** With nothing at all. */
  readonly bare: UpstreamConnections
  /** With the front-proxy certificate. */
  readonly frontProxy: UpstreamConnections | undefined
  readonly pools: readonly Dispatcher[]
  readonly shared: readonly SharedConnections[]
}

/**
 * The cluster that a kubeconfig names. When the kubeconfig changes, new requests take new connections, and the old ones
 * are closed as the requests on them end.
 */
export class ClusterClient implements ReviewClient, Reloadable {
  readonly name: string
  readonly #load: () => ClusterConnection
  readonly #frontProxy: Credentials | undefined
  readonly #timers: Timers
  readonly #retired = new Map<Generation, Timer>()
  #current: Generation

  /**
   * @param name the flag of the kubeconfig, without its dashes
   * @param load reads the kubeconfig
   * @param frontProxy the front-proxy certificate; stays its owner's to close
   * @throws ConfigError as load does
   */
  constructor(
    name: string,
    load: () => ClusterConnection,
    frontProxy?: Credentials,
    timers: Timers = systemTimers,
  ) {
    this.name = name
    this.#load = load
    this.#frontProxy = frontProxy
    this.#timers = timers
    this.#current = this.#open()
  }

  get connections(): UpstreamConnections {
    return this.#current.own
  }

  /** Connections that show no credential of the proxy's. */
  get bare(): UpstreamConnections {
    return this.#current.bare
  }

  /** Connections with the front-proxy certificate; undefined without one. */
  get frontProxy(): UpstreamConnections | undefined {
    return this.#current.frontProxy
  }

  authorization(): Promise<string | undefined> {
    return this.#current.cluster.credentials.authorization()
  }

  invalidate(refused: string | undefined): void {
    this.#current.cluster.credentials.invalidate(refused)
  }

  files(): readonly string[] {
    return this.#current.cluster.files
  }

  reload(): void {
    const old = this.#current
    this.#current = this.#open()
    const retire = () => {
      this.#retired.delete(old)
      old.cluster.credentials.close()
      for (const pool of old.pools) void pool.close().catch(() => {})
      for (const shared of old.shared) shared.close()
    }
    this.#retired.set(old, this.#timers.after(RETIRE_AFTER, retire, true))
  }

  /** Cuts what is still open. */
  async close(): Promise<void> {
    const generations = [this.#current, ...this.#retired.keys()]
    for (const timer of this.#retired.values()) timer.cancel()
    this.#retired.clear()
    for (const { shared } of generations) for (const connections of shared) connections.destroy()
    await Promise.all(generations.flatMap(({ pools }) => pools.map((pool) => pool.destroy())))
    for (const { cluster } of generations) cluster.credentials.close()
  }

  #open(): Generation {
    const cluster = this.#load()
    const pools: Dispatcher[] = []
    const shared: SharedConnections[] = []
    const dialLimit = new DialLimit(this.#timers)
    const open = (credentials: Credentials): UpstreamConnections => {
      const connection = { ...cluster, credentials }
      const options = { withCredentials: credentials !== NO_CREDENTIALS, dialLimit }
      const dispatcher = newClusterPool(connection, options)
      pools.push(dispatcher)
      const overTLS = cluster.server.protocol === 'https:'
      const streams = overTLS ? new SharedConnections(connection, options) : undefined
      if (streams !== undefined) shared.push(streams)
      return {
        dispatcher,
        shared: streams,
        dial: newClusterDial(connection, options),
        origin: cluster.server.origin,
        pathPrefix: cluster.server.pathname.replace(/\/$/, ''),
      }
    }
    return {
      cluster,
      own: open(cluster.credentials),
      bare: open(NO_CREDENTIALS),
      frontProxy: this.#frontProxy && open(this.#frontProxy),
      pools,
      shared,
    }
  }
}
