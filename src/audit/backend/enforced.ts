import type { Awaitable } from '../../awaitable.js'
import { LEVELS, type Event, type Level, type Stage } from '../event.js'
import type { Backend } from './backend.js'

/** How much a backend is to have of an event. */
export interface Limits {
  readonly level: Level
  readonly omitStages: ReadonlySet<Stage>
}

/**
 * Hands on what its limits let through of each event (k8s.io/apiserver/plugin/pkg/audit/dynamic/enforced): with dynamic
 * sinks, events are made as the one that wants most needs them.
 */
export class EnforcedBackend implements Backend {
  readonly name: string
  readonly #delegate: Backend
  readonly #limitsOf: (event: Event) => Limits | undefined

  /** @param limitsOf undefined where the event goes on as it is */
  constructor(delegate: Backend, limitsOf: (event: Event) => Limits | undefined) {
    this.name = `enforced<${delegate.name}>`
    this.#delegate = delegate
    this.#limitsOf = limitsOf
  }

  processEvents(events: readonly Event[]): Awaitable<boolean> {
    const left: Event[] = []
    for (const event of events) {
      const limits = this.#limitsOf(event)
      const reduced = limits === undefined ? event : enforce(event, limits)
      if (reduced !== undefined) left.push(reduced)
    }
    return left.length === 0 ? true : this.#delegate.processEvents(left)
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    return this.#delegate.shutdown(deadline)
  }
}

/**
 * The event without what is beyond the limits; undefined where nothing is left
 * (k8s.io/apiserver/pkg/audit/policy/enforce.go EnforcePolicy). An event never has a level above that at which it was
 * made.
 */
export function enforce(event: Event, { level, omitStages }: Limits): Event | undefined {
  if (level === 'None' || omitStages.has(event.stage)) return undefined
  if (LEVELS.indexOf(level) >= LEVELS.indexOf(event.level)) return event
  return {
    ...event,
    level,
    requestObject: level === 'Metadata' ? undefined : event.requestObject,
    responseObject: undefined,
  }
}
