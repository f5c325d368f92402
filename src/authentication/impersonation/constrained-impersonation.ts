import { get, type ReviewClient } from '../../cluster/reviews.js'

/**
 * Milliseconds for which an answer holds: as long as the server itself remembers whom it has let impersonate
 * (k8s.io/apiserver/pkg/endpoints/filters/impersonation/cache.go).
 */
const TTL = 10_000

/** Asks for a group without a user, which every server refuses, and each filter in its own words. */
const NAMELESS = { 'impersonate-group': 'kube-audit-proxy.io/which-impersonation' }
/** processImpersonationHeaders of constrained_impersonation.go prints a user. */
const CONSTRAINED = 'requested &user.DefaultInfo{'
/** WithImpersonation prints object references: in a Status, or in the text of an internal error before 1.35. */
const UNCONSTRAINED = 'requested [{Group '

export type Support = 'on' | 'off' | 'unknown'

/**
 * Whether the server has constrained impersonation (KEP-5284). Its version does not tell, because there is a feature gate
 * (ConstrainedImpersonation: since 1.35, on by default since 1.36), and the gate is shown to nobody without permissions.
 * So the server is asked to do what it refuses before it authorizes anything, and the refusal tells which of the two
 * filters gave it. Whatever else it answers tells nothing.
 */
export class ConstrainedImpersonation {
  readonly #client: ReviewClient
  readonly #now: () => number
  #answer: Promise<Support> | undefined
  #until = 0

  /** @param now milliseconds since the epoch */
  constructor(client: ReviewClient, now: () => number) {
    this.#client = client
    this.#now = now
  }

  /** @throws ReviewError where the server does not answer */
  support(): Promise<Support> {
    if (this.#answer !== undefined && this.#now() < this.#until) return this.#answer
    const answer = this.#ask()
    this.#answer = answer
    this.#until = this.#now() + TTL
    answer.catch(() => {
      if (this.#answer === answer) this.#answer = undefined
    })
    return answer
  }

  async #ask(): Promise<Support> {
    const { statusCode, text } = await get(this.#client, '/version', NAMELESS)
    if (statusCode !== 400) return statusCode === 500 && text.includes(UNCONSTRAINED) ? 'off' : 'unknown'
    try {
      const { message } = JSON.parse(text) as { message?: unknown }
      if (typeof message !== 'string') return 'unknown'
      return message.startsWith(CONSTRAINED) ? 'on' : message.startsWith(UNCONSTRAINED) ? 'off' : 'unknown'
    } catch {
      return 'unknown'
    }
  }
}
