import type { CapturedBody } from '../captured-body.js'

/** A bounded tee of one body. It never holds back or changes what passes. */
export interface BodyCapture {
  /** Takes one chunk as it passes. The chunk is not changed; it may be kept, so the caller does not reuse its memory. */
  write(chunk: Buffer): void
  /** The body is over (or was cut off, when `complete` is false: then there is no json). Frees what was held. */
  end(complete: boolean): CapturedBody
}

/** What of a request's or response's body an event needs. */
export interface CaptureWants {
  /** The whole object as JSON: levels Request (requests) and RequestResponse (both). */
  readonly object: boolean
  /** metadata for the ObjectReference: requests that create or update, at any level. */
  readonly metadata: boolean
  /** responseStatus: any response. */
  readonly status: boolean
  readonly omitManagedFields: boolean
  /** The id of the token that a TokenRequest issued, as an annotation: responses, at any level. */
  readonly issuedToken?: boolean
}
