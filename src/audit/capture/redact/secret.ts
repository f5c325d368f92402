import {
  endOfValue,
  isArray,
  isObject,
  stringAt,
  STOP,
  visitItems,
  visitMembers,
} from '../json/json-cursor.js'
import { foldKey, LAST_APPLIED } from './find-sensitive.js'
import type { Redaction } from './redaction.js'
import { redactStatus } from './redact-status.js'

/** Lists within lists are followed to this depth; there is no such thing in Kubernetes. */
const MAX_DEPTH = 8

/**
 * Members of a Secret that are no values, beside its metadata. Every other one is taken for a value, so that a misspelt
 * `data` is, too.
 */
const ENVELOPE: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'type', 'immutable'])

/** Kinds that come with requests for Secrets without being one. */
const NOT_SECRETS: ReadonlySet<string> = new Set([
  'Status',
  'DeleteOptions',
  'List',
  'SecretList',
  'Table',
  'PartialObjectMetadata',
  'PartialObjectMetadataList',
])

/** Annotations in which tools keep the object they applied in an encoding of their own. */
const OPAQUE_APPLIED: ReadonlySet<string> = new Set([
  'objectset.rio.cattle.io/applied',
  'banzaicloud.com/last-applied',
])

/** What is a value in whatever names the kind, folded. */
const VALUES: ReadonlySet<string> = new Set(['data', 'stringdata'])

/** What is known of an object from where it stands. */
export interface Expectation {
  /** A Secret is expected there. */
  readonly expected: boolean
  /** kube-apiserver wrote it, so that it is what it says it is. */
  readonly believed: boolean
}

/** `$patch` in a strategic merge patch has one of these for its value. */
const DIRECTIVES: ReadonlySet<string> = new Set(['"replace"', '"merge"', '"delete"'])

/**
 * Redacts the JSON document in the string at `start`, as one about a Secret. What is no document is kept, unless it is
 * `known` to be one. Returns the string's end.
 */
export type RedactAnnotation = (start: number, known: boolean) => number

/** Redacts Secrets, and all that may stand in place of one: lists, Tables, partial objects, a Status, parts for a patch. */
export class SecretRedactor {
  readonly #r: Redaction
  readonly #redactAnnotation: RedactAnnotation

  constructor(redaction: Redaction, redactAnnotation: RedactAnnotation) {
    this.#r = redaction
    this.#redactAnnotation = redactAnnotation
  }

  /**
   * What stands at `start`. It is a Secret's where one is `expected`, and where the object says so and has metadata; what
   * merely names the kind is a reference to a Secret, or describes the API. Where the object is `believed`, since
   * kube-apiserver wrote it, it may be another kind that comes in place of a Secret. Returns its end.
   */
  object(start: number, { expected, believed }: Expectation, depth = 0): number {
    const { text } = this.#r
    if (!isObject(text, start) || depth > MAX_DEPTH) return this.#r.hide(start)
    if (!this.#r.first(start)) return this.#r.keep(start)
    const { kind = '', hasMetadata } = describe(text, start)
    if (believed && kind === 'Status') return redactStatus(this.#r, start)
    const isSecret = (expected || hasMetadata) && !(believed && NOT_SECRETS.has(kind))
    return visitMembers(text, start, (name, value) => {
      switch (name) {
        case 'metadata':
          return this.metadata(value)
        case 'items':
          return this.#items(value, believed, depth)
        case 'rows':
          return this.#rows(value, believed, depth)
        default:
          return isSecret || VALUES.has(foldKey(name)) ? this.member(name, value) : this.#r.keep(value)
      }
    })
  }

  /** A member of a Secret, but its metadata: kept where it belongs to the envelope. Returns its value's end. */
  member(name: string, start: number): number {
    const { text } = this.#r
    const simple = !isObject(text, start) && !isArray(text, start)
    if ((ENVELOPE.has(name) && simple) || this.#isDirective(name, start)) return this.#r.keep(start)
    const base64 = name === 'data'
    if (!isObject(text, start)) return this.#r.hide(start, base64)
    return visitMembers(text, start, (key, value) => {
      return this.#isDirective(key, value) ? this.#r.keep(value) : this.#r.hide(value, base64)
    })
  }

  metadata(start: number): number {
    if (!isObject(this.#r.text, start)) return this.#r.hide(start)
    return visitMembers(this.#r.text, start, (name, value) => {
      return name === 'annotations' ? this.annotations(value) : this.#r.keep(value)
    })
  }

  annotations(start: number): number {
    if (!isObject(this.#r.text, start)) return this.#r.hide(start)
    return visitMembers(this.#r.text, start, (name, value) => this.annotation(name, value))
  }

  /**
   * An annotation of a Secret. kubectl's last-applied-configuration holds the whole Secret as JSON, and so does what other
   * tools write (kapp.k14s.io/original), so that any JSON object or array is treated so.
   */
  annotation(name: string, start: number): number {
    if (OPAQUE_APPLIED.has(name)) return this.#r.hide(start)
    return this.#redactAnnotation(start, name === LAST_APPLIED)
  }

  #items(start: number, believed: boolean, depth: number): number {
    if (!isArray(this.#r.text, start)) return this.#r.hide(start)
    return visitItems(this.#r.text, start, (item) =>
      this.object(item, { expected: true, believed }, depth + 1),
    )
  }

  #rows(start: number, believed: boolean, depth: number): number {
    const { text } = this.#r
    if (!isArray(text, start)) return this.#r.hide(start)
    return visitItems(text, start, (row) => {
      if (!isObject(text, row)) return this.#r.hide(row)
      return visitMembers(text, row, (name, value) => {
        return name === 'object'
          ? this.object(value, { expected: true, believed }, depth + 1)
          : this.#r.keep(value)
      })
    })
  }

  #isDirective(name: string, start: number): boolean {
    const { text } = this.#r
    return name === '$patch' && DIRECTIVES.has(text.slice(start, this.#r.keep(start)))
  }
}

/** What the object at `start` says about itself. */
function describe(text: string, start: number): { kind: string | undefined; hasMetadata: boolean } {
  let kind: string | undefined
  let hasMetadata = false
  visitMembers(text, start, (name, value) => {
    if (name === 'kind') kind = stringAt(text, value)
    else if (foldKey(name) === 'metadata') hasMetadata = true
    return kind !== undefined && hasMetadata ? STOP : endOfValue(text, value)
  })
  return { kind, hasMetadata }
}
