import type { Awaitable } from '../awaitable.js'
import type { Authenticated, TokenPlace } from '../request/authenticated.js'
import type { UserInfo } from '../request/user-info.js'
import { impersonationIdentity, requestHeaderIdentity } from './identity.js'
import type { ReviewClient } from '../cluster/reviews.js'
import type { UpstreamConnections } from '../cluster/upstream-connections.js'

/** How a request travels upstream. */
export interface Route {
  readonly connections: UpstreamConnections
  /** Headers that the proxy adds: name, value, ... */
  readonly added: readonly string[]
  /** Where the client's own bearer token is that goes along; undefined: none does. */
  readonly keepToken: TokenPlace | undefined
  readonly keepImpersonation: boolean
}

/** How identities whose credential ends at the proxy are asserted upstream. */
export interface IdentityAsserter {
  /**
   * True where the proxy itself impersonates: then it must ask whether the user's own Impersonate-* headers are allowed,
   * and no such header goes upstream as it came.
   */
  readonly impersonates: boolean
  /** @throws UnassertableIdentity */
  route(user: UserInfo): Awaitable<Route>
}

/** Identities as X-Remote-* headers over connections with the front-proxy certificate. */
export class RequestHeaderAsserter implements IdentityAsserter {
  readonly impersonates = false

  /** A user who was recognised once is one object for many requests. */
  readonly #headers = new WeakMap<UserInfo, readonly string[]>()

  readonly #connections: () => UpstreamConnections

  /** @param connections those of now, with the front-proxy certificate */
  constructor(connections: () => UpstreamConnections) {
    this.#connections = connections
  }

  route(user: UserInfo): Route {
    let added = this.#headers.get(user)
    if (added === undefined) this.#headers.set(user, (added = requestHeaderIdentity(user)))
    return {
      connections: this.#connections(),
      added,
      keepToken: undefined,
      keepImpersonation: true,
    }
  }
}

/** Identities as Impersonate-* headers over connections with the kubeconfig's own credentials. */
export class ImpersonatingAsserter implements IdentityAsserter {
  readonly impersonates = true

  readonly #own: ReviewClient

  constructor(own: ReviewClient) {
    this.#own = own
  }

  async route(user: UserInfo): Promise<Route> {
    const added = impersonationIdentity(user)
    // Taken together, so that no credential travels over the connections of a kubeconfig that has replaced its own.
    const { connections } = this.#own
    const authorization = await this.#own.authorization()
    if (authorization !== undefined) added.push('Authorization', authorization)
    return { connections, added, keepToken: undefined, keepImpersonation: false }
  }
}

/**
 * The upstream kube-apiserver. Requests whose credential the apiserver verifies itself, or that have none, travel over
 * connections that carry no credential of the proxy's; only asserted identities take the asserter's connections.
 */
export class Upstream {
  readonly #bare: () => UpstreamConnections

  /** @param bare the connections of now that carry no credential of the proxy's */
  constructor(
    bare: () => UpstreamConnections,
    readonly asserter: IdentityAsserter,
  ) {
    this.#bare = bare
  }

  /** @throws UnassertableIdentity */
  route(authenticated: Authenticated): Awaitable<Route> {
    if (authenticated.passage === 'asserted') return this.asserter.route(authenticated.user)
    return {
      connections: this.#bare(),
      added: [],
      keepToken: authenticated.passage === 'forwarded' ? authenticated.token : undefined,
      keepImpersonation: true,
    }
  }
}
