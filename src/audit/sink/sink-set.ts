import { isDeepStrictEqual } from 'node:util'
import { ConfigError } from '../../errors.js'
import type { AuditSink } from './audit-sink.js'
import type { SinkLog } from './sink-log.js'

/** How many sinks a source may have. Far above any use; each has a buffer and connections of its own. */
export const MAX_SINKS = 100

/** Told of all sinks of now, by source and name. One that did not change is the same object as before. */
export type SinksListener = (sinks: ReadonlyMap<string, AuditSink>) => void

/** The sinks of now: each source says which are its own, and whoever needs to know is told of every change. */
export class SinkSet {
  readonly #log: SinkLog
  readonly #sinks = new Map<string, AuditSink>()
  readonly #listeners: SinksListener[] = []

  /** How many sinks were refused so far. */
  #refused = 0

  constructor(log: SinkLog) {
    this.#log = log
  }

  get size(): number {
    return this.#sinks.size
  }

  /** How many sinks were refused because there were too many, each as often as it came. */
  get refused(): number {
    return this.#refused
  }

  has(source: string, name: string): boolean {
    return this.#sinks.has(key(source, name))
  }

  /** How many more sinks the source may have. */
  room(source: string): number {
    return MAX_SINKS - this.#keysOf(source).length
  }

  /** So many sinks of the source are not served, because there are too many. */
  refuse(source: string, count: number): void {
    if (count === 0) return
    this.#refused += count
    this.#log.refused(source, count, `there are ${MAX_SINKS} already, and no more are served`)
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
    if (sinks.length > MAX_SINKS)
      throw new ConfigError(`found ${sinks.length} audit sinks, expected ${MAX_SINKS} at most`)
    const keys = new Set([...sinks.map(({ name }) => name), ...unusable].map((name) => key(source, name)))
    for (const k of this.#keysOf(source)) if (!keys.has(k)) this.#remove(k)
    for (const sink of sinks) this.set(source, sink)
  }

  /** Adds a sink, or replaces the one of that name. One for which there is no room is refused. */
  set(source: string, sink: AuditSink): void {
    const k = key(source, sink.name)
    const old = this.#sinks.get(k)
    if (old !== undefined && isDeepStrictEqual(old, sink)) return
    if (old === undefined && this.room(source) <= 0) return this.refuse(source, 1)
    this.#sinks.set(k, sink)
    const what = old === undefined ? 'audit sink added' : 'audit sink changed'
    this.#log.changed(what, { sink: sink.name, source })
    this.#tell()
  }

  delete(source: string, name: string): void {
    this.#remove(key(source, name))
  }

  #remove(k: string): void {
    const sink = this.#sinks.get(k)
    if (sink === undefined) return
    this.#sinks.delete(k)
    this.#log.changed('audit sink removed', { sink: sink.name })
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this.#sinks)
  }

  #keysOf(source: string): string[] {
    return [...this.#sinks.keys()].filter((k) => k.startsWith(key(source, '')))
  }
}

function key(source: string, name: string): string {
  return `${source}/${name}`
}
