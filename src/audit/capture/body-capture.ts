import type { ObjectReference } from '../event.js'
import type { BodyCapture, CaptureWants } from './capture.js'
import { contentEncodingOf } from './content-encoding.js'
import type { Converters } from './convert.js'
import { HeldCapture } from './held-capture.js'
import { type BodyKind, type CaptureBudget, type CaptureLimit, DEFAULT_MAX_BODY_BYTES } from './limits.js'
import { encodingOf } from './media-type.js'
import type { Redactor } from './redact.js'

/** What is known about a body before it comes. */
export interface BodyDescription {
  /** The Content-Type header, with its parameters. */
  readonly mediaType: string | undefined
  /** The Content-Encoding header. */
  readonly contentEncoding: string | undefined
  /** The request's HTTP method. */
  readonly method: string
  /** What the request is about, for redaction. */
  readonly ref: ObjectReference | undefined
}

export interface CapturesOptions {
  /** The cap on one body as it comes, as it is decoded, and as it is recorded; in bytes. 1.5 MiB if absent. */
  readonly maxBodyBytes?: number | undefined
  readonly budget: CaptureBudget
  /** Absent, bodies are recorded with the credentials in them. */
  readonly redactor: Redactor | undefined
  /** A body was left out. */
  readonly onTruncated: (kind: BodyKind, limit: CaptureLimit) => void
  readonly converters: Converters
}

/** Makes the captures of bodies. */
export class Captures {
  readonly #options: CapturesOptions

  constructor(options: CapturesOptions) {
    this.#options = options
  }

  /** The capture of a request's body; undefined where there is nothing to learn from it. */
  request(wants: CaptureWants, body: BodyDescription): BodyCapture | undefined {
    return this.#capture('request', { ...wants, status: false }, body)
  }

  /** The capture of a response's body; undefined where there is nothing to learn from it. */
  response(wants: CaptureWants, body: BodyDescription): BodyCapture | undefined {
    if (body.method === 'HEAD') return undefined
    return this.#capture('response', wants, body)
  }

  #capture(kind: BodyKind, wants: CaptureWants, body: BodyDescription): BodyCapture | undefined {
    if (!wants.object && !wants.metadata && !wants.status) return undefined
    const encoding = encodingOf(body.mediaType, kind === 'request')
    const contentEncoding = contentEncodingOf(body.contentEncoding)
    if (encoding === undefined || contentEncoding === undefined) return undefined
    return new HeldCapture({
      ...this.#options,
      maxBodyBytes: this.#options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES,
      kind,
      wants,
      ref: body.ref,
      encoding,
      contentEncoding,
      isPatch: kind === 'request' && body.method === 'PATCH',
    })
  }
}
