import type { Awaitable } from '../../awaitable.js'
import { errorMessage } from '../../errors.js'
import type { Event } from '../event.js'
import type { Backend } from './backend.js'
import type { PluginProblems } from './plugin-problems.js'

/** Encodes events as they come, once for all the backends of lines behind it. */
export class EncodingBackend implements Backend {
  readonly name: string
  readonly #lines: Backend<Buffer>
  readonly #encode: (event: Event) => Buffer
  readonly #errors: PluginProblems

  /** @param encode makes a line of an event, without its newline */
  constructor(lines: Backend<Buffer>, encode: (event: Event) => Buffer, errors: PluginProblems) {
    this.name = lines.name
    this.#lines = lines
    this.#encode = encode
    this.#errors = errors
  }

  processEvents(events: readonly Event[]): Awaitable<boolean> {
    const lines: Buffer[] = []
    for (const event of events) {
      try {
        lines.push(this.#encode(event))
      } catch (err) {
        this.#errors.failed(1, `encoding: ${errorMessage(err)}`)
      }
    }
    const stored = this.#lines.processEvents(lines)
    if (lines.length === events.length) return stored
    return stored instanceof Promise ? stored.then(() => false) : false
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    return this.#lines.shutdown(deadline)
  }
}
