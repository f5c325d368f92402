import type { AuditContext } from '../audit/context.js'
import type { BodyCapture } from '../audit/capture/capture.js'
import type { Captures } from '../audit/capture/body-capture.js'
import type { ResponseStatus } from '../audit/event.js'
import { refusesImpersonation } from '../authentication/impersonation-access.js'
import { andThen, type Awaitable } from '../awaitable.js'
import type { ResponseObserver } from '../upstream/response-pump.js'
import type { Exchange } from './exchange.js'

/**
 * Turns what passes in one exchange into the stages and bodies of its audit events: which bodies are captured, when a
 * long-running request has started, what the response says of itself.
 */
export class ResponseAudit implements ResponseObserver {
  readonly requestCapture: BodyCapture | undefined
  private responseCapture: BodyCapture | undefined
  private statusCode: number | undefined
  private startedPending = false

  constructor(
    private readonly audit: AuditContext,
    private readonly captures: Captures,
    private readonly exchange: Exchange,
  ) {
    const { headers, info, longRunning, method, objectRef } = exchange
    // kube-apiserver records no bodies of requests that it does not decode: those without a resource, and connections.
    if (!info.isResourceRequest || longRunning) return
    const { level, omitManagedFields } = audit.config
    this.requestCapture = captures.request(
      {
        object: level === 'Request' || level === 'RequestResponse',
        metadata: info.verb === 'create' || info.verb === 'update',
        status: false,
        omitManagedFields,
      },
      {
        mediaType: headers.get('content-type'),
        contentEncoding: headers.get('content-encoding'),
        method,
        ref: objectRef,
      },
    )
  }

  start(
    statusCode: number,
    contentType: string | undefined,
    contentEncoding: string | undefined,
  ): Awaitable<void> {
    const { audit, exchange } = this
    this.statusCode = statusCode
    const failed = statusCode >= 400
    // The body of a long-running response is a stream unless it is an error.
    if (!exchange.longRunning || failed) {
      this.responseCapture = this.captures.response(
        {
          object: audit.config.level === 'RequestResponse' && exchange.info.isResourceRequest,
          metadata: false,
          status: true,
          omitManagedFields: audit.config.omitManagedFields,
        },
        { mediaType: contentType, contentEncoding, method: exchange.method, ref: exchange.objectRef },
      )
    }
    if (!exchange.longRunning) return
    if (failed) {
      // Its ResponseStarted event shows the Status, which has yet to arrive.
      this.startedPending = true
      return
    }
    audit.setStatus({ code: statusCode })
    this.impersonated()
    return andThen(audit.responseStarted(), () => {})
  }

  data(chunk: Buffer): void {
    this.responseCapture?.write(chunk)
  }

  /**
   * The exchange is over: reads the captures, and emits what was held back of ResponseStarted.
   * @param complete false where a body was cut off
   */
  finish(complete: { request: boolean; response: boolean }): void {
    const { audit } = this
    const requestBody = this.requestCapture?.end(complete.request)
    if (this.statusCode === undefined) {
      if (requestBody !== undefined) audit.setRequestBody({ ...requestBody, metadata: undefined })
      if (this.exchange.longRunning) {
        audit.setStatus({ code: 200, status: 'Success', message: 'Connection closed early' })
        void audit.responseStarted()
      }
      return
    }
    const responseBody = this.responseCapture?.end(complete.response)
    const status: ResponseStatus = { ...responseBody?.status, code: this.statusCode }
    // What no serializer was found for, kube-apiserver writes past its audit log.
    if (this.statusCode === NOT_ACCEPTABLE) audit.setStatus({ code: this.statusCode })
    else {
      audit.setStatus(status)
      if (responseBody !== undefined) audit.setResponseBody(responseBody)
    }
    if (!this.refusesImpersonation(status)) this.impersonated()
    if (requestBody !== undefined) {
      audit.setRequestBody(wasDecoded(status) ? requestBody : { ...requestBody, metadata: undefined })
    }
    if (this.startedPending) void audit.responseStarted()
  }

  /** The exchange failed inside the proxy: lets go of what was captured. */
  discard(): void {
    this.requestCapture?.end(false)
    this.responseCapture?.end(false)
  }

  /** kube-apiserver leaves impersonatedUser out where it refused the impersonation itself. */
  private refusesImpersonation(status: ResponseStatus): boolean {
    const { authenticated, impersonation } = this.exchange
    if (authenticated === undefined || impersonation === undefined) return false
    return refusesImpersonation(status, authenticated.user, impersonation.checks)
  }

  private impersonated(): void {
    if (this.exchange.impersonation !== undefined)
      this.audit.setImpersonatedUser(this.exchange.impersonation.target)
  }
}

const NOT_ACCEPTABLE = 406

/** What k8s.io/apiserver/pkg/endpoints/handlers/create.go transformDecodeError and its like say. */
const UNDECODED = [
  ' cannot be handled as a ',
  'the object provided is unrecognized',
  "couldn't get version/kind",
]

/**
 * Whether kube-apiserver came to decode the request's body, which is when it completes the object reference from it. It
 * did not where authorization refused the request (admission, which comes later, refuses in other words), nor where the
 * body made no object of the resource's kind.
 */
function wasDecoded(status: ResponseStatus): boolean {
  const { code = 0, message = '' } = status
  if (code >= 400 && status.status === undefined) return false
  switch (code) {
    case 401:
    case 405:
    case NOT_ACCEPTABLE:
    case 413:
    case 415:
    case 429:
      return false
    case 404:
      return !message.startsWith('the server could not find the requested resource')
    case 403:
      return !(message.includes(' is forbidden: User "') && message.includes('" cannot '))
    case 400:
      return !UNDECODED.some((words) => message.includes(words))
    default:
      return true
  }
}
