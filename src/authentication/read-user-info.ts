import { AuthenticationUnavailable } from './authenticator.js'
import type { UserInfo } from '../request/user-info.js'

/** A field of a JSON object; undefined where the value is none. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

/**
 * The user in an apiserver's answer.
 *
 * @param review what was asked, for messages
 * @throws AuthenticationUnavailable where it names none
 */
export function readUserInfo(user: unknown, review: string): UserInfo {
  const username = field(user, 'username')
  if (typeof username !== 'string' || username === '') {
    throw new AuthenticationUnavailable(`${review}: the apiserver accepted the token but named no user`)
  }
  const uid = field(user, 'uid')
  const extra = readExtra(field(user, 'extra'))
  return {
    username,
    ...(typeof uid === 'string' && uid !== '' ? { uid } : {}),
    groups: strings(field(user, 'groups')),
    ...(extra === undefined ? {} : { extra }),
  }
}

function readExtra(value: unknown): Record<string, string[]> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value).map(([key, values]) => [key, strings(values)] as const)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : []
}
