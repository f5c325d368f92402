import { AuthenticationUnavailable, InvalidCredential } from './authenticator.js'
import type { TokenAuthenticator, TokenBearer } from './bearer-token.js'
import type { UserInfo } from '../request/user-info.js'

/**
 * Asks each in turn until one knows the token. One that finds it bad or cannot say does not stop the others
 * (k8s.io/apiserver/pkg/authentication/token/union).
 */
export class TokenUnion implements TokenAuthenticator {
  readonly #authenticators: readonly TokenAuthenticator[]

  constructor(authenticators: readonly TokenAuthenticator[]) {
    this.#authenticators = authenticators
  }

  async authenticateToken(token: string, bearer: TokenBearer): Promise<UserInfo | undefined> {
    let failure: Error | undefined
    for (const authenticator of this.#authenticators) {
      try {
        const user = await authenticator.authenticateToken(token, bearer)
        if (user !== undefined) return user
      } catch (err) {
        if (!(err instanceof InvalidCredential || err instanceof AuthenticationUnavailable)) throw err
        if (failure === undefined || err instanceof AuthenticationUnavailable) failure = err
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }
}
