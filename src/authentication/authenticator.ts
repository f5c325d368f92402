import type { Awaitable } from '../awaitable.js'
import type { TLSSocket } from 'node:tls'
import type { ClientHeaders } from '../request/client-headers.js'
import type { RequestTarget } from '../request/request-target.js'
import type { Authenticated } from '../request/authenticated.js'

/** What an authenticator may look at. */
export interface PresentedCredentials {
  readonly headers: ClientHeaders
  /** The protocol that the client asks for, where it asks for an upgrade. */
  readonly upgradeProtocol?: string | undefined
  readonly socket: TLSSocket
  readonly target: Pick<RequestTarget, 'path'>
}

/**
 * Learns who a request is from: k8s.io/apiserver/pkg/authentication/authenticator Request. Undefined means that it found
 * no credential of its kind. It throws InvalidCredential for a credential that is there and no good, and
 * AuthenticationUnavailable where it could not find out.
 */
export interface Authenticator {
  authenticate(credentials: PresentedCredentials): Awaitable<Authenticated | undefined>
}

/** A credential was given and is not valid: 401. The message goes to the proxy's log only. */
export class InvalidCredential extends Error {
  override name = 'InvalidCredential'
}

/** Whether the credential is valid could not be found out: 503, and never anonymous. */
export class AuthenticationUnavailable extends Error {
  override name = 'AuthenticationUnavailable'
}
