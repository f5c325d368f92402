import type { UserInfo } from '../request/user-info.js'
import { InvalidCredential } from './authenticator.js'
import type { TokenAuthenticator, TokenBearer } from './bearer-token.js'

/** k8s.io/cluster-bootstrap/token/api BootstrapTokenPattern: the id, which is in the name of the user as well, and the secret. */
const BOOTSTRAP_TOKEN = /^([a-z0-9]{6})\.[a-z0-9]{16}$/
const USER_PREFIX = 'system:bootstrap:'

/**
 * Knows what its delegate knows, but for bootstrap tokens: who may come with those is for --enable-bootstrap-token-auth to
 * say. A token that only looks like one has another user
 * (k8s.io/kubernetes/plugin/pkg/auth/authenticator/token/bootstrap).
 */
export class WithoutBootstrapTokens implements TokenAuthenticator {
  readonly #delegate: TokenAuthenticator
  readonly #onRefused: () => void
  #refused = false

  /** @param onRefused is told when the first one is refused that the apiserver knows */
  constructor(delegate: TokenAuthenticator, onRefused: () => void) {
    this.#delegate = delegate
    this.#onRefused = onRefused
  }

  async authenticateToken(token: string, bearer: TokenBearer): Promise<UserInfo | undefined> {
    const user = await this.#delegate.authenticateToken(token, bearer)
    const id = BOOTSTRAP_TOKEN.exec(token)?.[1]
    if (id === undefined || user?.username !== USER_PREFIX + id) return user
    if (!this.#refused) this.#onRefused()
    this.#refused = true
    throw new InvalidCredential('bootstrap tokens are not accepted without --enable-bootstrap-token-auth')
  }
}
