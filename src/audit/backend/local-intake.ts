import type { Awaitable } from '../../awaitable.js'
import type { Event } from '../event.js'
import type { EventIntake, RequestEvents } from '../intake.js'
import type { Backend } from './backend.js'

/** Hands events to a backend of this process: nobody outlives it, so nobody needs to know which requests are open. */
export class LocalIntake implements EventIntake, RequestEvents {
  readonly #backend: Backend

  constructor(
    backend: Backend,
    readonly blocks: boolean,
  ) {
    this.#backend = backend
  }

  begin(): RequestEvents {
    return this
  }

  process(event: Event): Awaitable<boolean> {
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
