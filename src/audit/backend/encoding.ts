import { errorMessage } from '../../errors.js'
import { newLineEncoder, type EventVersion } from '../encode.js'
import type { Event } from '../event.js'
import type { Backend } from './backend.js'
import type { PluginErrors } from './plugin-errors.js'

/** Encodes events as they come, once for all the backends of lines behind it. */
export class EncodingBackend implements Backend {
  readonly name: string
  /** What takes the lines; for events that another process has encoded in the same way. */
  readonly lines: Backend<Buffer>
  readonly version: EventVersion
  readonly #encode: (event: Event) => Buffer
  readonly #errors: PluginErrors

  constructor(lines: Backend<Buffer>, version: EventVersion, errors: PluginErrors) {
    this.name = lines.name
    this.lines = lines
    this.version = version
    this.#encode = newLineEncoder(version)
    this.#errors = errors
  }

  processEvents(events: readonly Event[]): boolean | Promise<boolean> {
    const lines: Buffer[] = []
    for (const event of events) {
      try {
        lines.push(this.#encode(event))
      } catch (err) {
        this.#errors.failed(1, `encoding: ${errorMessage(err)}`)
      }
    }
    const stored = this.lines.processEvents(lines)
    if (lines.length === events.length) return stored
    return stored instanceof Promise ? stored.then(() => false) : false
  }

  shutdown(deadline: AbortSignal): Promise<void> {
    return this.lines.shutdown(deadline)
  }
}
