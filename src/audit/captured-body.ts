import type { ObjectReference, ResponseStatus } from './event.js'

/** What one body taught us, when it has ended or was cut off. */
export interface CapturedBody {
  /** The object as JSON text on one line (from escapeJSON), redacted and without managed fields where that was asked for. */
  readonly json?: string | undefined
  /** `metadata` of the object that was read, for the event's ObjectReference. */
  readonly metadata?: Pick<ObjectReference, 'namespace' | 'name' | 'uid' | 'resourceVersion'> | undefined
  /** Set where the body is a metav1.Status. */
  readonly status?: ResponseStatus | undefined
  /** Annotations for the event: which limit left the body out, that a kind was unknown, and so on. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
}
