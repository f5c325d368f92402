import type { ObjectReference, ResponseStatus } from '../event.js'

/** What one body taught us, when it has ended or was cut off. */
export interface CapturedBody {
  /** The object as JSON text on one line, redacted and without managed fields where that was asked for. */
  readonly json?: string | undefined
  /** `metadata` of the object that was read, for the event's ObjectReference. */
  readonly metadata?: Pick<ObjectReference, 'namespace' | 'name' | 'uid' | 'resourceVersion'> | undefined
  /** Set where the body is a metav1.Status. */
  readonly status?: ResponseStatus | undefined
  /** Annotations for the event: which limit left the body out, that a kind was unknown, and so on. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

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
}
