import { ReviewTurns, TooManyReviews, type TurnLimits } from '../cluster/review-turns.js'
import type { ReviewKind, ReviewMetrics } from '../cluster/review-metrics.js'
import type { RateLimitedLog } from '../rate-limited-log.js'
import type { UserInfo } from '../request/user-info.js'
import { AuthenticationUnavailable } from './authenticator.js'
import type { TokenAuthenticator, TokenBearer } from './bearer-token.js'

/**
 * A TokenReview takes an apiserver a millisecond or two where it knows the token itself, and a round trip where a webhook
 * of its own does: 32 at a time are as many in a second as k8s.io/apiserver lets a delegating component ask (QPS of 200
 * and Burst of 400 in pkg/server/options/authentication.go), even where each takes 80 ms. Whoever has no place after two
 * seconds would not wait much longer. Each process has these for itself.
 */
const UNKNOWN_TOKENS: TurnLimits = { inFlight: 32, waiting: 256, patience: 2000 }
/** As many can wait as the cache knows, so that in an outage it is the apiserver that they wait for. */
const KNOWN_TOKENS: TurnLimits = { inFlight: 64, waiting: 4096, patience: 10_000 }
/** Who impersonates has a name, and one request asks one thing after the other. */
const IMPERSONATION: TurnLimits = { inFlight: 32, waiting: 1024, patience: 10_000 }

/** So many tokens are being verified that this one was not: 503. */
export class TooManyTokens extends AuthenticationUnavailable {
  override name = 'TooManyTokens'
}

/** The turns that reviews take: those of known tokens do not wait for those of strangers, nor impersonation for either. */
export class Turns {
  readonly unknownTokens: ReviewTurns
  readonly knownTokens: ReviewTurns
  readonly impersonation: ReviewTurns

  /** @param problems is told of what was refused */
  constructor(metrics: (kind: ReviewKind) => ReviewMetrics, problems: RateLimitedLog) {
    const turns = (kind: ReviewKind, limits: TurnLimits): ReviewTurns => {
      const counted = metrics(kind)
      const refused = (): void => {
        counted.refused()
        problems.warn(kind, { kind }, 'too many reviews wait for the apiserver, requests are answered 503')
      }
      return new ReviewTurns(limits, { ...counted, refused })
    }
    this.unknownTokens = turns('unknown-token', UNKNOWN_TOKENS)
    this.knownTokens = turns('known-token', KNOWN_TOKENS)
    this.impersonation = turns('impersonation', IMPERSONATION)
  }
}

/** Has tokens reviewed by turns. */
export class ReviewsInTurn implements TokenAuthenticator {
  readonly #delegate: TokenAuthenticator
  readonly #turns: Pick<Turns, 'unknownTokens' | 'knownTokens'>

  constructor(delegate: TokenAuthenticator, turns: Pick<Turns, 'unknownTokens' | 'knownTokens'>) {
    this.#delegate = delegate
    this.#turns = turns
  }

  async authenticateToken(token: string, bearer: TokenBearer): Promise<UserInfo | undefined> {
    const { knownTokens, unknownTokens } = this.#turns
    const turns = bearer.known ? knownTokens : unknownTokens
    try {
      return await turns.take(bearer.flow, () => this.#delegate.authenticateToken(token, bearer))
    } catch (err) {
      throw err instanceof TooManyReviews ? new TooManyTokens(err.message) : err
    }
  }
}
