import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { ConfigError } from '../../errors.js'
import type { AuditSink } from './audit-sink.js'

/** Far above any use; each sink has a buffer of its own. */
const MAX_SINKS = 100

/** Told of all sinks of now, by source and name. One that did not change is the same object as before. */
export type SinksListener = (sinks: ReadonlyMap<string, AuditSink>) => void

/** The sinks of now: each source says which are its own, and whoever needs to know is told of every change. */
export class SinkSet {
  readonly #log: Pick<Logger, 'info'>
  readonly #sinks = new Map<string, AuditSink>()
  readonly #listeners: SinksListener[] = []

  constructor(log: Pick<Logger, 'info'>) {
    this.#log = log
  }

  /** Calls the listener now, and after each change, in the order of the subscriptions. */
  subscribe(listener: SinksListener): void {
    this.#listeners.push(listener)
    listener(this.#sinks)
  }

  /**
   * Makes these all the sinks of one source; those of other sources stay.
   * @param unusable names of the source whose sinks stay as they are, if there are any
   * @throws ConfigError where they are too many; then nothing changes
   */
  setAll(source: string, sinks: readonly AuditSink[], unusable: readonly string[] = []): void {
    const keys = new Set([...sinks.map(({ name }) => name), ...unusable].map((name) => key(source, name)))
    const gone = [...this.#sinks.keys()].filter((k) => k.startsWith(key(source, '')) && !keys.has(k))
    const added = sinks.filter(({ name }) => !this.#sinks.has(key(source, name))).length
    this.#checkRoom(added - gone.length)
    for (const sink of sinks) this.set(source, sink)
    for (const k of gone) this.#remove(k)
  }

  /** Adds a sink, or replaces the one of that name. @throws ConfigError where there are too many */
  set(source: string, sink: AuditSink): void {
    const k = key(source, sink.name)
    const old = this.#sinks.get(k)
    if (old !== undefined && isDeepStrictEqual(old, sink)) return
    if (old === undefined) this.#checkRoom(1)
    this.#sinks.set(k, sink)
    this.#log.info({ sink: sink.name, source }, old === undefined ? 'audit sink added' : 'audit sink changed')
    this.#tell()
  }

  delete(source: string, name: string): void {
    this.#remove(key(source, name))
  }

  #remove(k: string): void {
    const sink = this.#sinks.get(k)
    if (sink === undefined) return
    this.#sinks.delete(k)
    this.#log.info({ sink: sink.name }, 'audit sink removed')
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this.#sinks)
  }

  #checkRoom(added: number): void {
    if (this.#sinks.size + added > MAX_SINKS)
      throw new ConfigError(`found more than ${MAX_SINKS} audit sinks, expected no more`)
  }
}

function key(source: string, name: string): string {
  return `${source}/${name}`
}
