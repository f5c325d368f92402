import type { ResponseStatus } from '../audit/event.js'
import { refusesImpersonation } from '../authentication/impersonation/refused.js'
import type { UserInfo } from '../request/user-info.js'

/** Groups of a user that are named at most. */
const MAX_NAMED = 10

/**
 * For answers of the apiserver to a request that the proxy makes as its user: where it refuses the proxy to act as that user,
 * it says what its own identity lacks, in words about somebody whom the client does not know. The Status that is answered
 * in place of that says first who could not be acted as, and keeps all the rest.
 *
 * @param body of a 403 that API priority and fairness has not marked
 * @returns undefined where it says something else
 */
export function explainRefusal(body: string, user: UserInfo): string | undefined {
  let found: unknown
  try {
    found = JSON.parse(body)
  } catch {
    return undefined
  }
  const { kind, message, details } = (found ?? {}) as Record<string, unknown>
  if (kind !== 'Status' || typeof message !== 'string') return undefined
  const status = { code: 403, message, details: JSON.stringify(details) }
  const response = { status, prioritized: false, longRunning: true }
  if (!refusesImpersonation(response, undefined, user.username)) return undefined
  return `${JSON.stringify({ ...(found as object), message: `${cannotActAs(user)}${message}` })}\n`
}

/** Whether such a status says so, with the explanation or, where it was in another encoding or had no body, without. */
export function isRefusedProxy(
  status: ResponseStatus,
  user: UserInfo,
  response: { readonly prioritized: boolean; readonly longRunning: boolean },
): boolean {
  if (status.code === 403 && status.message?.startsWith(cannotActAs(user)) === true) return true
  return refusesImpersonation({ status, ...response }, undefined, user.username)
}

function cannotActAs({ username, groups = [] }: UserInfo): string {
  const named = groups.slice(0, MAX_NAMED).map((group) => JSON.stringify(group))
  if (groups.length > MAX_NAMED) named.push(`and ${groups.length - MAX_NAMED} more`)
  const who = `user ${JSON.stringify(username)}${named.length === 0 ? '' : ` of the groups ${named.join(', ')}`}`
  return `the apiserver does not let kube-audit-proxy act as ${who}: `
}
