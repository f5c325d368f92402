import type { Awaitable } from '../awaitable.js'
import type { Authenticator, PresentedCredentials } from './authenticator.js'
import type { Authenticated } from '../request/authenticated.js'
import { AuthenticationUnavailable, InvalidCredential } from './authenticator.js'

/**
 * Asks each authenticator in turn until one knows the user. A credential that one of them finds bad does not stop the
 * others, but when none knows the user it makes the request fail, so that it never becomes anonymous
 * (k8s.io/apiserver/pkg/authentication/request/union, composed as pkg/kubeapiserver/authenticator/config.go does).
 */
export class UnionAuthenticator implements Authenticator {
  readonly #authenticators: readonly Authenticator[]

  constructor(authenticators: readonly Authenticator[]) {
    this.#authenticators = authenticators
  }

  /** A promise only where one of them has to ask somebody: most requests come over a connection that is known. */
  authenticate(credentials: PresentedCredentials): Awaitable<Authenticated | undefined> {
    return this.#ask(credentials, 0, undefined)
  }

  /** Asks the authenticators from the one at `next` on. */
  #ask(
    credentials: PresentedCredentials,
    next: number,
    failure: Error | undefined,
  ): Awaitable<Authenticated | undefined> {
    let worst = failure
    for (let i = next; i < this.#authenticators.length; i++) {
      try {
        const found = this.#authenticators[i]?.authenticate(credentials)
        if (found instanceof Promise) {
          return found.then(
            (user) => user ?? this.#ask(credentials, i + 1, worst),
            (err: unknown) => this.#ask(credentials, i + 1, worse(worst, err)),
          )
        }
        if (found !== undefined) return found
      } catch (err) {
        worst = worse(worst, err)
      }
    }
    if (worst !== undefined) throw worst
    return undefined
  }
}

/** "Could not find out" outweighs "no good": the client should try again rather than drop its credential. */
function worse(failure: Error | undefined, err: unknown): Error {
  if (!(err instanceof InvalidCredential || err instanceof AuthenticationUnavailable)) throw err
  return failure === undefined || err instanceof AuthenticationUnavailable ? err : failure
}
