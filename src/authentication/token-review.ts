import { createReview, ReviewError, type ReviewClient } from '../cluster/reviews.js'
import { AuthenticationUnavailable } from './authenticator.js'
import type { TokenAuthenticator } from './bearer-token.js'
import { field, readUserInfo } from './read-user-info.js'
import type { UserInfo } from '../request/user-info.js'

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews'

/** The apiserver does not let the proxy create TokenReviews (403), or has none (404). */
export class TokenReviewRefused extends AuthenticationUnavailable {
  override name = 'TokenReviewRefused'
}

/**
 * Asks the apiserver who a token belongs to (k8s.io/apiserver/plugin/pkg/authenticator/token/webhook), with the proxy's
 * own credentials.
 */
export class TokenReviewAuthenticator implements TokenAuthenticator {
  readonly #client: ReviewClient

  constructor(client: ReviewClient) {
    this.#client = client
  }

  async authenticateToken(token: string): Promise<UserInfo | undefined> {
    let answer: unknown
    try {
      answer = await createReview(this.#client, PATH, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token },
      })
    } catch (err) {
      if (!(err instanceof ReviewError)) throw err
      const message = `TokenReview: ${err.message}`
      if (err.status === 403 || err.status === 404) throw new TokenReviewRefused(message)
      throw new AuthenticationUnavailable(message)
    }
    const status = field(answer, 'status')
    if (field(status, 'authenticated') !== true) return undefined
    return readUserInfo(field(status, 'user'), 'TokenReview')
  }
}
