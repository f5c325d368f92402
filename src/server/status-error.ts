import { escapeJSON } from '../audit/escape-json.js'
import type { ResponseStatus } from '../audit/event.js'

/** An error that the proxy itself answers, as the metav1.Status that kube-apiserver would send. */
export interface StatusError {
  readonly code: number
  /** Undefined: as of Go's errors that are no Status of their own. */
  readonly reason?: string
  readonly message: string
  readonly retryAfterSeconds?: number
  /** metav1.StatusDetails, but for the seconds. */
  readonly details?: {
    readonly name?: string
    readonly group?: string
    readonly kind?: string
    readonly causes?: readonly { readonly message: string }[]
  }
}

/** k8s.io/apimachinery/pkg/api/errors NewUnauthorized, as endpoints/filters/authentication.go Unauthorized uses it. */
export const UNAUTHORIZED: StatusError = { code: 401, reason: 'Unauthorized', message: 'Unauthorized' }

/** k8s.io/apimachinery/pkg/api/errors NewBadRequest. */
export function badRequest(message: string): StatusError {
  return { code: 400, reason: 'BadRequest', message }
}

/** For what net/http refuses with a line of text (server.go errTooLarge). */
export function headersTooLarge(): StatusError {
  return { code: 431, reason: 'BadRequest', message: 'the request headers are too large' }
}

/** The words and the second of k8s.io/apiserver/pkg/server/filters/maxinflight.go tooManyRequests, as a Status. */
export function tooManyRequests(): StatusError {
  return {
    code: 429,
    reason: 'TooManyRequests',
    message: 'Too many requests, please try again later.',
    retryAfterSeconds: 1,
  }
}

/** k8s.io/apimachinery/pkg/api/errors NewInternalError. */
export function internalError(message: string): StatusError {
  return { code: 500, reason: 'InternalError', message: `Internal error occurred: ${message}` }
}

/** k8s.io/apimachinery/pkg/api/errors NewServiceUnavailable, with the second to wait that clients honour. */
export function serviceUnavailable(message: string): StatusError {
  return { code: 503, reason: 'ServiceUnavailable', message, retryAfterSeconds: 1 }
}

/** The request went upstream and has no answer. Without a time to wait: client-go would send it again by itself. */
export function outcomeUnknown(message: string): StatusError {
  return { code: 503, reason: 'ServiceUnavailable', message: `${message}: ${MAY_HAVE_HAPPENED}` }
}

/**
 * k8s.io/apimachinery/pkg/api/errors NewTimeoutError, in the words of k8s.io/apiserver/pkg/server/filters/timeout.go.
 * @param sent whether the request went upstream
 */
export function timeout(sent: boolean): StatusError {
  return {
    code: 504,
    reason: 'Timeout',
    message: 'Timeout: request did not complete within the allotted timeout',
    details: sent ? { causes: [{ message: MAY_HAVE_HAPPENED }] } : {},
  }
}

/** What kube-apiserver answers and logs where the body of a request breaks off: the error of Go's reader. */
export const UNEXPECTED_EOF: StatusError = { code: 500, message: 'unexpected EOF' }

const MAY_HAVE_HAPPENED = 'the request may have been carried out'

/** k8s.io/apimachinery/pkg/api/errors NewForbidden, but for the message. */
export function forbidden(message: string, details?: StatusError['details']): StatusError {
  return { code: 403, reason: 'Forbidden', message, ...(details === undefined ? {} : { details }) }
}

/** The Status as the JSON that goes over the wire, ended by a newline as kube-apiserver ends it. */
export function statusBody(error: StatusError): string {
  return `${statusJSON(error)}\n`
}

/** The Status as one line of JSON. */
export function statusJSON(error: StatusError): string {
  return JSON.stringify({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: error.message,
    reason: error.reason,
    details: detailsOf(error),
    code: error.code,
  })
}

/** What an event's responseStatus says of the Status. */
export function responseStatusOf(error: StatusError): ResponseStatus {
  const details = detailsOf(error)
  return {
    status: 'Failure',
    message: error.message,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
    code: error.code,
    ...(details === undefined ? {} : { details: escapeJSON(JSON.stringify(details)) }),
  }
}

function detailsOf({ details, retryAfterSeconds }: StatusError): object | undefined {
  if (details === undefined && retryAfterSeconds === undefined) return undefined
  return { ...details, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
}
