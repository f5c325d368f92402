import type { MetricObjectWithValues, MetricValue } from 'prom-client'
import type { Mode } from '../audit/backend/delivery-options.js'
import type { WireFormat } from './wire.js'

/** The metrics of one process, as prom-client's registry prints them. */
export type MetricsReport = MetricObjectWithValues<MetricValue<string>>[]

/** What a worker cannot know from the command line. */
export interface Start {
  readonly kind: 'start'
  /** How it sends its events. */
  readonly format: WireFormat
  /** Of the strictest of the primary's backends: for how long a request waits. */
  readonly mode: Mode
  /** Base64. One key for all, so that the same secret has the same mark in every event. */
  readonly redactionKey: string
  /** Takes the place of --secure-port, where that is 0 and a port was found. */
  readonly port: number
  /** The primary's descriptor that listens already, if it has inherited one. */
  readonly fd: number | undefined
  /** How many workers share what the flags allow. */
  readonly workers: number
}

/** What the primary tells a worker. What has an id is answered with it. */
export type ToWorker =
  /** First of all. */
  | Start
  /** Read the files of this flag again: they are good. */
  | { readonly kind: 'reload'; readonly id: number; readonly name: string }
  | { readonly kind: 'metrics'; readonly id: number }
  /** Take no more connections, finish what is under way, hand over the last events, exit. */
  | { readonly kind: 'shutdown' }

/** What a worker tells the primary. */
export type FromWorker =
  /** It hears now what it is told; before this messages get lost. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'serving'; readonly address: string; readonly port: number }
  /** It cannot listen, or what it read at its start was no good. */
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'done'; readonly id: number; readonly metrics?: MetricsReport }

/** The descriptor of the stream of its events, in a worker. */
export const EVENTS_FD = 4
