import type { ObjectReference } from '../event.js'
import type { BodyCapture, CaptureWants } from './capture.js'
import { contentEncodingOf } from './content-encoding.js'
import { type CaptureEnvironment, HeldCapture } from './held-capture.js'
import { type BodyKind, DEFAULT_MAX_BODY_BYTES } from './limits.js'
import { encodingOf } from './media-type.js'

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

export interface CapturesOptions extends Omit<CaptureEnvironment, 'maxBodyBytes'> {
  /** 1.5 MiB if absent. */
  readonly maxBodyBytes?: number | undefined
}

/** Makes the captures of bodies. */
export class Captures {
  readonly #environment: CaptureEnvironment

  constructor(options: CapturesOptions) {
    this.#environment = { ...options, maxBodyBytes: options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES }
  }

  /** The capture of a request's body; undefined where there is nothing to learn from it. */
  request(wants: CaptureWants, body: BodyDescription): BodyCapture | undefined {
    if (!wants.object && !wants.metadata) return undefined
    return this.#capture('request', wants.status ? { ...wants, status: false } : wants, body)
  }

  /** The capture of a response's body; undefined where there is nothing to learn from it. */
  response(wants: CaptureWants, body: BodyDescription): BodyCapture | undefined {
    if (body.method === 'HEAD' || !(wants.object || wants.metadata || wants.status)) return undefined
    return this.#capture('response', wants, body)
  }

  #capture(kind: BodyKind, wants: CaptureWants, body: BodyDescription): BodyCapture | undefined {
    const encoding = encodingOf(body.mediaType, kind === 'request')
    const contentEncoding = contentEncodingOf(body.contentEncoding)
    if (encoding === undefined || contentEncoding === undefined) return undefined
    const isPatch = kind === 'request' && body.method === 'PATCH'
    return new HeldCapture(
      { kind, wants, ref: body.ref, encoding, contentEncoding, isPatch, method: body.method },
      this.#environment,
    )
  }
}
