import type { ObjectReference, ResponseStatus } from '../event.js'
import type { BodyCapture, CaptureWants } from './capture.js'
import type { CapturedBody } from '../captured-body.js'
import { BodyTooLargeError, type ContentEncoding, decodeContent } from './content-encoding.js'
import { type Converters, toJSON } from './convert.js'
import { HeldBody } from './held-body.js'
import {
  type BodyKind,
  type CaptureBudget,
  type CaptureLimit,
  truncatedAnnotations,
  unreadAnnotation,
} from './limits.js'
import { issuedCredentialID } from './issued-token.js'
import { withoutManagedFields } from './managed-fields.js'
import type { Encoding } from './media-type.js'
import { readObjectHeader, readPrefixMetadata } from './metadata.js'
import type { Origin, Redactor } from './redact/redactor.js'
import { mayBeStatus, readStatus, STATUS_PREFIX_BYTES } from './read-status.js'

/** What all captures share. */
export interface CaptureEnvironment {
  /** The cap on one body as it comes, as it is decoded, and as it is recorded; in bytes. */
  readonly maxBodyBytes: number
  readonly budget: CaptureBudget
  /** Undefined: bodies are recorded with the credentials in them. */
  readonly redactor: Redactor | undefined
  /** A body was left out. */
  readonly onTruncated: (kind: BodyKind, limit: CaptureLimit) => void
  readonly converters: Converters
}

export interface HeldCaptureOptions {
  readonly kind: BodyKind
  readonly wants: CaptureWants
  readonly ref: ObjectReference | undefined
  readonly encoding: Encoding
  readonly contentEncoding: ContentEncoding
  readonly isPatch: boolean
  /** The request's HTTP method. */
  readonly method: string
}

const NOTHING: CapturedBody = {}

/** Holds a body, as much of it as is wanted, and reads it when it has ended. */
export class HeldCapture implements BodyCapture {
  readonly #options: HeldCaptureOptions
  readonly #environment: CaptureEnvironment
  readonly #held: HeldBody
  readonly #statusOnly: boolean
  /** Whether chunks are still of interest. */
  #open = true
  #result: CapturedBody = NOTHING
  /** A body that is wanted for its Status alone is looked at when so many bytes are held. */
  #lookAt = 1

