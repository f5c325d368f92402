import type { UserInfo } from '../request/user-info.js'
import { InvalidCredential } from './authenticator.js'
import type { TokenAuthenticator } from './bearer-token.js'
import type { IssuerVerifier } from './issuers.js'
import type { UnverifiedToken } from './jwt.js'

/**
 * Verifies a service account token, and asks the apiserver whether it is one still: whether account, pod, node and Secret
 * exist is in etcd (k8s.io/kubernetes/pkg/serviceaccount). Whose it is, its signature has said.
 */
export class ServiceAccountLookup implements IssuerVerifier {
  readonly #verifier: IssuerVerifier
  readonly #reviews: TokenAuthenticator

  constructor(verifier: IssuerVerifier, reviews: TokenAuthenticator) {
    this.#verifier = verifier
    this.#reviews = reviews
  }

  async verify(token: string, unverified: UnverifiedToken): Promise<UserInfo> {
    const user = await this.#verifier.verify(token, unverified)
    const bearer = { flow: user.username, known: true }
    if ((await this.#reviews.authenticateToken(token, bearer)) === undefined)
      throw new InvalidCredential('the apiserver no longer knows the service account token')
    return user
  }
}
