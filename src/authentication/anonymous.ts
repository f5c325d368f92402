import type { Authenticated, Authenticator } from './authenticator.js'
import { ALL_UNAUTHENTICATED, ANONYMOUS } from './user.js'

/** k8s.io/apiserver/pkg/authentication/request/anonymous: whoever brings no credential. Last in the union. */
export class AnonymousAuthenticator implements Authenticator {
  authenticate(): Authenticated {
    return ANONYMOUS_USER
  }
}

const ANONYMOUS_USER: Authenticated = {
  user: { username: ANONYMOUS, groups: [ALL_UNAUTHENTICATED] },
  passage: 'none',
}
