import type { Awaitable } from '../../awaitable.js'
import type { Event } from '../event.js'

/**
 * Where events go: a log, a webhook, or a wrapper of another Backend (k8s.io/apiserver/pkg/audit Backend). Every
 * combination of flags is a composition of these.
 *
 * @typeParam E what it takes: events, or the lines that they were encoded to already (Buffer, without newlines)
 */
export interface Backend<E = Event> {
  /** For messages and metrics, as kube-apiserver names its plugins: `log`, `webhook`, `buffered`, `union[log,webhook]`. */
  readonly name: string
  /**
   * Takes the events. False (or a promise of it) means that they were not stored and that whoever asked must know, which
   * only a blocking-strict backend says; it never throws or rejects. A backend that merely queues answers synchronously,
   * so that batch mode costs the request path no promise.
   */
  processEvents(events: readonly E[]): Awaitable<boolean>
  /**
   * Delivers what is buffered, then lets go of files and connections. After `deadline` is aborted it gives up, counts
   * and logs what it could not deliver, and returns. It never rejects. No processEvents call comes after it.
   */
  shutdown(deadline: AbortSignal): Promise<void>
}
