import type { Authenticator, PresentedCredentials } from './authenticator.js'
import type { Socket } from 'node:net'
import type { Authenticated } from '../request/authenticated.js'
import { InvalidCredential } from './authenticator.js'
import { withAuthenticatedGroup } from './groups.js'
import { trimSpace } from '../request/trim-space.js'
import { networkOf } from '../request/ip.js'
import type { UserInfo } from '../request/user-info.js'

/** Who waits for the answer about a token, for those who can answer a few at a time only. */
export interface TokenBearer {
  /** What those have in common who wait for each other: an address, a user. */
  readonly flow: string
  /** Whether the token was good lately, or has a good signature: then it need not wait for those of strangers. */
  readonly known: boolean
}

/** Knows tokens. Undefined: the token is none that it knows. Throws AuthenticationUnavailable. */
export interface TokenAuthenticator {
  authenticateToken(token: string, bearer: TokenBearer): Promise<UserInfo | undefined>
}

/**
 * `Authorization: Bearer ...` (k8s.io/apiserver/pkg/authentication/request/bearertoken): a token that nobody knows is a
 * bad credential, not an absent one.
 */
export class BearerTokenAuthenticator implements Authenticator {
  readonly #tokens: TokenAuthenticator

  constructor(tokens: TokenAuthenticator) {
    this.#tokens = tokens
  }

  authenticate({ headers, socket }: PresentedCredentials): Promise<Authenticated> | undefined {
    const token = bearerToken(headers.get('authorization'))
    return token === undefined ? undefined : this.#verify(token, strangerOn(socket))
  }

  async #verify(token: string, bearer: TokenBearer): Promise<Authenticated> {
    const user = await this.#tokens.authenticateToken(token, bearer)
    if (user === undefined) throw new InvalidCredential('invalid bearer token')
    return { user: withAuthenticatedGroup(user), passage: 'forwarded', token: 'authorization' }
  }
}

/**
 * Whoever is at the other end of the connection: an address, and of IPv6 the network of 64 bits that a host chooses its
 * addresses in. Behind a load balancer that keeps no addresses, that is everybody.
 */
export function strangerOn({ remoteAddress = '' }: Pick<Socket, 'remoteAddress'>): TokenBearer {
  return { flow: networkOf(remoteAddress), known: false }
}

/** The token in an Authorization header's value; undefined where it holds no bearer token. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined
  const parts = trimSpace(authorization).split(' ', 3)
  if (parts.length < 2 || parts[0]?.toLowerCase() !== 'bearer') return undefined
  return parts[1] === '' ? undefined : parts[1]
}
