import { createHash } from 'node:crypto'
import { reviewAccess, type AccessReview, type AccessVerdict } from '../../cluster/access-review.js'
import { ReviewError, type ReviewClient } from '../../cluster/reviews.js'
import type { ReviewTurns } from '../../cluster/review-turns.js'
import type { UserInfo } from '../../request/user-info.js'
import { forbidden, withoutUser, type ImpersonationForbidden } from './forbidden.js'
import { impersonatedUser, isNode, type Impersonation } from './headers.js'
import {
  constrainedPlans,
  unconstrainedPlan,
  type Mode,
  type ModePlan,
  type RequestAttributes,
  type Requirement,
} from './plan.js'
import { ConstrainedImpersonation } from './constrained-impersonation.js'

/** Users of whom it is remembered in which mode they impersonated last. */
const REMEMBERED = 10_000

/**
 * Says whether a user may impersonate, where the proxy impersonates and the apiserver therefore does not ask: by the
 * reviews that the apiserver would have made, in its order, and never more widely
 * (k8s.io/apiserver/pkg/endpoints/filters/impersonation/constrained_impersonation.go impersonationModesTracker).
 *
 * It asks at least one thing for each group and extra, as the apiserver does, but nothing twice for one request, and it
 * stops at the first that is refused in each mode. How many there can be, the size of a request's headers bounds, here as
 * there; how many at a time, the turns that users take.
 */
export class ImpersonationAuthorizer {
  readonly #client: ReviewClient
  readonly #turns: ReviewTurns
  readonly #server: ConstrainedImpersonation
  readonly #lastModes = new Map<string, Mode>()

  /** @param now milliseconds since the epoch */
  constructor(client: ReviewClient, turns: ReviewTurns, now: () => number) {
    this.#client = client
    this.#turns = turns
    this.#server = new ConstrainedImpersonation(client, now)
  }

  /**
   * Who the request acts as.
   *
   * @param asked what its Impersonate-* headers say
   * @throws ImpersonationInvalid where they name no user
   * @throws ImpersonationForbidden
   * @throws ReviewError where the apiserver does not answer
   * @throws TooManyReviews where it could not be asked
   */
  async authorize(requestor: UserInfo, asked: UserInfo, request: RequestAttributes): Promise<UserInfo> {
    if (asked.username === '') throw withoutUser(asked)
    // Where it is not known, those may impersonate who may on any server.
    const constrained = (await this.#server.support()) === 'on'
    const plans = constrained
      ? this.#lastFirst(requestor, constrainedPlans(requestor, asked, request))
      : [unconstrainedPlan(requestor, asked)]
    const ask = (review: AccessReview) =>
      this.#turns.take(requestor.username, () => reviewAccess(this.#client, review))
    const judge = new Judge(ask, constrained)
    let refusal: ImpersonationForbidden | undefined
    for (const { mode, requirements, target } of plans) {
      const refused = await judge.firstRefusal(requirements)
      if (refused === undefined) {
        this.#remember(requestor, mode)
        return target
      }
      refusal ??= refused
    }
    // There is always a plan, so that there is a refusal.
    throw refusal as ImpersonationForbidden
  }

  /**
   * The impersonation of a request that the apiserver authorizes, with the user that it gives on this server. A node's
   * group comes from the modes for nodes alone: on a server that has them, or may have, it is expected, though the server
   * may have let somebody impersonate as before.
   */
  async expect(impersonation: Impersonation): Promise<Impersonation> {
    const { asked } = impersonation
    if (!isNode(asked)) return impersonation
    try {
      if ((await this.#server.support()) !== 'off') return impersonation
    } catch (err) {
      if (!(err instanceof ReviewError)) throw err
      return impersonation
    }
    return { asked, target: impersonatedUser(asked) }
  }

  /** The mode that was granted last is tried first, so that who uses one alone is asked about no other. */
  #lastFirst(requestor: UserInfo, plans: readonly ModePlan[]): readonly ModePlan[] {
    const last = this.#lastModes.get(keyOf(requestor))
    return [...plans.filter(({ mode }) => mode === last), ...plans.filter(({ mode }) => mode !== last)]
  }

  #remember(requestor: UserInfo, mode: Mode): void {
    const key = keyOf(requestor)
    this.#lastModes.delete(key)
    this.#lastModes.set(key, mode)
    if (this.#lastModes.size <= REMEMBERED) return
    for (const oldest of this.#lastModes.keys()) {
      this.#lastModes.delete(oldest)
      return
    }
  }
}

/** Of one size, however long the name. */
function keyOf({ username }: UserInfo): string {
  return createHash('sha256').update(username).digest('base64')
}

/** Asks what one request needs to know, nothing twice. */
class Judge {
  readonly #review: (review: AccessReview) => Promise<AccessVerdict>
  readonly #constrained: boolean
  readonly #verdicts = new Map<string, AccessVerdict>()

  constructor(review: (review: AccessReview) => Promise<AccessVerdict>, constrained: boolean) {
    this.#review = review
    this.#constrained = constrained
  }

  /** Undefined where all requirements hold. */
  async firstRefusal(requirements: readonly Requirement[]): Promise<ImpersonationForbidden | undefined> {
    for (const requirement of requirements) {
      const refusal = await this.#refusal(requirement)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  async #refusal(requirement: Requirement): Promise<ImpersonationForbidden | undefined> {
    switch (requirement.kind) {
      case 'never':
        return forbidden(requirement.review, requirement.reason)
      case 'allowed':
        return this.#ask(requirement.review)
      case 'allowed-all': {
        if ((await this.#ask(requirement.all)) === undefined) return undefined
        for (const review of requirement.each) {
          const refusal = await this.#ask(review)
          if (refusal !== undefined) return refusal
        }
        return undefined
      }
    }
  }

  async #ask(review: AccessReview): Promise<ImpersonationForbidden | undefined> {
    const key = JSON.stringify(review)
    let verdict = this.#verdicts.get(key)
    if (verdict === undefined) {
      verdict = await this.#review(review)
      this.#verdicts.set(key, verdict)
    }
    const { allowed, reason, evaluationError } = verdict
    // Before constrained impersonation, an error was a refusal whatever else was found out, and not shown.
    if (!this.#constrained) return allowed && evaluationError === '' ? undefined : forbidden(review, reason)
    if (allowed) return undefined
    return forbidden(review, [evaluationError, reason].filter((text) => text !== '').join(': '))
  }
}
