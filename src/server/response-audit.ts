import { NOT_IMPERSONATED } from '../audit/annotations.js'
import type { AuditContext } from '../audit/context.js'
import type { CapturedBody } from '../audit/captured-body.js'
import type { BodyCapture } from '../audit/capture/capture.js'
import type { Captures } from '../audit/capture/body-capture.js'
import { encodingOf } from '../audit/capture/media-type.js'
import type { ResponseStatus } from '../audit/event.js'
import { refusesImpersonation } from '../authentication/impersonation/refused.js'
import { andThen, type Awaitable } from '../awaitable.js'
import { acceptsJSON } from '../request/accept.js'
import type { RequestInfo } from '../request/request-info.js'
import type { ResponseHead } from '../upstream/response-head.js'
import type { ResponseObserver } from '../upstream/response-pump.js'
import { bodyFate } from './body-fate.js'
import { deprecationAnnotations } from './deprecation.js'
import type { Exchange } from './exchange.js'
import { isRefusedProxy } from './proxy-refused.js'

/**
 * Turns what passes in one exchange into the stages and bodies of its audit events: which bodies are captured, when a
 * long-running request has started, what the response says of itself.
 */
export class ResponseAudit implements ResponseObserver {
  readonly requestCapture: BodyCapture | undefined
  #responseCapture: BodyCapture | undefined
  #statusCode: number | undefined
  #prioritized = false
  #startedPending = false
  /** kube-apiserver writes this answer past its audit log: the event has its code alone. */
  #unlogged = false
  #warnings: readonly string[] = []

  readonly #audit: AuditContext
  readonly #captures: Captures
  readonly #exchange: Exchange

