import type { Test } from 'tap'
import { byAuditID, readAuditLog, waitForEvents, type LoggedEvent } from './audit-log.js'
import type { IdentityMode } from './cluster-proxy.js'

export interface LogsToCompare {
  /** The proxy's audit log, of a proxy that has ended. */
  readonly ours: string
  /** kube-apiserver's own. */
  readonly theirs: string
  readonly identity: IdentityMode
}

/** The proxy's events, those of each request by themselves. */
export interface ComparedLogs {
  readonly compared: readonly LoggedEvent[][]
  /** Of requests that the proxy refused. */
  readonly refused: readonly LoggedEvent[][]
}

/**
 * For every request that the proxy audited, kube-apiserver's own events under the same auditID say the same; a request
 * that the proxy refused has none there.
 */
export async function compareLogs(t: Test, { ours, theirs, identity }: LogsToCompare): Promise<ComparedLogs> {
  const mine = [...byAuditID(readAuditLog(ours))]
  const refused = mine.filter(([, events]) => wasRefused(events, identity))
  const expected = mine.filter(([, events]) => !wasRefused(events, identity))
  const native = await waitForEvents(theirs, (events) => {
    const groups = byAuditID(events)
    const whole = (id: string): boolean => groups.get(id)?.at(-1)?.stage === 'ResponseComplete'
    return expected.every(([id]) => whole(id)) ? groups : undefined
    // What does not come is shown by the comparison.
  }).catch(() => byAuditID(readAuditLog(theirs)))
  for (const [id] of refused) t.notOk(native.has(id), 'what was refused never reached the apiserver')
  for (const [id, events] of expected) {
    const name = `${events[0]?.user.username} ${events[0]?.verb} ${events[0]?.requestURI}`
    const said = events.map(essence(identity))
    t.strictSame(said, native.get(id)?.map(nativeEssence(identity)), name)
  }
  const events = ([, group]: [string, LoggedEvent[]]): LoggedEvent[] => group
  return { compared: expected.map(events), refused: refused.map(events) }
}

function wasRefused(events: readonly LoggedEvent[], identity: IdentityMode): boolean {
  const last = events.at(-1)?.responseStatus
  if (last?.code === 401) return true
  return identity === 'impersonation' && last?.message?.includes('cannot impersonate') === true
}

type Essence = Record<string, unknown>

/** What must be equal. kube-apiserver shows the client's object with its own defaults filled in. */
function essence(identity: IdentityMode) {
  return (e: LoggedEvent): Essence => ({
    level: e.level,
    stage: e.stage,
    requestURI: e.requestURI,
    verb: e.verb,
    // Where the proxy impersonates, the apiserver's user is the proxy, and whom it acts for comes with the later stages.
    identity:
      identity === 'request header'
        ? e.user
        : e.stage === 'RequestReceived'
          ? undefined
          : (e.impersonatedUser ?? e.user),
    impersonatedUser: identity === 'impersonation' ? undefined : e.impersonatedUser,
    sourceIP: e.sourceIPs?.[0],
    userAgent: e.userAgent,
    objectRef: e.objectRef,
    code: e.responseStatus?.code,
    status: e.responseStatus?.status,
    reason: e.responseStatus?.reason,
    message: e.responseStatus?.message,
    details: e.responseStatus?.details,
    // A body that the apiserver refused to look at is in our event only.
    requestObject: e.responseStatus?.code !== 403 && e.requestObject !== undefined,
    // kube-apiserver shows its discovery documents; of requests without a resource there are no bodies here.
    responseObject: e.objectRef === undefined ? undefined : e.responseObject,
  })
}

/** kube-apiserver says of a watch that the client ended: Success, "Connection closed early". */
function nativeEssence(identity: IdentityMode) {
  return (e: LoggedEvent): Essence => {
    const said = essence(identity)(e)
    if (said['message'] !== 'Connection closed early') return said
    return { ...said, status: undefined, message: undefined }
  }
}
