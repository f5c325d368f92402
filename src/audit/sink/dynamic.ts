import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { ConfigError } from '../../errors.js'
import type { Backend } from '../backend/backend.js'
import type { Event } from '../event.js'
import type { AuditSink } from './audit-sink.js'

/** Far above any use; each sink has a buffer of its own. */
const MAX_SINKS = 100
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
  readonly #onChange: (sinks: readonly AuditSink[]) => void
  readonly #log: Pick<Logger, 'info'>
  readonly #delegates = new Map<string, Delegate>()
  /** What #delegates has, ready for the path of requests. */
  #backends: readonly Backend[] = []
  readonly #flushing = new Set<Promise<void>>()
  readonly #deadline = new AbortController()
  #closed = false

  /** @param onChange told of the sinks that there are from now on */
  constructor(
    newBackend: (sink: AuditSink) => Backend,
    onChange: (sinks: readonly AuditSink[]) => void,
    log: Pick<Logger, 'info'>,
  ) {
    this.#newBackend = newBackend
    this.#onChange = onChange
    this.#log = log
  }

  /** Always true: a sink never makes a request fail. */
  processEvents(events: readonly Event[]): boolean {
    for (const backend of this.#backends) void backend.processEvents(events)
    return true
  }

  /**
   * Makes these all the sinks of one source; those of other sources stay.
   * @param unusable names of the source whose sinks stay as they are, if there are any
   * @throws ConfigError where they are too many; then nothing changes
   */
  setAll(source: string, sinks: readonly AuditSink[], unusable: readonly string[] = []): void {
    const keys = new Set([...sinks.map(({ name }) => name), ...unusable].map((name) => key(source, name)))
    const gone = [...this.#delegates.keys()].filter((k) => k.startsWith(key(source, '')) && !keys.has(k))
    const added = sinks.filter(({ name }) => !this.#delegates.has(key(source, name))).length
    this.#checkRoom(added - gone.length)
    for (const sink of sinks) this.set(source, sink)
    for (const k of gone) this.#remove(k)
  }

  /** Adds a sink, or replaces the one of that name. @throws ConfigError where there are too many */
  set(source: string, sink: AuditSink): void {
    if (this.#closed) return
    const k = key(source, sink.name)
    const old = this.#delegates.get(k)
    if (old !== undefined && isDeepStrictEqual(old.sink, sink)) return
    if (old === undefined) this.#checkRoom(1)
    this.#delegates.set(k, { sink, backend: this.#newBackend(sink) })
    this.#changed()
    this.#log.info({ sink: sink.name, source }, old === undefined ? 'audit sink added' : 'audit sink changed')
    if (old !== undefined) this.#flush(old.backend)
  }

  /** Sends nothing more to the sink but what was buffered for it. */
  delete(source: string, name: string): void {
    this.#remove(key(source, name))
  }

  async shutdown(deadline: AbortSignal): Promise<void> {
    this.#closed = true
    const giveUp = () => this.#deadline.abort()
    if (deadline.aborted) giveUp()
    deadline.addEventListener('abort', giveUp, { once: true })
    const delegates = [...this.#delegates.values()]
    this.#delegates.clear()
    this.#backends = []
    await Promise.all([...this.#flushing, ...delegates.map(({ backend }) => backend.shutdown(deadline))])
    deadline.removeEventListener('abort', giveUp)
  }

  #remove(k: string): void {
    const delegate = this.#delegates.get(k)
    if (delegate === undefined) return
    this.#delegates.delete(k)
    this.#changed()
    this.#log.info({ sink: delegate.sink.name }, 'audit sink removed')
    this.#flush(delegate.backend)
  }

  #changed(): void {
    const delegates = [...this.#delegates.values()]
    this.#backends = delegates.map(({ backend }) => backend)
    this.#onChange(delegates.map(({ sink }) => sink))
  }

  #flush(backend: Backend): void {
    const deadline = AbortSignal.any([this.#deadline.signal, AbortSignal.timeout(FLUSH_TIMEOUT)])
    const flushed = backend.shutdown(deadline).finally(() => this.#flushing.delete(flushed))
    this.#flushing.add(flushed)
  }

  #checkRoom(added: number): void {
    if (this.#delegates.size + added > MAX_SINKS)
      throw new ConfigError(`found more than ${MAX_SINKS} audit sinks, expected no more`)
  }
}

function key(source: string, name: string): string {
  return `${source}/${name}`
}
