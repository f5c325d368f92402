import { ImpersonationForbidden, ImpersonationInvalid } from '../authentication/impersonation/forbidden.js'
import { ReservedExtra } from '../authentication/impersonation/headers.js'
import { TooManyReviews } from '../cluster/review-turns.js'
import { ReviewError } from '../cluster/reviews.js'
import { RecordingRefused } from '../sessions/recorder.js'
import { UnassertableIdentity } from '../upstream/identity.js'
import * as status from './status-error.js'

/** What the client is answered where a request may not go upstream; undefined for an error that is a bug. */
export function statusFor(err: unknown): status.StatusError | undefined {
  if (err instanceof ImpersonationForbidden) return status.forbidden(err.message, err.details)
  if (err instanceof ImpersonationInvalid) return status.badRequest(err.message)
  if (err instanceof ReservedExtra) return status.forbidden(err.message)
  if (err instanceof RecordingRefused) return status.internalError(err.message)
  if (err instanceof UnassertableIdentity) return status.internalError(err.message)
  if (err instanceof TooManyReviews)
    return status.serviceUnavailable(
      'the impersonation was not authorized: too many others are being asked about',
    )
  if (err instanceof ReviewError)
    return status.serviceUnavailable(
      'the impersonation could not be authorized: the apiserver did not answer',
    )
  return undefined
}
