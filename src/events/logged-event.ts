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

/**
 * The event of one line of an audit log, as any version of audit.k8s.io since v1beta1 writes it; undefined where the line
 * is no such event. Fields that a reader relies on have the types that LoggedEvent says: a log can be damaged, or be no
 * audit log at all.
 */
export function parseLoggedEvent(line: string): LoggedEvent | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isObject(value) || value['kind'] !== 'Event') return undefined
  const { level, stage, requestURI, verb, requestReceivedTimestamp, stageTimestamp } = value
  if (!isText(level) || !isText(stage) || !isText(requestURI) || !isText(verb)) return undefined
  if (!isText(requestReceivedTimestamp) || !isText(stageTimestamp)) return undefined
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
    requestReceivedTimestamp,
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
