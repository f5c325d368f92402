import { visitPrefix } from '../audit/capture/json/json-prefix.js'
import type { Event, Level, ObjectReference, ResponseStatus, Stage } from '../audit/event.js'
import type { UserInfo } from '../request/user-info.js'

/** What an event has in each version; the others may be absent. */
type Member = keyof Event | 'kind' | 'apiVersion'

/** The event of a line that newEventEncoder made in the version `audit.k8s.io/v1`. Bodies are what they were, as text. */
export function decodeLine(line: string): Event {
  const texts = members(line) as Partial<Record<Member, string>>
  const read = <T>(name: Member): T | undefined =>
    texts[name] === undefined ? undefined : (JSON.parse(texts[name]) as T)
  const text = (name: Member): string => read<string>(name) ?? ''
  return {
    level: text('level') as Level,
    auditID: text('auditID'),
    stage: text('stage') as Stage,
    requestURI: text('requestURI'),
    verb: text('verb'),
    user: read<UserInfo>('user') ?? { username: '' },
    impersonatedUser: read<UserInfo>('impersonatedUser'),
    sourceIPs: read<string[]>('sourceIPs') ?? [],
    userAgent: read<string>('userAgent'),
    objectRef: read<ObjectReference>('objectRef'),
    responseStatus: texts.responseStatus === undefined ? undefined : decodeStatus(texts.responseStatus),
    requestObject: texts.requestObject,
    responseObject: texts.responseObject,
    requestReceivedTimestamp: parseMicroTime(text('requestReceivedTimestamp')),
    stageTimestamp: parseMicroTime(text('stageTimestamp')),
    annotations: read<Record<string, string>>('annotations'),
  }
}

function decodeStatus(json: string): ResponseStatus {
  const { status, message, reason, code } = JSON.parse(json) as ResponseStatus
  const { details } = members(json)
  return {
    ...(status === undefined ? {} : { status }),
    ...(message === undefined ? {} : { message }),
    ...(reason === undefined ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    ...(code === undefined ? {} : { code }),
  }
}

/** The members of a JSON object, by name, each as the text that it is in there. */
function members(json: string): Record<string, string> {
  const found: Record<string, string> = {}
  visitPrefix(json, (name, value, end) => {
    found[name] = json.slice(value, end)
    return true
  })
  return found
}

/** Microseconds since the Unix epoch of what newMicroTimeFormat prints. */
function parseMicroTime(text: string): number {
  return Date.parse(`${text.slice(0, 19)}Z`) * 1000 + Number(text.slice(20, 26))
}
