import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** An audit event as a reader of the log sees it. */
export interface LoggedEvent {
  readonly kind: string
  readonly apiVersion: string
  readonly level: string
  readonly auditID: string
  readonly stage: string
  readonly requestURI: string
  readonly verb: string
  readonly user: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> }
  readonly impersonatedUser?: LoggedEvent['user']
  readonly sourceIPs?: string[]
  readonly userAgent?: string
  readonly objectRef?: Record<string, string>
  readonly responseStatus?: {
    code?: number
    status?: string
    reason?: string
    message?: string
    details?: object
  }
  readonly requestObject?: unknown
  readonly responseObject?: unknown
  readonly requestReceivedTimestamp: string
  readonly stageTimestamp: string
  readonly annotations?: Record<string, string>
}

/** Every event in an audit log, oldest first. A line that is no JSON throws; a last line still being written is left out. */
export function readAuditLog(file: string): LoggedEvent[] {
  const text = readFileSync(file, 'utf8')
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LoggedEvent)
}

/** Reads the log again and again until `found` answers something. Throws after 20 seconds. */
export async function waitForEvents<T>(
  file: string,
  found: (events: LoggedEvent[]) => T | undefined,
): Promise<T> {
  for (const until = Date.now() + 20_000; Date.now() < until; await sleep(50)) {
    let events: LoggedEvent[]
    try {
      events = readAuditLog(file)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'ENOENT') continue
      throw err
    }
    const answer = found(events)
    if (answer !== undefined) return answer
  }
  throw new Error(`${file}: what the test waits for did not come`)
}

/** The events of each request, in the log's order. */
export function byAuditID(events: readonly LoggedEvent[]): Map<string, LoggedEvent[]> {
  const groups = new Map<string, LoggedEvent[]>()
  for (const event of events) {
    const group = groups.get(event.auditID)
    if (group === undefined) groups.set(event.auditID, [event])
    else group.push(event)
  }
  return groups
}

/** All events of a request, when it is over. */
export function completeEvents(file: string, auditID: string): Promise<LoggedEvent[]> {
  return waitForEvents(file, (events) => {
    const found = byAuditID(events).get(auditID)
    return found?.at(-1)?.stage === 'ResponseComplete' ? found : undefined
  })
}
