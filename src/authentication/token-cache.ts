import { createHmac, randomBytes } from 'node:crypto'
import type { TokenAuthenticator } from './bearer-token.js'
import type { UserInfo } from '../request/user-info.js'

export interface TokenCacheOptions {
  /** How long a user is remembered, in milliseconds. 0: not at all. */
  readonly successTTL: number
  /** How long it is remembered that a token is none, in milliseconds. 0: not at all. */
  readonly failureTTL: number
  /** Answers kept at most; the one least recently used goes first. */
  readonly maxEntries: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * Remembers what a TokenAuthenticator said (k8s.io/apiserver/pkg/authentication/token/cache). Keys are keyed digests:
 * the cache never holds a token. One question per token is under way at a time, an answer never outlives the token's
 * own expiry, and a failure to answer is not remembered.
 */
export class TokenCache implements TokenAuthenticator {
  readonly #key = randomBytes(32)
  readonly #entries = new Map<string, { user: UserInfo | undefined; until: number }>()
  #asking = new Map<string, Promise<UserInfo | undefined>>()

  readonly #delegate: TokenAuthenticator
  readonly #options: TokenCacheOptions

  constructor(delegate: TokenAuthenticator, options: TokenCacheOptions) {
    this.#delegate = delegate
    this.#options = options
  }

  authenticateToken(token: string): Promise<UserInfo | undefined> {
    const digest = createHmac('sha256', this.#key).update(token).digest('base64')
    const hit = this.#entries.get(digest)
    if (hit !== undefined) {
      this.#entries.delete(digest)
      if (hit.until > this.#options.now()) {
        this.#entries.set(digest, hit)
        return Promise.resolve(hit.user)
      }
    }
    let answer = this.#asking.get(digest)
    if (answer === undefined) {
      answer = this.#ask(token, digest, this.#asking)
      this.#asking.set(digest, answer)
    }
    return answer
  }

  /** Forgets all answers, those that are still to come too: what the delegate knows has changed. */
  clear(): void {
    this.#entries.clear()
    this.#asking = new Map()
  }

  async #ask(token: string, digest: string, asking: Map<string, unknown>): Promise<UserInfo | undefined> {
    try {
      const user = await this.#delegate.authenticateToken(token)
      const { now, successTTL, failureTTL } = this.#options
      const until = Math.min(now() + (user === undefined ? failureTTL : successTTL), tokenExpiry(token))
      if (asking === this.#asking && until > now()) {
        this.#entries.set(digest, { user, until })
        if (this.#entries.size > this.#options.maxEntries) {
          const oldest = this.#entries.keys().next()
          if (oldest.done !== true) this.#entries.delete(oldest.value)
        }
      }
      return user
    } finally {
      asking.delete(digest)
    }
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
