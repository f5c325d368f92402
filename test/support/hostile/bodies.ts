import type { LoggedEvent } from '../audit-log.js'
import type { HostileCase } from './case.js'

const UNREAD = 'kube-audit-proxy.io/unread-request-object'

/** What nests deeper is not compared. */
const MAX_DEPTH = 500
/** Members of objects that kube-apiserver knows; it leaves out others, and null. */
const KNOWN = ['kind', 'apiVersion', 'metadata', 'data', 'spec', 'gracePeriodSeconds', 'dryRun']

/**
 * What the last events of a request say differently of its bodies and its answer. kube-apiserver shows the request's object
 * as it has read it, with defaults; ours is as it was sent. What is redacted may stand for anything.
 */
export function bodyDifferences(
  { body, unread }: HostileCase,
  mine: LoggedEvent,
  native: LoggedEvent,
): string[] {
  const wrong: string[] = []
  const say = (what: string, a: unknown, b: unknown): void =>
    void wrong.push(`${what}: ${brief(a)}, not ${brief(b)}`)
  const { message: _, ...status } = native.responseStatus ?? {}
  if (!same(mine.responseStatus, native.responseStatus) && !same(mine.responseStatus, status)) {
    say('responseStatus', mine.responseStatus, native.responseStatus)
  }
  if (!same(mine.responseObject, native.responseObject)) {
    say('responseObject', mine.responseObject, native.responseObject)
  }
  const isUnread = UNREAD in (mine.annotations ?? {})
  if (native.requestObject === undefined || body === '') return wrong
  if ((unread ?? false) !== isUnread) say(UNREAD, isUnread, unread)
  if (unread === true) return wrong
  if (mine.requestObject !== null && !within(known(mine.requestObject), native.requestObject)) {
    say('requestObject', mine.requestObject, native.requestObject)
  }
  return wrong
}

function known(object: unknown): unknown {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return object
  const entries = Object.entries(object)
  // Of one that is empty or spelt in several ways kube-apiserver shows what it made of it.
  const kinds = entries.filter(([key]) => key.toLowerCase() === 'kind')
  const plain = kinds.length === 1 && kinds[0]?.[1] !== ''
  return Object.fromEntries(entries.filter(([key]) => KNOWN.includes(key) && (plain || key !== 'kind')))
}

function isRedacted(value: unknown, for_: unknown): boolean {
  return typeof value === 'string' && value.includes('redacted') && for_ !== undefined
}

function same(a: unknown, b: unknown, depth = 0): boolean {
  if (isRedacted(a, b) || depth > MAX_DEPTH) return true
  if (!isObject(a) || !isObject(b)) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every((key) => same(a[key], b[key], depth + 1))
}

/** Whether all of `a` is in `b`, but for null, zero and the version that options of a deletion are in. */
function within(a: unknown, b: unknown, depth = 0): boolean {
  if (isRedacted(a, b) || depth > MAX_DEPTH) return true
  if (!isObject(a)) return a === b || (b === undefined && a === 0)
  return Object.entries(a).every(
    ([key, value]) =>
      key === 'apiVersion' || value === null || (isObject(b) && within(value, b[key], depth + 1)),
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 600 ? `${text.slice(0, 600)}...` : text
}
