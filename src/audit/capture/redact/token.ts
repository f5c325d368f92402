import { isObject, stringAt, visitMembers } from '../json/json-cursor.js'
import type { Redaction } from './redaction.js'
import type { Expectation } from './secret.js'
import { redactStatus } from './redact-status.js'

/** The part of the object that has the token, and what else it has. */
const PARTS = {
  TokenRequest: { part: 'status', others: ['expirationTimestamp'] },
  TokenReview: { part: 'spec', others: ['audiences'] },
} as const

const ENVELOPE: readonly string[] = ['apiVersion', 'kind', 'metadata', 'spec', 'status']

/**
 * The TokenRequest or TokenReview at `start`, or the Status in its place where it is `believed` to be one. Where one is
 * `expected`, whatever is not known to be harmless goes; an object that merely names the kind may describe the API.
 */
export function redactToken(
  redaction: Redaction,
  kind: keyof typeof PARTS,
  start: number,
  { expected, believed }: Expectation,
): void {
  const { text } = redaction
  if (!isObject(text, start)) {
    redaction.hide(start)
    return
  }
  if (!redaction.first(start)) return
  let found: string | undefined
  visitMembers(text, start, (name, value) => {
    if (name === 'kind') found = stringAt(text, value)
    return redaction.keep(value)
  })
  if (believed && found === 'Status') {
    redactStatus(redaction, start)
    return
  }
  const { part, others } = PARTS[kind]
  visitMembers(text, start, (name, value) => {
    if (name !== part) {
      return expected && !ENVELOPE.includes(name) ? redaction.hide(value) : redaction.keep(value)
    }
    if (!isObject(text, value)) return redaction.hide(value)
    return visitMembers(text, value, (name, value) => {
      return (others as readonly string[]).includes(name) ? redaction.keep(value) : redaction.hide(value)
    })
  })
}
