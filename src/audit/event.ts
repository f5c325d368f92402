import type { UserInfo } from '../request/user-info.js'

/** How much of a request is recorded, least first: k8s.io/apiserver/pkg/apis/audit Level. */
export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
export type Level = (typeof LEVELS)[number]

/** When in a request's life an event was made: k8s.io/apiserver/pkg/apis/audit Stage. */
export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const
export type Stage = (typeof STAGES)[number]

/** What a request is about. Fields that do not apply are absent or empty; empty ones are left out of the log. */
export interface ObjectReference {
  resource?: string
  namespace?: string
  name?: string
  uid?: string
  apiGroup?: string
  apiVersion?: string
  resourceVersion?: string
  subresource?: string
}

/** The bounded fields of a metav1.Status that go into an event. */
export interface ResponseStatus {
  status?: string
  message?: string
  reason?: string
  /** JSON text of the Status's `details` object (from escapeJSON), spliced into the event as it is. */
  details?: string
  code?: number
}

/**
 * One audit event, at one stage. It is a snapshot: nobody changes it once a backend has it; a backend that must alter
 * it (to drop bodies, say) makes a copy.
 */
export interface Event {
  readonly level: Level
  readonly auditID: string
  readonly stage: Stage
  readonly requestURI: string
  readonly verb: string
  readonly user: UserInfo
  readonly impersonatedUser?: UserInfo | undefined
  readonly sourceIPs: readonly string[]
  readonly userAgent?: string | undefined
  readonly objectRef?: ObjectReference | undefined
  readonly responseStatus?: ResponseStatus | undefined
  /** JSON text on one line (from escapeJSON), spliced into the event as it is. */
  readonly requestObject?: string | undefined
  /** JSON text on one line (from escapeJSON), spliced into the event as it is. */
  readonly responseObject?: string | undefined
  /** Microseconds since the Unix epoch. */
  readonly requestReceivedTimestamp: number
  /** Microseconds since the Unix epoch. */
  readonly stageTimestamp: number
  readonly annotations?: Readonly<Record<string, string>> | undefined
  /**
   * What the policy says of the event; set where dynamic sinks ask for more, so that the other backends can reduce it.
   * No backend writes it.
   */
  readonly byPolicy?: { readonly level: Level; readonly omitStages: ReadonlySet<Stage> } | undefined
}
