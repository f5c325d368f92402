import type { Awaitable } from '../awaitable.js'
import type { Event, Stage } from './event.js'

/** Takes the events of one request, in order. */
export interface RequestEvents {
  /** As Backend.processEvents. */
  process(event: Event): Awaitable<boolean>
  /**
   * The request has begun, and the policy omits its RequestReceived.
   * @param event makes that event; called where somebody needs it
   */
  opened(event: () => Event): void
  /** The request is over without an event at its end, or is to have none if the process dies. */
  closed(): void
}

/** Where requests' events go. */
export interface EventIntake {
  /** The events of one more request. */
  begin(): RequestEvents
  /** Whether requests wait until their events are stored. */
  readonly blocks: boolean
  /** As Backend.shutdown. */
  shutdown(deadline: AbortSignal): Promise<void>
}

/** Whether a request is over with an event at this stage. */
export function isLastStage(stage: Stage): boolean {
  return stage === 'ResponseComplete' || stage === 'Panic'
}
