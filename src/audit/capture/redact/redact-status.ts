import { isArray, stringAt, visitItems, visitMembers } from '../json/json-cursor.js'
import type { Redaction } from './redaction.js'

/** Reasons whose messages are about names and rights, not about what an object contains. */
const SAFE_REASONS: ReadonlySet<string> = new Set([
  'AlreadyExists',
  'Conflict',
  'Expired',
  'Forbidden',
  'Gone',
  'MethodNotAllowed',
  'NotAcceptable',
  'NotFound',
  'RequestEntityTooLarge',
  'ServerTimeout',
  'ServiceUnavailable',
  'Timeout',
  'TooManyRequests',
  'Unauthorized',
  'UnsupportedMediaType',
])

/**
 * Whether the message of a Status may quote a body. A kube-apiserver that cannot decode one shows the bytes around the
 * error, `illegal base64 data at input byte 7, error found in #10 byte of ...|"data":{"password":"...`, and one that cannot
 * apply a patch shows the object that is stored: reasons BadRequest, Invalid, InternalError and none.
 */
export function mayQuote(status: string | undefined, reason: string | undefined): boolean {
  return status !== 'Success' && !SAFE_REASONS.has(reason ?? '')
}

/**
 * Whether the message of a Status is about decoding an object with credentials, or quotes one, whatever the request was
 * about. It may be quoted as Go prints strings, several times over, or maps.
 */
export function namesSensitiveType(message: string): boolean {
  return (
    /\bv1(?:(?:alpha|beta)\d)?\.(?:Secret|TokenReview|TokenRequest)\b/.test(message) ||
    /\bkind[\\"]*:\s*[\\"]*(?:Secret|TokenReview|TokenRequest)/iu.test(message)
  )
}

/** The messages in the Status at `start`, which is about credentials. Returns its end. */
export function redactStatus(redaction: Redaction, start: number): number {
  const { text } = redaction
  let status: string | undefined
  let reason: string | undefined
  const end = visitMembers(text, start, (name, value) => {
    if (name === 'status') status = stringAt(text, value)
    else if (name === 'reason') reason = stringAt(text, value)
    return redaction.keep(value)
  })
  if (!mayQuote(status, reason)) return end
  return visitMembers(text, start, (name, value) => {
    if (name === 'message') return redaction.hide(value)
    return name === 'details' ? redactDetails(redaction, value) : redaction.keep(value)
  })
}

/** The messages of the causes in the details of a Status. Returns the end of the details. */
export function redactDetails(redaction: Redaction, start: number): number {
  const { text } = redaction
  return visitMembers(text, start, (name, value) => {
    if (name !== 'causes') return redaction.keep(value)
    if (!isArray(text, value)) return redaction.hide(value)
    return visitItems(text, value, (cause) =>
      visitMembers(text, cause, (name, value) => {
        return name === 'message' ? redaction.hide(value) : redaction.keep(value)
      }),
    )
  })
}
