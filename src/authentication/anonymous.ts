import type { Authenticated, Authenticator, Credentials } from './authenticator.js'
import { ALL_UNAUTHENTICATED, ANONYMOUS } from './user.js'

/**
 * Lets those in who bring no credential at all (k8s.io/apiserver/pkg/authentication/request/anonymous, behind
 * union.NewFailOnError: a credential that is no good never makes anyone anonymous).
 */
export class AnonymousFallback implements Authenticator {
  constructor(private readonly known: Authenticator) {}

  async authenticate(credentials: Credentials): Promise<Authenticated> {
    return (await this.known.authenticate(credentials)) ?? ANONYMOUS_USER
  }
}

const ANONYMOUS_USER: Authenticated = {
  user: { username: ANONYMOUS, groups: [ALL_UNAUTHENTICATED] },
  passage: 'none',
}
