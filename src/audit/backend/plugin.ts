import type { Awaitable } from '../../awaitable.js'
import type { Logger } from 'pino'
import type { Flag, Settings } from '../../cli/flag.js'
import type { Reloadable } from '../../live/reloadable.js'
import type { RateLimitedLog } from '../../rate-limited-log.js'
import type { Event } from '../event.js'
import type { AuditMetrics } from '../metrics.js'
import type { WholeFiles } from '../seal/whole-files.js'
import type { Backend } from './backend.js'
import type { DeliveryHealth } from './delivery-health.js'
import type { DeliveryOptions } from './delivery-options.js'
import type { Peer } from './peers.js'

/** A kind of backend: `log`, `webhook`. It has a folder of its own, and a line in registry.ts. */
export interface BackendPlugin {
  /** For metrics, health and messages: k8s.io/apiserver/plugin/pkg/audit PluginName. */
  readonly name: string
  readonly flags: readonly Flag[]
  /**
   * The backend that the settings ask for; undefined where they ask for none of this kind.
   * @throws ConfigError for an option that makes no sense
   */
  configure(settings: Settings): ConfiguredBackend | undefined
}

/** A backend that is to be opened. */
export interface ConfiguredBackend {
  /** Its plugin's. */
  readonly name: string
  /** The flag that turned it on, the start of a message. */
  readonly where: string
  readonly delivery: DeliveryOptions
  /** False where it writes something else than lines of JSON in the version of its delivery options. */
  readonly takesLines: boolean
  /**
   * Opens files and connections.
   * @throws ConfigError where they cannot be used
   */
  open<E>(form: Form<E>, deps: PluginDeps): Awaitable<OpenedBackend<E>>
}

export interface OpenedBackend<E> {
  /** Without truncation, and without a buffer unless it is one itself. */
  readonly backend: Backend<E>
  /** How many batches a buffer in front of it may hand it at once; undefined where it needs none, being one itself. */
  readonly maxInFlight: number | undefined
}

/** What backends are handed, and how they read it: events, or the lines that they were encoded to already. */
export interface Form<E> {
  /** @param encode makes a line of an event, without its newline */
  encoder(encode: (event: Event) => Buffer): (item: E) => Buffer
  /** What one holds in memory, about, in bytes. */
  sizeOf(item: E): number
}

/** What a backend reports to. */
export interface PluginDeps {
  readonly log: Logger
  readonly metrics: AuditMetrics
  /** Where all plugins report; closed after them. */
  readonly problems: RateLimitedLog
  /** Of this plugin, for it to keep up to date. */
  readonly health: DeliveryHealth
  /** Of a part of this plugin that can fail while the rest works: `spool`. */
  partHealth(part: string): DeliveryHealth
  /** Another backend, for events that this one makes itself; undefined where there is none of that name. */
  peer(plugin: string): Peer | undefined
  /** Told what of the backend is made of files and can be made again. */
  onReloadable(reloadable: Reloadable): void
  /** Told who seals whole files beside what it writes, where it seals that. */
  onFileSeal(seal: WholeFiles): void
}
