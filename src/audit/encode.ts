import type { UserInfo } from '../request/user-info.js'
import { formatTime, newMicroTimeFormat } from './clock.js'
import { escapeJSON } from './escape-json.js'
import type { Event, ObjectReference, ResponseStatus } from './event.js'
import { LineArena } from './line-arena.js'

/** The versions in which an event can be written: --audit-log-version and --audit-webhook-version. */
export const EVENT_VERSIONS = ['audit.k8s.io/v1', 'audit.k8s.io/v1beta1', 'audit.k8s.io/v1alpha1'] as const
export type EventVersion = (typeof EVENT_VERSIONS)[number]

/** Makes an encoder of events as lines of bytes: newEventEncoder's, in UTF-8. */
export function newLineEncoder(version: EventVersion): (event: Event) => Buffer {
  const encode = newEventEncoder(version)
  const arena = new LineArena()
  return (event) => arena.encode(encode(event))
}

/**
 * Makes an encoder: one event as one line of JSON without its newline, with the fields in kube-apiserver's order and its
 * omissions (k8s.io/apiserver/pkg/apis/audit/{v1,v1beta1,v1alpha1}/types.go). The older versions also have the two times
 * as whole seconds, in `metadata.creationTimestamp` and `timestamp`.
 */
export function newEventEncoder(version: EventVersion): (event: Event) => string {
  const old = version !== 'audit.k8s.io/v1'
  const prefix = eventPrefix(version)
  const microTime = newMicroTimeFormat()
  // A user who was recognised once is one object for many requests.
  const users = new WeakMap<UserInfo, string>()
  const userJSON = (user: UserInfo): string => {
    let json = users.get(user)
    if (json === undefined) users.set(user, (json = encodeUser(user)))
    return json
  }
  return (event) => {
    let out = prefix
    if (old) out += `"metadata":{"creationTimestamp":"${formatTime(event.stageTimestamp)}"},`
    out += `"level":"${event.level}",`
    if (old) out += `"timestamp":"${formatTime(event.requestReceivedTimestamp)}",`
    out += `"auditID":${quote(event.auditID)},"stage":"${event.stage}","requestURI":${quote(event.requestURI)}`
    out += `,"verb":${quote(event.verb)},"user":${userJSON(event.user)}`
    if (event.impersonatedUser !== undefined) out += `,"impersonatedUser":${userJSON(event.impersonatedUser)}`
    if (event.sourceIPs.length > 0) out += `,"sourceIPs":${encodeStrings(event.sourceIPs)}`
    out += field(',"userAgent":', event.userAgent)
    if (event.objectRef !== undefined) out += `,"objectRef":${encodeObjectRef(event.objectRef, version)}`
    if (event.responseStatus !== undefined) out += `,"responseStatus":${encodeStatus(event.responseStatus)}`
    if (event.requestObject) out += `,"requestObject":${event.requestObject}`
    if (event.responseObject) out += `,"responseObject":${event.responseObject}`
    out += `,"requestReceivedTimestamp":"${microTime(event.requestReceivedTimestamp)}"`
    out += `,"stageTimestamp":"${microTime(event.stageTimestamp)}"`
    if (event.annotations !== undefined) out += encodeMap(',"annotations":', event.annotations, quote)
    return out + '}'
  }
}

function eventPrefix(version: EventVersion): string {
  return `{"kind":"Event","apiVersion":"${version}",`
}

/** k8s.io/api/authentication/v1 UserInfo; `{}` for somebody who could not be authenticated. */
function encodeUser(user: UserInfo): string {
  let out = field(',"username":', user.username) + field(',"uid":', user.uid)
  if (user.groups !== undefined && user.groups.length > 0) out += `,"groups":${encodeStrings(user.groups)}`
  if (user.extra !== undefined) out += encodeMap(',"extra":', user.extra, encodeStrings)
  return `{${out.slice(1)}}`
}

function encodeObjectRef(ref: ObjectReference, version: EventVersion): string {
  // v1alpha1 has group and version in one field: Convert_audit_ObjectReference_To_v1alpha1_ObjectReference.
  const joined = version === 'audit.k8s.io/v1alpha1' && Boolean(ref.apiGroup)
  const out =
    field(',"resource":', ref.resource) +
    field(',"namespace":', ref.namespace) +
    field(',"name":', ref.name) +
    field(',"uid":', ref.uid) +
    (joined
      ? field(',"apiVersion":', `${ref.apiGroup}/${ref.apiVersion ?? ''}`)
      : field(',"apiGroup":', ref.apiGroup) + field(',"apiVersion":', ref.apiVersion)) +
    field(',"resourceVersion":', ref.resourceVersion) +
    field(',"subresource":', ref.subresource)
  return `{${out.slice(1)}}`
}

function encodeStatus(status: ResponseStatus): string {
  let out = '{"metadata":{}'
  out += field(',"status":', status.status)
  out += field(',"message":', status.message)
  out += field(',"reason":', status.reason)
  if (status.details) out += `,"details":${status.details}`
  if (status.code) out += `,"code":${status.code}`
  return out + '}'
}

/** A string field, left out when it is empty. */
function field(name: string, value: string | undefined): string {
  return value ? name + quote(value) : ''
}

function encodeStrings(values: readonly string[]): string {
  return `[${values.map(quote).join(',')}]`
}

/** A map field with its keys in order, as Go prints maps; left out when it is empty. */
function encodeMap<V>(name: string, map: Readonly<Record<string, V>>, encode: (value: V) => string): string {
  const keys = Object.keys(map).sort()
  if (keys.length === 0) return ''
  return `${name}{${keys.map((key) => `${quote(key)}:${encode(map[key] as V)}`).join(',')}}`
}

/** A JSON string as Go prints it. Most are plain ASCII, for which a loop is twice as fast as JSON.stringify. */
function quote(value: string): string {
  for (let i = 0; i < value.length; i++) {
    if (PLAIN[value.charCodeAt(i)] !== 1) return escapeJSON(JSON.stringify(value))
  }
  return `"${value}"`
}

/** 1 for the ASCII characters that stand for themselves. */
const PLAIN = Uint8Array.from({ length: 128 }, (_, code) =>
  code < 0x20 || code === 0x7f || '"\\<>&'.includes(String.fromCharCode(code)) ? 0 : 1,
)
