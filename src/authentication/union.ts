import type { Authenticated, Authenticator, Credentials } from './authenticator.js'
import { AuthenticationUnavailable, InvalidCredential } from './authenticator.js'

/**
 * Asks each authenticator in turn until one knows the user. A credential that one of them finds bad does not stop the
 * others, but when none knows the user it makes the request fail, so that it never becomes anonymous
 * (k8s.io/apiserver/pkg/authentication/request/union, composed as pkg/kubeapiserver/authenticator/config.go does).
 */
export class UnionAuthenticator implements Authenticator {
  constructor(private readonly authenticators: readonly Authenticator[]) {}

  async authenticate(credentials: Credentials): Promise<Authenticated | undefined> {
    let failure: Error | undefined
    for (const authenticator of this.authenticators) {
      try {
        const found = await authenticator.authenticate(credentials)
        if (found !== undefined) return found
      } catch (err) {
        if (!(err instanceof InvalidCredential || err instanceof AuthenticationUnavailable)) throw err
        // "Could not find out" outweighs "no good": the client should try again rather than drop its credential.
        if (failure === undefined || err instanceof AuthenticationUnavailable) failure = err
      }
    }
    if (failure !== undefined) throw failure
    return undefined
  }
}
