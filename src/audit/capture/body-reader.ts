import { escapeJSON } from '../escape-json.js'
import type { ObjectReference, ResponseStatus } from '../event.js'
import type { CapturedBody } from '../captured-body.js'
import type { CaptureWants } from './capture.js'
import { BodyTooLargeError, type ContentEncoding, decodeContent } from './content-encoding.js'
import { type Converters, NotHereError, toJSON } from './convert.js'
import { type BodyKind, type CaptureLimit, unreadAnnotation } from './limits.js'
import { issuedCredentialID } from './issued-token.js'
import { withoutManagedFields } from './managed-fields.js'
import type { Encoding } from './media-type.js'
import { readObjectHeader, readPrefixMetadata } from './metadata.js'
import type { Origin, Redactor } from './redact/redactor.js'
import { mayBeStatus, readStatus, STATUS_PREFIX_BYTES } from './read-status.js'

/** What a body is, and what of it is wanted. */
export interface BodyQuestion {
  readonly kind: BodyKind
  readonly wants: CaptureWants
  readonly ref: ObjectReference | undefined
  readonly encoding: Encoding
  readonly contentEncoding: ContentEncoding
  readonly isPatch: boolean
  /** The request's HTTP method. */
  readonly method: string
}

export interface BodyReaderOptions {
  /** The cap on one body as it is decoded and as it is recorded; in bytes. */
  readonly maxBodyBytes: number
  /** Undefined: bodies are recorded with the credentials in them. */
  readonly redactor: Redactor | undefined
  readonly converters: Converters
}

/** What was read of a body. */
export interface ReadBody {
  readonly found: CapturedBody
  /** The object was wanted, and this limit left it out. */
  readonly leftOut?: CaptureLimit | undefined
}

/** A longer message of a Status is left out of responseStatus, in characters. */
const MAX_MESSAGE = STATUS_PREFIX_BYTES

const NOTHING: ReadBody = { found: {} }

/** Makes of a body's bytes what goes into an event. What it costs is bounded by the body's size alone. */
export class BodyReader {
  readonly #options: BodyReaderOptions

  constructor(options: BodyReaderOptions) {
    this.#options = options
  }

  /**
   * Reads a whole body. It never throws: whatever goes wrong in here is the doing of whoever sent it, and leaves out that
   * body.
   *
   * @param maxGrowth how many times as long as it came it may become; undefined where that does not matter
   * @returns undefined where this reader has no converter for it
   */
  read(bytes: Buffer, question: BodyQuestion, maxGrowth?: number): ReadBody | undefined {
    try {
      const read = this.#read(bytes, question)
      const { json } = read.found
      if (maxGrowth === undefined || json === undefined || json.length <= maxGrowth * bytes.length)
        return read
      return { found: { ...read.found, json: undefined }, leftOut: 'growth' }
    } catch (err) {
      return err instanceof NotHereError
        ? undefined
        : unread(question, `reading the body failed: ${(err as Error).name}`)
    }
  }

  /** What the beginning of a body says that was cut off, by a limit or by its sender. It never throws. */
  readPrefix(bytes: Buffer, question: BodyQuestion): CapturedBody {
    const { encoding, contentEncoding } = question
    if (encoding !== 'json' || contentEncoding !== 'identity') return NOTHING.found
    try {
      return this.#ofPrefix(bytes.toString('utf8'), question)
    } catch {
      return NOTHING.found
    }
  }

  #read(bytes: Buffer, question: BodyQuestion): ReadBody {
    const { kind, wants, encoding, contentEncoding, isPatch, method, ref } = question
    const { converters, maxBodyBytes } = this.#options
    const body = decode(bytes, contentEncoding, maxBodyBytes)
    if (body === 'too large') return leftOut({}, question)
    if (body === undefined) return unread(question, `the body is not valid ${contentEncoding}`)
    if (isStatusOnly(wants) && !mayBeStatus(body, encoding, 'identity')) return NOTHING
    const target = kind === 'request' ? { method, ref } : undefined
    const converted = toJSON(body, encoding, isPatch, converters, maxBodyBytes, target)
    if (converted === undefined) return unread(question, `the body is not valid ${encoding}`)
    if ('unread' in converted) return unread(question, converted.unread)
    if ('tooLong' in converted) return leftOut(this.#ofPrefix(converted.tooLong, question), question)
    const { json, annotations } = converted
    const issued = wants.issuedToken === true ? issuedCredentialID(json) : undefined
    const found: CapturedBody = {
      status: wants.status ? this.#status(json, question) : undefined,
      metadata: wants.metadata ? readObjectHeader(json).metadata : undefined,
      ...(issued && { annotations: issued }),
    }
    if (!wants.object) return { found }
    if (json.length > maxBodyBytes) return leftOut(found, question)
    if (wants.apiObjectsOnly === true && readObjectHeader(json).kind === undefined) return { found }
    const shown = this.#shown(json, question)
    // Escapes and redaction may have made it longer.
    if (shown.length > maxBodyBytes) return leftOut(found, question)
    return {
      found: {
        ...found,
        ...((annotations ?? issued) && { annotations: { ...annotations, ...issued } }),
        json: shown,
      },
    }
  }

  /** The object as it is recorded. */
  #shown(json: string, { wants, isPatch, ref, kind, method }: BodyQuestion): string {
    const { redactor } = this.#options
    const shown = wants.omitManagedFields && !isPatch ? withoutManagedFields(json) : json
    return escapeJSON(redactor === undefined ? shown : redactor.redact(shown, ref, originOf(kind, method)))
  }

  /** What the beginning of the JSON says. */
  #ofPrefix(prefix: string, question: BodyQuestion): CapturedBody {
    const { wants } = question
    return {
      status: wants.status ? this.#status(prefix, question) : undefined,
      metadata: wants.metadata ? readPrefixMetadata(prefix) : undefined,
    }
  }

  #status(json: string, { ref }: BodyQuestion): ResponseStatus | undefined {
    const { redactor } = this.#options
    const status = readStatus(json)
    if (status === undefined) return undefined
    const shown = { ...(redactor === undefined ? status : redactor.redactStatus(status, ref)) }
    if (shown.details !== undefined) shown.details = escapeJSON(shown.details)
    // It is encoded with the event, while others wait.
    if ((shown.message ?? '').length > MAX_MESSAGE) delete shown.message
    return shown
  }
}

/** Whether nothing is wanted of a body unless it is a Status. */
export function isStatusOnly({ object, metadata, issuedToken }: CaptureWants): boolean {
  return !object && !metadata && issuedToken !== true
}

/** The body as it was before it was compressed; undefined where it is broken. */
function decode(body: Buffer, encoding: ContentEncoding, maxBytes: number): Buffer | 'too large' | undefined {
  try {
    return decodeContent(body, encoding, maxBytes)
  } catch (err) {
    return err instanceof BodyTooLargeError ? 'too large' : undefined
  }
}

function originOf(kind: BodyKind, method: string): Origin {
  if (kind === 'response') return 'response'
  return method === 'DELETE' ? 'deletion' : 'request'
}

function leftOut(found: CapturedBody, { wants }: BodyQuestion): ReadBody {
  return wants.object ? { found, leftOut: 'body' } : { found }
}

/** A body that nobody can read is missing from the event, which then says so: nobody hides one by breaking it. */
function unread({ wants, kind }: BodyQuestion, why: string): ReadBody {
  return wants.object ? { found: { annotations: unreadAnnotation(kind, why) } } : NOTHING
}
