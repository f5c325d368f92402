import type { Backend } from '../backend/backend.js'
import type { Event } from '../event.js'
import type { AuditSink } from './audit-sink.js'
import type { SinkSet } from './sink-set.js'

/** Milliseconds in which a sink that was removed gets what was buffered for it. */
const FLUSH_TIMEOUT = 60_000

interface Delegate {
  readonly sink: AuditSink
  readonly backend: Backend
}

/**
 * Sends events to sinks that come and go (k8s.io/apiserver/plugin/pkg/audit/dynamic). Sinks know nothing of each other;
 * a sink that changes is replaced by a new one before the old one is flushed, so that no event is lost.
 */
export class DynamicBackend implements Backend {
  readonly name = 'dynamic'
  readonly #newBackend: (sink: AuditSink) => Backend
  #delegates = new Map<string, Delegate>()
  /** What #delegates has, ready for the path of requests. */
  #backends: readonly Backend[] = []
  readonly #flushing = new Set<Promise<void>>()
  readonly #deadline = new AbortController()
  #closed = false

  /** @param sinks whom to follow from now on */
  constructor(sinks: SinkSet, newBackend: (sink: AuditSink) => Backend) {
    this.#newBackend = newBackend
    sinks.subscribe((all) => this.#follow(all))
  }

  /** Always true: a sink never makes a request fail. */
  processEvents(events: readonly Event[]): boolean {
    for (const backend of this.#backends) void backend.processEvents(events)
    return true
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#closed = true
    const giveUp = () => this.#deadline.abort()
    if (deadline.aborted) giveUp()
    deadline.addEventListener('abort', giveUp, { once: true })
    const backends = this.#backends
    this.#delegates.clear()
    this.#backends = []
    await Promise.all([...this.#flushing, ...backends.map((backend) => backend.shutdown(deadline))])
    deadline.removeEventListener('abort', giveUp)
  }

  #follow(sinks: ReadonlyMap<string, AuditSink>): void {
    if (this.#closed) return
    const old = this.#delegates
    this.#delegates = new Map()
    for (const [key, sink] of sinks) {
      const known = old.get(key)
      const same = known?.sink === sink
      this.#delegates.set(key, same ? known : { sink, backend: this.#newBackend(sink) })
      if (same) old.delete(key)
    }
    this.#backends = [...this.#delegates.values()].map(({ backend }) => backend)
    for (const { backend } of old.values()) this.#flush(backend)
  }

  #flush(backend: Backend): void {
    const deadline = AbortSignal.any([this.#deadline.signal, AbortSignal.timeout(FLUSH_TIMEOUT)])
    const flushed = backend.shutdown(deadline).finally(() => this.#flushing.delete(flushed))
    this.#flushing.add(flushed)
  }
}
