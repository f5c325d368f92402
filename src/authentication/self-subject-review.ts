import { createReview, ReviewError } from '../cluster/reviews.js'
import type { UpstreamConnections } from '../cluster/upstream-connections.js'
import { AuthenticationUnavailable } from './authenticator.js'
import type { TokenAuthenticator, TokenBearer } from './bearer-token.js'
import { TokenReviewRefused } from './token-review.js'
import { field, readUserInfo } from './read-user-info.js'
import { ANONYMOUS, type UserInfo } from '../request/user-info.js'

const PATH = '/apis/authentication.k8s.io/v1/selfsubjectreviews'

/**
 * Asks the apiserver, with the client's token and nothing of the proxy's, who it takes that client for (`kubectl auth
 * whoami`; Kubernetes 1.28). Every authenticated user may ask that (system:basic-user).
 */
export class SelfSubjectReviewAuthenticator implements TokenAuthenticator {
  readonly #bare: () => UpstreamConnections

  /** @param bare connections that carry no credentials of the proxy's */
  constructor(bare: () => UpstreamConnections) {
    this.#bare = bare
  }

  async authenticateToken(token: string): Promise<UserInfo | undefined> {
    // A token is one word; what is none must not become a header.
    if (!/^[\x21-\x7e]+$/.test(token)) return undefined
    let answer: unknown
    try {
      answer = await createReview(
        { connections: this.#bare(), authorization: () => Promise.resolve(`Bearer ${token}`) },
        PATH,
        { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      )
    } catch (err) {
      if (!(err instanceof ReviewError)) throw err
      if (err.status === 401) return undefined
      throw new AuthenticationUnavailable(`SelfSubjectReview: ${err.message}`)
    }
    const user = readUserInfo(field(field(answer, 'status'), 'userInfo'), 'SelfSubjectReview')
    return user.username === ANONYMOUS ? undefined : user
  }
}

/** How long a refusal of TokenReviews is believed, in milliseconds: somebody may grant the permission. */
const REFUSED_FOR = 60_000

/** TokenReviews, and SelfSubjectReviews for as long as the proxy may not create TokenReviews. */
export class ReviewFallback implements TokenAuthenticator {
  #refusedUntil = 0

  readonly #tokenReview: TokenAuthenticator
  readonly #selfSubjectReview: TokenAuthenticator
  readonly #now: () => number
  readonly #onRefused: (reason: string) => void

  /**
   * @param now milliseconds since the epoch
   * @param onRefused is told each time that the way is changed
   */
  constructor(
    tokenReview: TokenAuthenticator,
    selfSubjectReview: TokenAuthenticator,
    now: () => number,
    onRefused: (reason: string) => void,
  ) {
    this.#tokenReview = tokenReview
    this.#selfSubjectReview = selfSubjectReview
    this.#now = now
    this.#onRefused = onRefused
  }

  async authenticateToken(token: string, bearer: TokenBearer): Promise<UserInfo | undefined> {
    if (this.#now() >= this.#refusedUntil) {
      try {
        return await this.#tokenReview.authenticateToken(token, bearer)
      } catch (err) {
        if (!(err instanceof TokenReviewRefused)) throw err
        if (this.#now() >= this.#refusedUntil) this.#onRefused(err.message)
        this.#refusedUntil = this.#now() + REFUSED_FOR
      }
    }
    return this.#selfSubjectReview.authenticateToken(token, bearer)
  }
}