  constructor(audit: AuditContext, captures: Captures, exchange: Exchange) {
    this.#audit = audit
    this.#captures = captures
    this.#exchange = exchange
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
      { mediaType: headers.get('content-type'), method, ref: objectRef, user: userOf(exchange) },
    )
  }

  start(head: ResponseHead): Awaitable<void> {
    const audit = this.#audit
    const exchange = this.#exchange
    const { statusCode, contentType, contentEncoding } = head
    this.#statusCode = statusCode
    this.#warnings = head.warnings
    this.#prioritized = head.prioritized
    const failed = statusCode >= 400
    this.#unlogged = failed && isRawJSON(contentType, exchange.headers.get('accept'))
    // The body of a long-running response is a stream unless it is an error.
    if (!exchange.longRunning || failed) {
      this.#responseCapture = this.#captures.response(
        {
          object:
            audit.config.level === 'RequestResponse' &&
            (failed || exchange.info.isResourceRequest || OBJECT_PATHS.test(exchange.info.path)),
          // What is no API object (`/version`, the paths at `/`) is not written by what logs objects.
          apiObjectsOnly: !exchange.info.isResourceRequest,
          metadata: false,
          status: true,
          omitManagedFields: audit.config.omitManagedFields,
          issuedToken: statusCode === 201 && issuesToken(exchange.info),
        },
        {
          mediaType: contentType,
          contentEncoding,
          method: exchange.method,
          ref: exchange.objectRef,
          user: userOf(exchange),
        },
      )
    }
    if (!exchange.longRunning) return
    if (failed) {
      // Its ResponseStarted event shows the Status, which has yet to arrive.
      this.#startedPending = true
      return
    }
    audit.setStatus({ code: statusCode })
    if (statusCode === 101) audit.annotate(exchange.recording?.annotations)
    this.#impersonated()
    return andThen(audit.responseStarted(), () => {})
  }

  data(chunk: Buffer): void {
    this.#responseCapture?.write(chunk)
  }

  /**
   * The exchange is over: reads the captures, and emits what was held back of ResponseStarted.
   * @param complete false where a body was cut off
   * @returns false where that event was to be stored and was not
   */
  finish(complete: { request: boolean; response: boolean }): Awaitable<boolean> {
    const audit = this.#audit
    const code = this.#statusCode
    if (code === undefined) {
      // It may have been read: the apiserver's answer is what nobody has seen.
      return andThen(this.requestCapture?.end(complete.request, false), (body) => {
        if (body !== undefined) audit.setRequestBody({ ...body, metadata: undefined })
        return true
      })
    }
    return andThen(this.#responseCapture?.end(complete.response), (responseBody) => {
      const status: ResponseStatus = { ...responseBody?.status, code }
      if (this.#unlogged) audit.setStatus({ code })
      else {
        audit.setStatus(status)
        if (responseBody !== undefined) audit.setResponseBody(responseBody)
      }
      if (this.#refusesProxy(status)) audit.annotate({ [NOT_IMPERSONATED]: REFUSED })
      else if (!this.#refusesImpersonation(status)) this.#impersonated()
      return andThen(this.#requestBody(status, complete.request), (requestBody) => {
        if (requestBody !== undefined) audit.setRequestBody(requestBody)
        const started = this.#startedPending ? audit.responseStarted() : true
        // kube-apiserver learns of it when its handler has returned.
        audit.annotate(deprecationAnnotations(this.#warnings, this.#exchange.info))
        return started
      })
    })
  }

  /** What is recorded of the request's body: nothing where kube-apiserver refused the request before it read that. */
  #requestBody(status: ResponseStatus, complete: boolean): Awaitable<CapturedBody | undefined> {
    const capture = this.requestCapture
    if (capture === undefined) return undefined
    const fate = bodyFate(status)
    if (fate === 'unread' && !this.#captures.keepRefused) {
      capture.discard()
      return undefined
    }
    return andThen(capture.end(complete, fate !== 'unclear'), (body) =>
      fate !== 'unread' && wasDecoded(status) ? body : { ...body, metadata: undefined },
    )
  }

  /** The exchange failed inside the proxy: lets go of what was captured. */
  discard(): void {
    this.requestCapture?.discard()
    this.#responseCapture?.discard()
  }

  /** Whether the apiserver did not let the proxy act as the user, whom it therefore has not met. */
  #refusesProxy(status: ResponseStatus): boolean {
    const { impersonated, longRunning } = this.#exchange
    if (impersonated === undefined) return false
    return isRefusedProxy(status, impersonated, { prioritized: this.#prioritized, longRunning })
  }

  /** kube-apiserver leaves impersonatedUser out where it refused the impersonation itself. */
  #refusesImpersonation(status: ResponseStatus): boolean {
    const { authenticated, impersonation, longRunning } = this.#exchange
    if (authenticated === undefined || impersonation === undefined) return false
    const response = { status, prioritized: this.#prioritized, longRunning }
    return refusesImpersonation(response, authenticated.user.username, impersonation.target.username)
  }

  #impersonated(): void {
    const { impersonation } = this.#exchange
    // Without a name it is an error, whatever the apiserver calls it.
    if (impersonation === undefined || impersonation.asked.username === '') return
    this.#audit.setImpersonatedUser(impersonation.target)
  }
}

/** Who asks, whoever the request acts as. */
function userOf({ authenticated }: Exchange): string {
  return authenticated?.user.username ?? ''
}

const REFUSED = 'the apiserver did not let the proxy act as the user'

/**
 * Paths without a resource whose answers are API objects: discovery, and what a server says of itself
 * (k8s.io/apiserver/pkg/endpoints/discovery, pkg/server/flagz and statusz). Errors are, whatever the path.
 */
const OBJECT_PATHS = /^\/(?:apis?(?:\/.*)?|flagz|statusz)$/s

/**
 * Whether an error was written as JSON because the client accepts nothing that it could be encoded in
 * (k8s.io/apiserver/pkg/endpoints/handlers/responsewriters WriteObjectNegotiated, WriteRawJSON).
 */
function isRawJSON(contentType: string | undefined, accept: string | undefined): boolean {
  return encodingOf(contentType, false) === 'json' && !acceptsJSON(accept)
}

/** Whether the request asks for a token of a service account. */
function issuesToken({ verb, apiGroup, resource, subresource }: RequestInfo): boolean {
  return verb === 'create' && apiGroup === '' && resource === 'serviceaccounts' && subresource === 'token'
}

/** What k8s.io/apiserver/pkg/endpoints/handlers/create.go transformDecodeError and its like say. */
const UNDECODED = [
  ' cannot be handled as a ',
  'the object provided is unrecognized',
  "couldn't get version/kind",
  'the API version in the data (',
]
/** The options in the query are checked before the body is decoded. */
const INVALID_OPTIONS = /^(?:Create|Update)Options\.meta\.k8s\.io "" is invalid: /

/**
 * Whether kube-apiserver came to decode the request's body, which is when it completes the object reference from it. It
 * did not where the body made no object of the resource's kind. (A request that was refused unread is none of this
 * function's business.)
 */
function wasDecoded(status: ResponseStatus): boolean {
  const { code = 0, message = '' } = status
  if (code >= 400 && status.status === undefined) return false
  switch (code) {
    case 405:
    case 406:
    case 413:
    case 415:
      return false
    case 404:
      return !message.startsWith('the server could not find the requested resource')
    case 400:
      return !UNDECODED.some((words) => message.includes(words))
    case 422:
      return !INVALID_OPTIONS.test(message)
    default:
      return true
  }
}
