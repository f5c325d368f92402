import { createHmac, randomBytes } from 'node:crypto'
import type { TokenAuthenticator, TokenBearer } from './bearer-token.js'
import type { UserInfo } from '../request/user-info.js'

interface Answer {
  readonly user: UserInfo | undefined
  /** Milliseconds since the epoch. */
  readonly until: number
}

export interface TokenCacheOptions {
  /** How long a user is remembered, in milliseconds. 0: not at all. */
  readonly successTTL: number
  /** How long it is remembered that a token is none, in milliseconds. 0: not at all. */
  readonly failureTTL: number
  /** Users kept at most, and as many tokens that are none; the one least recently used goes first. */
  readonly maxEntries: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * Remembers what a TokenAuthenticator said (k8s.io/apiserver/pkg/authentication/token/cache). Keys are keyed digests:
 * the cache never holds a token. One question per token is under way at a time, an answer never outlives the token's
 * own expiry, and a failure to answer is not remembered. Tokens that are none never take the place of users, and a token
 * that was good is asked about as a known one when its time is over.
 */
export class TokenCache implements TokenAuthenticator {
  readonly #key = randomBytes(32)
  /** Those whose time is over stay, as long as there is room: they say whom to let go first. */
  readonly #users = new Map<string, Answer>()
  readonly #strangers = new Map<string, Answer>()
  #asking = new Map<string, Promise<UserInfo | undefined>>()

  readonly #delegate: TokenAuthenticator
  readonly #options: TokenCacheOptions

  constructor(delegate: TokenAuthenticator, options: TokenCacheOptions) {
    this.#delegate = delegate
    this.#options = options
  }

  authenticateToken(token: string, bearer: TokenBearer): Promise<UserInfo | undefined> {
    const digest = createHmac('sha256', this.#key).update(token).digest('base64')
    const known = this.#users.get(digest)
    const hit = known ?? this.#strangers.get(digest)
    if (hit !== undefined && hit.until > this.#options.now()) {
      this.#remember(digest, hit)
      return Promise.resolve(hit.user)
    }
    let answer = this.#asking.get(digest)
    if (answer === undefined) {
      const asker = known === undefined ? bearer : { ...bearer, known: true }
      answer = this.#ask(token, asker, digest)
      this.#asking.set(digest, answer)
    }
    return answer
  }

  /** Forgets all answers, those that are still to come too: what the delegate knows has changed. */
  clear(): void {
    this.#users.clear()
    this.#strangers.clear()
    this.#asking = new Map()
  }

  async #ask(token: string, bearer: TokenBearer, digest: string): Promise<UserInfo | undefined> {
    const asking = this.#asking
    try {
      const user = await this.#delegate.authenticateToken(token, bearer)
      const { now, successTTL, failureTTL } = this.#options
      const until = Math.min(now() + (user === undefined ? failureTTL : successTTL), tokenExpiry(token))
      if (asking === this.#asking) this.#remember(digest, { user, until })
      return user
    } finally {
      asking.delete(digest)
    }
  }

  #remember(digest: string, answer: Answer): void {
    this.#users.delete(digest)
    this.#strangers.delete(digest)
    if (answer.user === undefined && answer.until <= this.#options.now()) return
    const answers = answer.user === undefined ? this.#strangers : this.#users
    answers.set(digest, answer)
    if (answers.size <= this.#options.maxEntries) return
    const oldest = answers.keys().next()
    if (oldest.done !== true) answers.delete(oldest.value)
  }
}

/**
 * When a token that looks like a JWT says it expires, in milliseconds since the epoch; far in the future otherwise. The
 * claim is not verified: it can only shorten a cache entry.
 */
function tokenExpiry(token: string): number {
  const parts = token.split('.')
  if (parts.length !== 3) return Number.MAX_SAFE_INTEGER
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] as string, 'base64url').toString('utf8'))
    const exp = (claims as { exp?: unknown } | null)?.exp
    return typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : Number.MAX_SAFE_INTEGER
  } catch {
    return Number.MAX_SAFE_INTEGER
  }
}
