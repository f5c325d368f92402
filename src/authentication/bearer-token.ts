import type { Authenticator, PresentedCredentials } from './authenticator.js'
import type { Authenticated } from '../request/authenticated.js'
import { InvalidCredential } from './authenticator.js'
import { withAuthenticatedGroup } from './groups.js'
import { trimSpace } from '../request/trim-space.js'
import type { UserInfo } from '../request/user-info.js'

/** Knows tokens. Undefined: the token is none that it knows. Throws AuthenticationUnavailable. */
export interface TokenAuthenticator {
  authenticateToken(token: string): Promise<UserInfo | undefined>
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

  authenticate({ headers }: PresentedCredentials): Promise<Authenticated> | undefined {
    const token = bearerToken(headers.get('authorization'))
    return token === undefined ? undefined : this.#verify(token)
  }

  async #verify(token: string): Promise<Authenticated> {
    const user = await this.#tokens.authenticateToken(token)
    if (user === undefined) throw new InvalidCredential('invalid bearer token')
    return { user: withAuthenticatedGroup(user), passage: 'forwarded', token: 'authorization' }
  }
}

/** The token in an Authorization header's value; undefined where it holds no bearer token. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined
  const parts = trimSpace(authorization).split(' ', 3)
  if (parts.length < 2 || parts[0]?.toLowerCase() !== 'bearer') return undefined
  return parts[1] === '' ? undefined : parts[1]
}
