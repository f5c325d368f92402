import type { ObjectReference } from '../../event.js'
import { decodeString, endOfString, stringAt } from '../json/json-cursor.js'

/** Kinds that carry credentials. */
export type SensitiveKind = 'Secret' | 'TokenRequest' | 'TokenReview'

/** Where kubectl apply keeps the object it applied, as JSON in a string. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** What a request's body and its response are, by what the request is about. */
export function sensitiveKindOf(ref: ObjectReference | undefined): SensitiveKind | undefined {
  const group = ref?.apiGroup ?? ''
  const resource = ref?.resource
  if (group === '' && resource === 'secrets') return 'Secret'
  if (group === '' && resource === 'serviceaccounts' && ref?.subresource === 'token') return 'TokenRequest'
  if (group === 'authentication.k8s.io' && resource === 'tokenreviews') return 'TokenReview'
  return undefined
}

/**
 * Something that carries credentials: an object, by its kind, or the string of a last-applied annotation. An object may
 * claim to be of several kinds.
 */
export type SensitiveValue = SensitiveKind | 'several' | 'annotation'

/** In lower case. A SecretList's items are Secrets that do not say so. */
const KINDS: ReadonlyMap<string, SensitiveKind> = new Map([
  ['secret', 'Secret'],
  ['secretlist', 'Secret'],
  ['tokenrequest', 'TokenRequest'],
  ['tokenreview', 'TokenReview'],
])
/** Names of the kinds in any case, or an escape that may spell one. */
const MENTION = /secret|tokenre|\\u/i
/** The length of `kind` in quotes. */
const KIND_KEY = 6

/** The form in which encoding/json compares keys: the Kelvin sign is a k, too. */
export function foldKey(key: string): string {
  return key.toLowerCase()
}

/**
 * The values in `text` (from compactJSON), at any depth, that carry credentials, by the offset where they begin: objects
 * whose own `kind` says so, and annotations. kube-apiserver finds the kind with encoding/json, to which `Kind` is the same
 * key (k8s.io/apimachinery/pkg/runtime/serializer/json/meta.go Interpret), and so it is here. A document that does not mention any of the kinds costs no more than a search for
 * the words.
 */
export function findSensitive(text: string): Map<number, SensitiveValue> {
  const found = new Map<number, SensitiveValue>()
  if (!MENTION.test(text)) return found
  // Only these escapes can spell the names that are looked for.
  const escapes = text.includes('\\u') || text.includes('\\/')
  const open: number[] = []
  for (let i = 0; i < text.length;) {
    const c = text.charCodeAt(i)
    if (c === 0x22 /* " */) {
      const start = i
      i = endOfString(text, start)
      // Only a key is followed by a colon.
      if (text.charCodeAt(i) !== 0x3a) continue
      if (isKindKey(text, start, i, escapes)) {
        const kind = sensitiveKind(stringAt(text, i + 1))
        if (kind !== undefined) note(found, open.at(-1) ?? 0, kind)
      } else if (isKey(text, start, i, LAST_APPLIED, escapes)) {
        found.set(i + 1, 'annotation')
      }
      continue
    }
    if (c === 0x7b || c === 0x5b) open.push(i)
    else if (c === 0x7d || c === 0x5d) open.pop()
    i++
  }
  return found
}

function note(found: Map<number, SensitiveValue>, object: number, kind: SensitiveKind): void {
  const before = found.get(object)
  found.set(object, before === undefined || before === kind ? kind : 'several')
}

/** The kind as this module knows it, in whatever case. */
function sensitiveKind(kind: string | undefined): SensitiveKind | undefined {
  return kind === undefined ? undefined : KINDS.get(kind.toLowerCase())
}

/** Whether the key at [start, end) is `kind` in any case. */
function isKindKey(text: string, start: number, end: number, escapes: boolean): boolean {
  if (end - start === KIND_KEY) return foldKey(text.slice(start + 1, end - 1)) === 'kind'
  return escapes && end - start > KIND_KEY && foldKey(decodeString(text, start, end)) === 'kind'
}

/** Whether the key at [start, end) is `name`. */
function isKey(text: string, start: number, end: number, name: string, escapes: boolean): boolean {
  if (end - start === name.length + 2 && text.startsWith(name, start + 1)) return true
  return escapes && end - start > name.length + 2 && decodeString(text, start, end) === name
}
