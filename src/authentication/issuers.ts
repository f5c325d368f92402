import type { TokenAuthenticator } from './bearer-token.js'
import { readUnverified, type UnverifiedToken } from './jwt.js'
import type { UserInfo } from '../request/user-info.js'

/** Verifies the tokens of one issuer. */
export interface IssuerVerifier {
  /**
   * Who the token belongs to.
   *
   * @param unverified what the token says of itself, to choose by, not to believe
   * @throws InvalidCredential where it is no good, AuthenticationUnavailable where that could not be found out
   */
  verify(token: string, unverified: UnverifiedToken): Promise<UserInfo>
  /** Ends what the verifier keeps open. */
  close?(): void
}

const GOOGLE = 'https://accounts.google.com'

/**
 * JSON Web Tokens, verified by whoever knows their issuer (`iss`). A token of an unknown issuer, or that is no JWT, is
 * for others to know: k8s.io/kubernetes/pkg/serviceaccount/jwt.go and plugin/pkg/authenticator/token/oidc do the same
 * with one issuer each.
 */
export class IssuersAuthenticator implements TokenAuthenticator {
  #issuers: ReadonlyMap<string, IssuerVerifier>

  /** @param issuers by `iss`; closed by this authenticator */
  constructor(issuers: ReadonlyMap<string, IssuerVerifier>) {
    this.#issuers = issuers
  }

  authenticateToken(token: string): Promise<UserInfo | undefined> {
    if (this.#issuers.size === 0) return Promise.resolve(undefined)
    const unverified = readUnverified(token)
    const iss = unverified?.claims['iss']
    if (unverified === undefined || typeof iss !== 'string') return Promise.resolve(undefined)
    // Google's tokens may name it without the scheme (OpenID Connect Core 1.0 section 15.6.2).
    const issuer = this.#issuers.get(iss === 'accounts.google.com' ? GOOGLE : iss)
    return issuer === undefined ? Promise.resolve(undefined) : issuer.verify(token, unverified)
  }

  /** Takes these instead. Tokens that are being verified still are by the old ones. */
  replace(issuers: ReadonlyMap<string, IssuerVerifier>): void {
    const old = this.#issuers
    this.#issuers = issuers
    const kept = new Set(issuers.values())
    for (const issuer of old.values()) if (!kept.has(issuer)) issuer.close?.()
  }

  close(): void {
    this.replace(new Map())
  }
}
