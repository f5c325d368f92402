import type { Event } from './event.js'

/** What tells one request from another: clients choose audit IDs, and may choose one twice. */
export interface RequestKey {
  readonly auditID: string
  readonly requestReceivedTimestamp: number
}

/**
 * Whoever is to write the last event of the requests that are under way, should the process that serves them die. A
 * request begins with its event at RequestReceived and is over with one at ResponseComplete or Panic; these hear of what
 * the events do not show.
 */
export interface OpenRequests {
  /** A request has begun whose RequestReceived the policy omits. */
  opened(event: Event): void
  /** A request is over without an event at its end, or is to have none if the process dies. */
  closed(request: RequestKey): void
}