  constructor(options: HeldCaptureOptions, environment: CaptureEnvironment) {
    this.#options = options
    this.#environment = environment
    const { wants } = options
    const { maxBodyBytes, budget } = environment
    this.#statusOnly = !wants.object && !wants.metadata && wants.issuedToken !== true
    this.#held = new HeldBody(
      this.#statusOnly ? Math.min(STATUS_PREFIX_BYTES, maxBodyBytes) : maxBodyBytes,
      budget,
    )
  }

  write(chunk: Buffer): void {
    if (!this.#open) return
    const limit = this.#held.add(chunk)
    if (limit !== undefined) {
      const prefix = this.#held.first(STATUS_PREFIX_BYTES)
      const room = STATUS_PREFIX_BYTES - prefix.length
      this.#close(() => ({
        ...this.#readPrefix(room > 0 ? Buffer.concat([prefix, chunk.subarray(0, room)]) : prefix),
        ...this.#leaveOut(limit),
      }))
    } else if (this.#statusOnly && this.#held.bytes >= this.#lookAt) {
      this.#lookAt = this.#held.bytes * 2
      const { encoding, contentEncoding } = this.#options
      if (!mayBeStatus(this.#held.first(STATUS_PREFIX_BYTES), encoding, contentEncoding)) this.#close()
    }
  }

  end(complete: boolean): CapturedBody {
    if (this.#open) {
      this.#close(() => {
        if (this.#held.bytes === 0) return NOTHING
        return complete ? this.#read() : this.#readPrefix(this.#held.first(STATUS_PREFIX_BYTES))
      })
    }
    return this.#result
  }

  #close(read?: () => CapturedBody): void {
    this.#open = false
    try {
      if (read !== undefined) this.#result = read()
    } finally {
      this.#held.free()
    }
  }

  #read(): CapturedBody {
    const { kind, wants, encoding, contentEncoding, isPatch, method, ref } = this.#options
    const { converters, maxBodyBytes, redactor } = this.#environment
    const body = this.#decode(this.#held.concat(), contentEncoding)
    if (body === 'too large') return this.#leaveOut('body')
    if (body === undefined) return this.#unread(`the body is not valid ${contentEncoding}`)
    if (this.#statusOnly && !mayBeStatus(body, encoding, 'identity')) return NOTHING
    const converted = toJSON(
      body,
      encoding,
      isPatch,
      converters,
      maxBodyBytes,
      kind === 'request' ? { method, ref } : undefined,
    )
    if (converted === undefined) return this.#unread(`the body is not valid ${encoding}`)
    if ('unread' in converted) return this.#unread(converted.unread)
    if ('tooLong' in converted) return { ...this.#ofPrefix(converted.tooLong), ...this.#leaveOut('body') }
    const { json, annotations } = converted
    const issued = wants.issuedToken === true ? issuedCredentialID(json) : undefined
    const found: CapturedBody = {
      status: wants.status ? this.#status(json) : undefined,
      metadata: wants.metadata ? readObjectHeader(json).metadata : undefined,
      ...(issued && { annotations: issued }),
    }
    if (!wants.object) return found
    if (json.length > maxBodyBytes) return { ...found, ...this.#leaveOut('body') }
    const shown = wants.omitManagedFields && !isPatch ? withoutManagedFields(json) : json
    return {
      ...found,
      ...((annotations ?? issued) && { annotations: { ...annotations, ...issued } }),
      json: redactor === undefined ? shown : redactor.redact(shown, ref, this.#origin),
    }
  }

  get #origin(): Origin {
    const { kind, method } = this.#options
    if (kind === 'response') return 'response'
    return method === 'DELETE' ? 'deletion' : 'request'
  }

  /** The body as it was before it was compressed; undefined where it is broken. */
  #decode(body: Buffer, encoding: ContentEncoding): Buffer | 'too large' | undefined {
    try {
      return decodeContent(body, encoding, this.#environment.maxBodyBytes)
    } catch (err) {
      return err instanceof BodyTooLargeError ? 'too large' : undefined
    }
  }

  /** What the beginning of a body says that was cut off, by a limit or by its sender. */
  #readPrefix(bytes: Buffer): CapturedBody {
    const { encoding, contentEncoding } = this.#options
    if (encoding !== 'json' || contentEncoding !== 'identity') return NOTHING
    return this.#ofPrefix(bytes.toString('utf8'))
  }

  /** What the beginning of the JSON says. */
  #ofPrefix(prefix: string): CapturedBody {
    const { wants } = this.#options
    return {
      status: wants.status ? this.#status(prefix) : undefined,
      metadata: wants.metadata ? readPrefixMetadata(prefix) : undefined,
    }
  }

  /** A body that nobody can read is missing from the event, which then says so: nobody hides one by breaking it. */
  #unread(why: string): CapturedBody {
    const { wants, kind } = this.#options
    if (!wants.object) return NOTHING
    return { annotations: unreadAnnotation(kind, why) }
  }

  #status(json: string): ResponseStatus | undefined {
    const { redactor } = this.#environment
    const status = readStatus(json)
    return status !== undefined && redactor !== undefined
      ? redactor.redactStatus(status, this.#options.ref)
      : status
  }

  /** `limit` leaves the body out. Where the object was wanted the event says so. */
  #leaveOut(limit: CaptureLimit): CapturedBody {
    const { wants, kind } = this.#options
    const { onTruncated, maxBodyBytes, budget } = this.#environment
    if (!wants.object) return NOTHING
    onTruncated(kind, limit)
    return { annotations: truncatedAnnotations(kind, limit, limit === 'body' ? maxBodyBytes : budget.limit) }
  }
}
