import type { Event } from '../event.js'
import type { Backend } from './backend.js'

/** Takes events that another backend has made itself. What becomes of them it says where it says that of all others. */
export type Peer = (event: Event) => void

/**
 * What backends of one composition know of each other: the log has its seals anchored by the webhook. Who is a peer of
 * others takes events until they are shut down.
 */
export class Peers<E> {
  readonly #names: readonly string[]
  readonly #item: (event: Event) => E
  readonly #backends = new Map<string, Backend<E>>()
  readonly #wanted = new Set<string>()

  /**
   * @param names of all that will be opened
   * @param item what backends are handed for an event
   */
  constructor(names: readonly string[], item: (event: Event) => E) {
    this.#names = names
    this.#item = item
  }

  /** The backend of that name, which may yet have to be opened; undefined where there will be none. */
  find(name: string): Peer | undefined {
    if (!this.#names.includes(name)) return undefined
    this.#wanted.add(name)
    return (event) => void this.#backends.get(name)?.processEvents([this.#item(event)])
  }

  opened(name: string, backend: Backend<E>): void {
    this.#backends.set(name, backend)
  }

  /** Shuts all of them down: those that others send to are the last. */
  async shutdown(deadline: AbortSignal): Promise<void> {
    const down = (wanted: boolean) =>
      Promise.all(
        [...this.#backends]
          .filter(([name]) => this.#wanted.has(name) === wanted)
          .map(([, backend]) => backend.shutdown(deadline)),
      )
    await down(false)
    await down(true)
  }
}
