import type { Backend } from '../backend/backend.js'
import type { Event } from '../event.js'
import type { AuditSink } from './audit-sink.js'
import type { SinkSet } from './sink-set.js'

/** Milliseconds in which a sink that was removed gets what was buffered for it. */
const FLUSH_TIMEOUT = 60_000

/** How many that were removed or replaced may be flushed at a time; beyond that the first ones are given up. */
const MAX_FLUSHING = 8

export interface DynamicDeps {
  /** @param count how many backends there are, those that are being flushed included */
  newBackend(sink: AuditSink, count: () => number): Backend
  /** Nothing is sent to a sink of that name any more. */
  onGone(name: string): void
}

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
  readonly #deps: DynamicDeps
  #delegates = new Map<string, Delegate>()
  /** What #delegates has, ready for the path of requests. */
  #backends: readonly Backend[] = []
  readonly #flushing = new Set<Promise<void>>()
  /** What gives up each of them that is not given up yet, the first one first. */
  readonly #giveUp = new Set<AbortController>()
  #closed = false

  /** @param sinks whom to follow from now on */
  constructor(sinks: SinkSet, deps: DynamicDeps) {
    this.#deps = deps
    sinks.subscribe((all) => this.#follow(all))
  }

  /** Always true: a sink never makes a request fail. */
  processEvents(events: readonly Event[]): boolean {
    for (const backend of this.#backends) void backend.processEvents(events)
    return true
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#closed = true
    const giveUp = () => {
      for (const controller of this.#giveUp) controller.abort()
    }
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
    for (const delegate of old.values()) this.#flush(delegate)
  }

  #newBackend(sink: AuditSink): Backend {
    return this.#deps.newBackend(sink, () => Math.max(1, this.#delegates.size + this.#giveUp.size))
  }

  #flush({ sink, backend }: Delegate): void {
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(), FLUSH_TIMEOUT).unref()
    const flushed = backend.shutdown(controller.signal).finally(() => {
      clearTimeout(timer)
      this.#giveUp.delete(controller)
      this.#flushing.delete(flushed)
      const isThere = [...this.#delegates.values()].some(({ sink: { name } }) => name === sink.name)
      if (!isThere) this.#deps.onGone(sink.name)
    })
    this.#flushing.add(flushed)
    this.#giveUp.add(controller)
    const [first] = this.#giveUp
    if (first === undefined || this.#giveUp.size <= MAX_FLUSHING) return
    this.#giveUp.delete(first)
    first.abort()
  }
}
