import type { Backend } from './backend/backend.js'
import type { Event, Stage } from './event.js'

/** Takes the events of one request, in order. */
export interface RequestEvents {
  /** As Backend.processEvents. */
  process(event: Event): boolean | Promise<boolean>
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
  /** As Backend.shutdown. */
  shutdown(deadline: AbortSignal): Promise<void>
}

/** Hands events to a backend of this process: nobody outlives it, so nobody needs to know which requests are open. */
export class LocalIntake implements EventIntake, RequestEvents {
  readonly #backend: Backend

  constructor(backend: Backend) {
    this.#backend = backend
  }

  begin(): RequestEvents {
    return this
  }

  process(event: Event): boolean | Promise<boolean> {
    return this.#backend.processEvents([event])
  }

  opened(): void {
    // Nothing to remember.
  }

  closed(): void {
    // Nothing to forget.
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    return this.#backend.shutdown(deadline)
  }
}

/** Whether a request is over with an event at this stage. */
export function isLastStage(stage: Stage): boolean {
  return stage === 'ResponseComplete' || stage === 'Panic'
}
