import type { LoggedEvent } from './logged-event.js'

/** Which events somebody asks for: an event must satisfy each list that is not empty, and both times. */
export interface EventQuery {
  /** Patterns with `*`, of the user or of whom they impersonate. */
  readonly users: readonly string[]
  readonly verbs: readonly string[]
  /** Patterns with `*`: `pods` (with its subresources), `pods/log`, `deployments.apps`, `pods/*`. */
  readonly resources: readonly string[]
  /** Patterns with `*`. */
  readonly namespaces: readonly string[]
  /** Patterns with `*`. */
  readonly names: readonly string[]
  readonly codes: readonly CodeRange[]
  readonly stages: readonly string[]
  readonly levels: readonly string[]
  readonly auditIDs: readonly string[]
  /** Milliseconds since the Unix epoch: of the event's stage, both inclusive. */
  readonly since: number | undefined
  readonly until: number | undefined
}

/** HTTP status codes, both inclusive. */
export interface CodeRange {
  readonly from: number
  readonly to: number
}

/** Whether the event is one that the query asks for. */
export function matchesQuery(query: EventQuery, event: LoggedEvent): boolean {
  const { user, impersonatedUser, objectRef } = event
  return (
    isIn(query.stages, event.stage) &&
    isIn(query.levels, event.level) &&
    isIn(query.verbs, event.verb) &&
    isIn(query.auditIDs, event.auditID) &&
    isLike(query.users, [user.username, impersonatedUser?.username]) &&
    isLike(query.namespaces, [objectRef?.namespace]) &&
    isLike(query.names, [objectRef?.name]) &&
    (query.resources.length === 0 || isLike(query.resources, resourceForms(event))) &&
    hasCode(query.codes, event.responseStatus?.code) &&
    isInTime(query, event.stageTimestamp)
  )
}

/** `403`, `4xx` or `400-499`; undefined for anything else. */
export function parseCodeRange(text: string): CodeRange | undefined {
  const one = /^\d{3}$/.exec(text)
  if (one !== null) return { from: Number(text), to: Number(text) }
  const hundred = /^([1-5])xx$/i.exec(text)
  if (hundred !== null) return { from: Number(hundred[1]) * 100, to: Number(hundred[1]) * 100 + 99 }
  const [, from, to] = /^(\d{3})-(\d{3})$/.exec(text) ?? []
  return from !== undefined && Number(from) <= Number(to) ? { from: Number(from), to: Number(to) } : undefined
}

/** Whether a text is like a pattern, in which `*` stands for any text. The first fit of each part is good enough. */
export function matchesPattern(pattern: string, text: string): boolean {
  const parts = pattern.split('*')
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return text === pattern
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}

function isIn(values: readonly string[], value: string | undefined): boolean {
  return values.length === 0 || (value !== undefined && values.includes(value))
}

function isLike(patterns: readonly string[], values: readonly (string | undefined)[]): boolean {
  if (patterns.length === 0) return true
  return values.some((value) => {
    return value !== undefined && patterns.some((pattern) => matchesPattern(pattern, value))
  })
}

/** All that a resource may be called. */
function resourceForms({ objectRef }: LoggedEvent): string[] {
  if (objectRef?.resource === undefined) return []
  const { resource, apiGroup, subresource } = objectRef
  const names = apiGroup ? [resource, `${resource}.${apiGroup}`] : [resource]
  return subresource ? [...names, ...names.map((name) => `${name}/${subresource}`)] : names
}

function hasCode(ranges: readonly CodeRange[], code: number | undefined): boolean {
  if (ranges.length === 0) return true
  return code !== undefined && ranges.some(({ from, to }) => code >= from && code <= to)
}

function isInTime({ since, until }: EventQuery, timestamp: string): boolean {
  if (since === undefined && until === undefined) return true
  // NaN is in no range.
  const time = Date.parse(timestamp)
  return time >= (since ?? -Infinity) && time <= (until ?? Infinity)
}
