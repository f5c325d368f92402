import { ImpersonationError, ReservedExtra } from '../authentication/impersonation.js'
import { UnassertableIdentity } from '../upstream/identity.js'
import { ReviewError } from '../cluster/reviews.js'
import * as status from './status-error.js'

/** An answer of the proxy's own that takes the place of a request going upstream. */
export class Refused extends Error {
  constructor(readonly error: status.StatusError) {
    super(error.message)
  }
}

/** What the client is answered where a request may not go upstream; undefined for an error that is a bug. */
export function statusFor(err: unknown): status.StatusError | undefined {
  if (err instanceof Refused) return err.error
  if (err instanceof ReservedExtra) return status.forbidden(err.message)
  if (err instanceof ImpersonationError) return status.internalError(err.message)
  if (err instanceof UnassertableIdentity) return status.internalError(err.message)
  if (err instanceof ReviewError)
    return status.serviceUnavailable(
      'the impersonation could not be authorized: the apiserver did not answer',
    )
  return undefined
}
