import { endOfString, isObject, isString, stringAt, visitItems, visitMembers } from '../json/json-cursor.js'
import type { Redaction } from './redaction.js'
import type { SecretRedactor } from './secret.js'

/**
 * The JSON patch (RFC 6902) at `start`: the values that it puts somewhere or tests. Where `secret` is given it patches a
 * Secret, and the path tells what is kept; otherwise every value goes.
 */
export function redactJSONPatch(
  redaction: Redaction,
  start: number,
  secret: SecretRedactor | undefined,
): void {
  const { text } = redaction
  visitItems(text, start, (operation) => {
    if (!isObject(text, operation)) return redaction.hide(operation)
    let path: string | undefined
    visitMembers(text, operation, (name, value) => {
      if (name === 'path') path = stringAt(text, value)
      return redaction.keep(value)
    })
    return visitMembers(text, operation, (name, value) => {
      switch (name) {
        case 'op':
        case 'path':
        case 'from':
          return isString(text, value) ? endOfString(text, value) : redaction.hide(value)
        case 'value':
          if (secret !== undefined && path !== undefined) return redactValue(redaction, value, path, secret)
          return redaction.hide(value)
        default:
          return redaction.hide(value)
      }
    })
  })
}

/** What a JSON patch puts at `path` of a Secret, or expects there. Returns its end. */
function redactValue(redaction: Redaction, value: number, path: string, secret: SecretRedactor): number {
  const [root, member, key, annotation] = path.split('/').map(unescapePointer)
  if (root !== '') return redaction.hide(value)
  if (member === undefined) return secret.object(value, { expected: true, believed: false })
  if (member === 'metadata') {
    if (key === undefined) return secret.metadata(value)
    if (key !== 'annotations') return redaction.keep(value)
    return annotation === undefined ? secret.annotations(value) : secret.annotation(annotation, value)
  }
  return key === undefined ? secret.member(member, value) : redaction.hide(value, member === 'data')
}

/** A token of a JSON pointer (RFC 6901). */
function unescapePointer(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~')
}
