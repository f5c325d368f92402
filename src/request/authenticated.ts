import type { UserInfo } from './user-info.js'

/**
 * How the identity reaches the apiserver. `forwarded`: the client's own bearer token goes along and the apiserver
 * authenticates it again. `asserted`: the credential ended here, so the proxy vouches for the identity. `none`: nothing
 * is sent and the apiserver sees an anonymous request.
 */
export type Passage = 'forwarded' | 'asserted' | 'none'

/** Where in a request a bearer token can be. */
export type TokenPlace = 'authorization' | 'websocket-protocol'

export type Authenticated =
  | {
      readonly user: UserInfo
      readonly passage: Exclude<Passage, 'forwarded'>
    }
  | {
      readonly user: UserInfo
      readonly passage: 'forwarded'
      /** Where the token was that made the user. One in another place may be somebody else's, and goes no further. */
      readonly token: TokenPlace
    }
