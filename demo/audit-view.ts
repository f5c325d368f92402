import { followLines } from '../src/events/follow.js'
import { formatEvent, type PrintOptions } from '../src/events/format.js'
import { parseLoggedEvent } from '../src/events/logged-event.js'

/** How long to wait for an event before we take it that the policy leaves it out, in milliseconds. */
const PATIENCE_MS = 2_000

/** How often the log is looked at, in milliseconds. */
const INTERVAL_MS = 25

/** Shows the audit log as it grows, and knows which requests it has told of. */
export class AuditView {
  readonly #following: Promise<void>
  readonly #end = new AbortController()
  readonly #seen = new Set<string>()
  readonly #waiting = new Map<string, () => void>()

  readonly #print: (line: string) => void
  readonly #options: PrintOptions

  constructor(file: string, print: (line: string) => void, options: PrintOptions) {
    this.#print = print
    this.#options = options
    this.#following = this.#follow(file)
    this.#following.catch(() => undefined) // told by close()
  }

  /** Waits until an event of that request at that stage has been shown. False when it does not come in two seconds. */
  async shown(auditID: string, stage: string, signal: AbortSignal): Promise<boolean> {
    const key = `${auditID} ${stage}`
    if (this.#seen.has(key)) return true
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => () => {
        this.#waiting.delete(key)
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        how()
      }
      const timer = setTimeout(
        settle(() => resolve(false)),
        PATIENCE_MS,
      )
      const onAbort = settle(() => reject(signal.reason as Error))
      signal.addEventListener('abort', onAbort)
      this.#waiting.set(
        key,
        settle(() => resolve(true)),
      )
    })
  }

  /** Shows what is left. Rejects where the log could not be read. */
  async close(): Promise<void> {
    this.#end.abort()
    await this.#following
  }

  async #follow(file: string): Promise<void> {
    const options = { from: 'start', interval: INTERVAL_MS, signal: this.#end.signal } as const
    for await (const lines of followLines(file, options)) {
      for (const line of lines) if (line !== undefined && line !== '') this.#show(line)
    }
  }

  #show(line: string): void {
    const event = parseLoggedEvent(line)
    if (event === undefined) return this.#print(line)
    this.#print(formatEvent(event, this.#options))
    const key = `${event.auditID} ${event.stage}`
    this.#seen.add(key)
    this.#waiting.get(key)?.()
  }
}
