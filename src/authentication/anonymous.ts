import type { Awaitable } from '../awaitable.js'
import type { Authenticator, PresentedCredentials } from './authenticator.js'
import type { Authenticated } from '../request/authenticated.js'
import type { AnonymousRule } from './authentication-config.js'
import { ALL_UNAUTHENTICATED, ANONYMOUS } from '../request/user-info.js'

/**
 * Lets those in who bring no credential at all (k8s.io/apiserver/pkg/authentication/request/anonymous, behind
 * union.NewFailOnError: a credential that is no good never makes anyone anonymous).
 */
export class AnonymousFallback implements Authenticator {
  readonly #known: Authenticator
  #rule: AnonymousRule

  constructor(known: Authenticator, rule: AnonymousRule) {
    this.#known = known
    this.#rule = rule
  }

  replace(rule: AnonymousRule): void {
    this.#rule = rule
  }

  authenticate(credentials: PresentedCredentials): Awaitable<Authenticated | undefined> {
    const found = this.#known.authenticate(credentials)
    if (found instanceof Promise) return found.then((user) => user ?? this.#nobody(credentials))
    return found ?? this.#nobody(credentials)
  }

  #nobody(credentials: PresentedCredentials): Authenticated | undefined {
    const rule = this.#rule
    const allowed = typeof rule === 'boolean' ? rule : rule.paths.includes(credentials.target.path)
    return allowed ? ANONYMOUS_USER : undefined
  }
}

const ANONYMOUS_USER: Authenticated = {
  user: { username: ANONYMOUS, groups: [ALL_UNAUTHENTICATED] },
  passage: 'none',
}
