import { itemTexts } from './event-list.js'

/** The fields of a line of the audit log that a reader looks at. */
export interface LoggedEvent {
  readonly auditID?: string
  readonly level: string
  readonly stage: string
  readonly requestURI: string
  readonly verb: string
  readonly user: { readonly username?: string }
  readonly impersonatedUser?: { readonly username?: string }
  readonly objectRef?: {
    readonly resource?: string
    readonly namespace?: string
    readonly name?: string
    readonly apiGroup?: string
    readonly subresource?: string
  }
  readonly responseStatus?: { readonly code?: number }
  readonly requestReceivedTimestamp: string
  readonly stageTimestamp: string
}

/** An event and the line that it stands in. */
export interface LoggedLine {
  readonly event: LoggedEvent
  /** One event, whatever the line was. */
  readonly line: string
}

/**
 * The event of one line of an audit log, as any version of audit.k8s.io since v1beta1 writes it; undefined where the line
 * is no such event. Fields that a reader relies on have the types that LoggedEvent says: a log can be damaged, or be no
 * audit log at all.
 */
export function parseLoggedEvent(line: string): LoggedEvent | undefined {
  const value = parseObject(line)
  return value?.['kind'] === 'Event' ? loggedEvent(value) : undefined
}

/**
 * As parseLoggedEvent; where the line is an EventList, which is what a webhook is sent, the events of that. Each entry that
 * is no event is undefined.
 */
export function parseLoggedEvents(line: string): (LoggedLine | undefined)[] {
  const value = parseObject(line)
  if (value?.['kind'] === 'EventList' && Array.isArray(value['items'])) return listedEvents(value, line)
  const event = value?.['kind'] === 'Event' ? loggedEvent(value) : undefined
  return [event && { event, line }]
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** kube-apiserver names the kind and version of the list, and not those of its items. */
function listedEvents(list: Record<string, unknown>, json: string): (LoggedLine | undefined)[] {
  const texts = itemTexts(json)
  return (list['items'] as unknown[]).map((item, i) => {
    const text = texts?.[i]
    if (text === undefined || !isObject(item) || (item['kind'] ?? 'Event') !== 'Event') return undefined
    const event = loggedEvent(item)
    if (event === undefined) return undefined
    const version = { kind: 'Event', apiVersion: list['apiVersion'] }
    const line =
      'kind' in item ? text : `${JSON.stringify(version).slice(0, -1)},${text.slice(1).trimStart()}`
    return { event, line }
  })
}

function loggedEvent(value: Record<string, unknown>): LoggedEvent | undefined {
  const { level, stage, requestURI, verb } = value
  if (!isText(level) || !isText(stage) || !isText(requestURI) || !isText(verb)) return undefined
  // Kubernetes 1.7 and 1.8 had one time of an event only.
  const { requestReceivedTimestamp, stageTimestamp = requestReceivedTimestamp ?? value['timestamp'] } = value
  const received = requestReceivedTimestamp ?? value['timestamp']
  if (!isText(received) || !isText(stageTimestamp)) return undefined
  const user = isObject(value['user']) ? texts(value['user'], ['username']) : {}
  const { auditID, impersonatedUser, objectRef, responseStatus } = value
  const code = isObject(responseStatus) ? responseStatus['code'] : undefined
  return {
    ...(isText(auditID) && { auditID }),
    level,
    stage,
    requestURI,
    verb,
    user,
    ...(isObject(impersonatedUser) && { impersonatedUser: texts(impersonatedUser, ['username']) }),
    ...(isObject(objectRef) && { objectRef: texts(objectRef, OBJECT_REFERENCE) }),
    ...(typeof code === 'number' && { responseStatus: { code } }),
    requestReceivedTimestamp: received,
    stageTimestamp,
  }
}

const OBJECT_REFERENCE = ['resource', 'namespace', 'name', 'apiGroup', 'subresource'] as const

/** `pods`, `pods/log`, `deployments.apps`: the resource of an event, undefined where it is about none. */
export function resourceOf({ objectRef }: LoggedEvent): string | undefined {
  if (objectRef?.resource === undefined) return undefined
  const { resource, apiGroup, subresource } = objectRef
  return `${resource}${apiGroup ? `.${apiGroup}` : ''}${subresource ? `/${subresource}` : ''}`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** Those of the fields that are texts. */
function texts<K extends string>(
  object: Record<string, unknown>,
  fields: readonly K[],
): Partial<Record<K, string>> {
  const found: Partial<Record<K, string>> = {}
  for (const field of fields) {
    const value = object[field]
    if (isText(value)) found[field] = value
  }
  return found
}
