import type { Awaitable } from '../awaitable.js'
import type { UserInfo } from '../request/user-info.js'
import type { CapturedBody } from './captured-body.js'
import type { Event, ObjectReference, ResponseStatus, Stage } from './event.js'
import { isLastStage, type EventIntake, type RequestEvents } from './intake.js'
import type { AuditConfig } from './audit-config.js'

/** Where a context's events go, and the clock that stamps them. */
export interface EventRecorder {
  readonly intake: EventIntake
  /** Microseconds since the Unix epoch. */
  now(): number
  /** Counts an event that is handed over. */
  observeEvent(): void
}

/** What is known of a request before it is answered. */
export interface RequestAttributes {
  readonly auditID: string
  readonly requestURI: string
  readonly verb: string
  readonly user: UserInfo
  readonly sourceIPs: readonly string[]
  readonly userAgent: string | undefined
  readonly objectRef: ObjectReference | undefined
  /** Microseconds since the Unix epoch. */
  readonly receivedAt: number
}

/** kube-apiserver's own words for a request that ended before it was answered. */
const CLOSED_EARLY: ResponseStatus = { code: 200, status: 'Success', message: 'Connection closed early' }

/**
 * One request's audit events, stage by stage (k8s.io/apiserver/pkg/endpoints/filters/audit.go WithAudit). Stages that the
 * policy omits are skipped. Each answer is false where a blocking-strict backend could not store the event.
 */
export class AuditContext {
  #impersonatedUser: UserInfo | undefined
  #requestBody: CapturedBody | undefined
  #responseBody: CapturedBody | undefined
  #objectRef: ObjectReference | undefined
  #annotations: Record<string, string> | undefined
  #status: ResponseStatus | undefined
  /** Whether an event has said that the request is over. */
  #concluded = false
  readonly #events: RequestEvents

  readonly #recorder: EventRecorder
  readonly #request: RequestAttributes

  constructor(
    recorder: EventRecorder,
    readonly config: AuditConfig,
    request: RequestAttributes,
  ) {
    this.#recorder = recorder
    this.#request = request
    this.#objectRef = request.objectRef
    this.#events = recorder.intake.begin()
  }

  requestReceived(): Awaitable<boolean> {
    const { omitStages } = this.config
    // If this process dies, the last event is at stage Panic.
    const ends = !omitStages.has('Panic')
    if (omitStages.has('RequestReceived')) {
      if (ends) this.#events.opened(() => this.#event('RequestReceived'))
      return true
    }
    const stored = this.#emit('RequestReceived')
    if (!ends) this.#events.closed()
    return stored
  }

  /** The request is over, whether or not an event says so. */
  end(): void {
    if (!this.#concluded) this.#events.closed()
  }

  responseStarted(): Awaitable<boolean> {
    return this.#emit('ResponseStarted')
  }

  /** ResponseStarted of a request that ended before it was answered. */
  closedEarly(): Awaitable<boolean> {
    this.#status ??= CLOSED_EARLY
    return this.responseStarted()
  }

  responseComplete(): Awaitable<boolean> {
    this.#status ??= CLOSED_EARLY
    return this.#emit('ResponseComplete')
  }

  panic(error: unknown): Awaitable<boolean> {
    const what = error instanceof Error ? error.message : String(error)
    this.#status = {
      code: 500,
      status: 'Failure',
      reason: 'InternalError',
      message: `kube-audit-proxy panic'd: ${what}`,
    }
    return this.#emit('Panic')
  }

  /** The response's code and, where it is a Status, what it says. */
  setStatus(status: ResponseStatus): void {
    this.#status = status
  }

  /** Who the request acts as, once that is known to have been allowed or at least not refused. */
  setImpersonatedUser(user: UserInfo): void {
    this.#impersonatedUser = user
  }

  setResponseBody(body: CapturedBody): void {
    this.#responseBody = body
    this.annotate(body.annotations)
  }

  /**
   * Adds the request's object, and what its metadata completes in the reference
   * (k8s.io/apiserver/pkg/audit/request.go LogRequestObject: only what the URL left open).
   */
  setRequestBody(body: CapturedBody): void {
    this.#requestBody = body
    this.annotate(body.annotations)
    const { metadata } = body
    if (metadata === undefined || this.#objectRef === undefined) return
    const ref: ObjectReference = { ...this.#objectRef }
    ref.namespace ||= metadata.namespace ?? ''
    ref.name ||= metadata.name ?? ''
    ref.uid ||= metadata.uid ?? ''
    ref.resourceVersion ||= metadata.resourceVersion ?? ''
    this.#objectRef = ref
  }

  annotate(annotations: Readonly<Record<string, string>> | undefined): void {
    if (annotations !== undefined) this.#annotations = { ...this.#annotations, ...annotations }
  }

  #emit(stage: Stage): Awaitable<boolean> {
    if (this.config.omitStages.has(stage)) return true
    if (isLastStage(stage)) this.#concluded = true
    this.#recorder.observeEvent()
    return this.#events.process(this.#event(stage))
  }

  #event(stage: Stage): Event {
    const request = this.#request
    const received = stage === 'RequestReceived'
    return {
      level: this.config.level,
      auditID: request.auditID,
      stage,
      requestURI: request.requestURI,
      verb: request.verb,
      user: request.user,
      impersonatedUser: this.#impersonatedUser,
      sourceIPs: request.sourceIPs,
      userAgent: request.userAgent,
      objectRef: this.#objectRef,
      responseStatus: received ? undefined : this.#status,
      requestObject: this.#requestBody?.json,
      responseObject: this.#responseBody?.json,
      requestReceivedTimestamp: request.receivedAt,
      stageTimestamp: received ? request.receivedAt : this.#recorder.now(),
      annotations: this.#annotations,
      byPolicy: this.config.byPolicy,
    }
  }
}
