import type { ObjectReference, ResponseStatus } from '../../event.js'
import { compactJSON } from '../json/json.js'
import { decodeString, endOfString, isArray, isObject, isString } from '../json/json-cursor.js'
import { readObjectHeader } from '../metadata.js'
import { redactDeleteOptions } from './delete-options.js'
import { Digester } from './digest.js'
import { findSensitive, sensitiveKindOf, type SensitiveKind, type SensitiveValue } from './find-sensitive.js'
import { redactJSONPatch } from './json-patch.js'
import { Redaction } from './redaction.js'
import { type Expectation, SecretRedactor } from './secret.js'
import { mayQuote, namesSensitiveType, redactDetails, redactStatus } from './redact-status.js'
import { redactToken } from './token.js'

/** Where a body comes from: the apiserver, a client, or a client that deletes and so sends options. */
export type Origin = 'response' | 'request' | 'deletion'

/** Secrets within Secrets, and documents in annotations of documents in annotations, are followed to this depth. */
const MAX_DEPTH = 4

/**
 * Keeps credentials out of captured bodies: the values in a Secret's `data` and `stringData`, the token that a TokenRequest
 * issues and the one that a TokenReview asks about. In their place stands `redacted:hmac-sha256:` and 16 hexadecimal
 * digits, a digest of the value under a key that only this process has: equal values have equal digests, so that a change
 * shows, and nobody can try passwords against a log. The digest of a Secret's value is over the decoded bytes, and so the
 * same in `data` and `stringData`. Keys, `null` and everything else stay as they are. (A document with more than a few
 * thousand values has the rest of them as plain `redacted`.)
 *
 * What is redacted is decided by what the request is about, and by the kinds in the body itself at any depth: the items of
 * a List, a manifest within another object, a Secret that was sent to the wrong path. A client's word about the kind can
 * only add to what is redacted: that an object is a Status or a Table is believed of a response alone. It covers lists, Tables, partial
 * objects, patches of every type, the annotation in which kubectl keeps what was last applied, and the messages of a
 * Status in which kube-apiserver quotes a body that it could not read.
 */
export class Redactor {
  readonly #key: Buffer

  /** `key`: 32 random bytes; share it among processes whose digests should be equal. */
  constructor(key: Buffer) {
    this.#key = key
  }

  /** `json` (from compactJSON) without credentials. `ref` is what the request is about. */
  redact(json: string, ref: ObjectReference | undefined, origin: Origin): string {
    return redactDocument(json, sensitiveKindOf(ref), origin, new Digester(this.#key), 0)
  }

  /** A Status for an event's responseStatus, without what may quote a credential. `ref` is what the request is about. */
  redactStatus(status: ResponseStatus, ref: ObjectReference | undefined): ResponseStatus {
    if (!mayQuote(status.status, status.reason)) return status
    if (sensitiveKindOf(ref) === undefined && !namesSensitiveType(status.message ?? '')) return status
    const digester = new Digester(this.#key)
    const redacted = { ...status }
    if (status.message !== undefined) redacted.message = digester.mark(status.message)
    if (status.details !== undefined) {
      const redaction = new Redaction(status.details, digester)
      redactDetails(redaction, 0)
      redacted.details = redaction.apply()
    }
    return redacted
  }
}

/** `text` without credentials; `expected` is what it is, or is about, unless it says otherwise. */
function redactDocument(
  text: string,
  expected: SensitiveKind | undefined,
  origin: Origin,
  digester: Digester,
  depth: number,
): string {
  const redaction = new Redaction(text, digester)
  const secret = new SecretRedactor(redaction, (value, known) => redactAnnotation(value, 'Secret', known))

  function redactAnnotation(value: number, expected: SensitiveKind | undefined, hideOthers: boolean): number {
    if (!isString(text, value)) return hideOthers ? redaction.hide(value) : redaction.keep(value)
    const end = endOfString(text, value)
    if (!redaction.first(value)) return end
    const document = decodeString(text, value, end)
    if (!/^\s*[[{]/.test(document)) return hideOthers ? redaction.hide(value) : end
    const inner = depth < MAX_DEPTH ? compactJSON(Buffer.from(document)) : undefined
    if (inner === undefined) return hideOthers || depth === MAX_DEPTH ? redaction.hide(value) : end
    const redacted = redactDocument(inner, expected, 'request', digester, depth + 1)
    if (redacted !== inner) redaction.replaceString(value, end, redacted)
    return end
  }

  function redactObject(kind: SensitiveKind, value: number, expectation: Expectation): void {
    if (kind === 'Secret') secret.object(value, expectation)
    else redactToken(redaction, kind, value, expectation)
  }

  if (expected !== undefined) {
    if (isArray(text, 0)) redactJSONPatch(redaction, 0, expected === 'Secret' ? secret : undefined)
    else if (origin === 'deletion') redactDeleteOptions(redaction)
    else redactObject(expected, 0, { expected: true, believed: origin === 'response' })
  } else if (namesSensitiveType(text) && readObjectHeader(text).kind === 'Status') {
    redactStatus(redaction, 0)
  }
  visitOutermostFirst(redaction, findSensitive(text), (kind, value) => {
    if (kind === 'annotation') redactAnnotation(value, undefined, false)
    else if (kind === 'several') redaction.hide(value)
    else redactObject(kind, value, { expected: false, believed: false })
  })
  return redaction.apply()
}

/**
 * Visits the `found` values from the outside in, and none within what is hidden already, so that a document that nests
 * them deeply costs little: below MAX_DEPTH they are hidden whole.
 */
function visitOutermostFirst(
  redaction: Redaction,
  found: ReadonlyMap<number, SensitiveValue>,
  visit: (kind: SensitiveValue, value: number) => void,
): void {
  const { text } = redaction
  /** Where the found values end that are around i, the innermost last. */
  const around: number[] = []
  let left = found.size
  for (let i = 0; left > 0 && i < text.length;) {
    if (isString(text, i)) {
      if (found.get(i) === 'annotation') {
        left--
        visit('annotation', i)
      }
      i = endOfString(text, i)
      continue
    }
    if (isObject(text, i) || isArray(text, i)) {
      const hiddenEnd = redaction.hiddenEnd(i)
      if (hiddenEnd !== undefined) {
        i = hiddenEnd
        continue
      }
      const kind = found.get(i)
      if (kind !== undefined) {
        left--
        while ((around.at(-1) ?? Infinity) <= i) around.pop()
        if (around.length === MAX_DEPTH) {
          i = redaction.hide(i)
          continue
        }
        around.push(redaction.keep(i))
        visit(kind, i)
      }
    }
    i++
  }
}
