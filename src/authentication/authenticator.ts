import type { TLSSocket } from 'node:tls'
import type { ClientHeaders } from '../request/client-headers.js'
import type { RequestTarget } from '../request/request-target.js'
import type { UserInfo } from './user.js'

/** What an authenticator may look at. */
export interface Credentials {
  readonly headers: ClientHeaders
  /** The protocol that the client asks for, where it asks for an upgrade. */
  readonly upgradeProtocol?: string | undefined
  readonly socket: TLSSocket
  readonly target: Pick<RequestTarget, 'path'>
}

/**
 * How the identity reaches the apiserver. `forwarded`: the client's own bearer token goes along and the apiserver
 * authenticates it again. `asserted`: the credential ended here, so the proxy vouches for the identity. `none`: nothing
 * is sent and the apiserver sees an anonymous request.
 */
export type Passage = 'forwarded' | 'asserted' | 'none'

export interface Authenticated {
  readonly user: UserInfo
  readonly passage: Passage
}

/**
 * Learns who a request is from: k8s.io/apiserver/pkg/authentication/authenticator Request. Undefined means that it found
 * no credential of its kind. It throws InvalidCredential for a credential that is there and no good, and
 * AuthenticationUnavailable where it could not find out.
 */
export interface Authenticator {
  authenticate(credentials: Credentials): Authenticated | undefined | Promise<Authenticated | undefined>
}

/** A credential was given and is not valid: 401. The message goes to the proxy's log only. */
export class InvalidCredential extends Error {
  override name = 'InvalidCredential'
}

/** Whether the credential is valid could not be found out: 503, and never anonymous. */
export class AuthenticationUnavailable extends Error {
  override name = 'AuthenticationUnavailable'
}
