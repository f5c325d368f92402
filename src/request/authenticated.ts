import type { UserInfo } from './user-info.js'

/**
 * How the identity reaches the apiserver. `forwarded`: the client's own bearer token goes along and the apiserver
 * authenticates it again. `asserted`: the credential ended here, so the proxy vouches for the identity. `none`: nothing
 * is sent and the apiserver sees an anonymous request.
 */
export type Passage = 'forwarded' | 'asserted' | 'none'

export interface Authenticated {
  readonly user: UserInfo
  readonly passage: Passage
}
