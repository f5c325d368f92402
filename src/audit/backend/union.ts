import type { Awaitable } from '../../awaitable.js'
import type { Event } from '../event.js'
import type { Backend } from './backend.js'

/** Hands every event to all of the backends (k8s.io/apiserver/pkg/audit/union.go Union). */
export function union<E = Event>(backends: readonly [Backend<E>, ...Backend<E>[]]): Backend<E> {
  return backends.length === 1 ? backends[0] : new UnionBackend(backends)
}

/** Each backend has the events at once, whether or not another is slow or fails. */
class UnionBackend<E> implements Backend<E> {
  readonly name: string
  readonly #backends: readonly Backend<E>[]

  constructor(backends: readonly Backend<E>[]) {
    this.name = `union[${backends.map((b) => b.name).join(',')}]`
    this.#backends = backends
  }

  processEvents(events: readonly E[]): Awaitable<boolean> {
    let success = true
    const waiting: Promise<boolean>[] = []
    for (const backend of this.#backends) {
      const stored = backend.processEvents(events)
      if (stored instanceof Promise) waiting.push(stored)
      else success &&= stored
    }
    if (waiting.length === 0) return success
    return Promise.all(waiting).then((all) => success && all.every(Boolean))
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    await Promise.all(this.#backends.map((backend) => backend.shutdown(deadline)))
  }
}
