import type { Awaitable } from '../../awaitable.js'
import type { CapturedBody } from '../captured-body.js'

/** A bounded tee of one body. It never holds back or changes what passes. */
export interface BodyCapture {
  /** Takes one chunk as it passes. The chunk is not changed; it may be kept, so the caller does not reuse its memory. */
  write(chunk: Buffer): void
  /**
   * The body is over (or was cut off, when `complete` is false: then there is no json). What was held is freed when it has
   * been read, which never rejects.
   *
   * @param clear false where nobody knows whether kube-apiserver has read the body: then it must not become much longer than
   *   it came (a stranger's bytes must not cost many times as many of the log)
   */
  end(complete: boolean, clear?: boolean): Awaitable<CapturedBody>
  /** Nothing of the body is wanted any more. Frees what was held. */
  discard(): void
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
  /** The object is wanted only where it has a kind. */
  readonly apiObjectsOnly?: boolean
  /** The id of the token that a TokenRequest issued, as an annotation: responses, at any level. */
  readonly issuedToken?: boolean
}
