import type { Awaitable } from '../../awaitable.js'
import type { Event } from '../event.js'
import type { Backend } from './backend.js'

/**
 * Mode `blocking`: the request waits until its events are stored, but does not fail when they are not
 * (k8s.io/apiserver/pkg/server/options/audit.go ignoreErrorsBackend). Mode `blocking-strict` is a backend without this.
 */
export class IgnoreErrorsBackend<E = Event> implements Backend<E> {
  readonly name: string
  readonly #delegate: Backend<E>

  constructor(delegate: Backend<E>) {
    this.name = `ignoreErrors<${delegate.name}>`
    this.#delegate = delegate
  }

  processEvents(events: readonly E[]): Awaitable<boolean> {
    const stored = this.#delegate.processEvents(events)
    return stored instanceof Promise ? stored.then(() => true) : true
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    return this.#delegate.shutdown(deadline)
  }
}
