import { LogFollower } from './follow.js'
import { formatEvent, type LoggedEvent, type PrintOptions } from './print.js'

/** How long to wait for an event before we take it that the policy leaves it out, in milliseconds. */
const PATIENCE_MS = 2_000

/** Shows the audit log as it grows, and knows which requests it has told of. */
export class AuditView {
  readonly #follower: LogFollower
  readonly #seen = new Set<string>()
  readonly #waiting = new Map<string, () => void>()

  constructor(file: string, print: (line: string) => void, options: PrintOptions) {
    this.#follower = new LogFollower(file, (line) => {
      const event = parseEvent(line)
      if (event === undefined) return print(line)
      print(formatEvent(event, options))
      const key = `${event.auditID} ${event.stage}`
      this.#seen.add(key)
      this.#waiting.get(key)?.()
    })
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

  close(): Promise<void> {
    return this.#follower.close()
  }
}

function parseEvent(line: string): (LoggedEvent & { readonly auditID: string }) | undefined {
  try {
    return JSON.parse(line) as LoggedEvent & { readonly auditID: string }
  } catch {
    return undefined
  }
}
