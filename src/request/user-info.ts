/** Who a request is from: k8s.io/api/authentication/v1 UserInfo, as an audit event shows it. */
export interface UserInfo {
  readonly username: string
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/** The well-known names of k8s.io/apiserver/pkg/authentication/user. */
export const ANONYMOUS = 'system:anonymous'
export const ALL_AUTHENTICATED = 'system:authenticated'
export const ALL_UNAUTHENTICATED = 'system:unauthenticated'

/** k8s.io/apiserver/pkg/endpoints/filters/authentication.go isAnonymousUser. */
export function isAnonymous({ username, groups }: UserInfo): boolean {
  return username === ANONYMOUS || groups?.includes(ALL_UNAUTHENTICATED) === true
}
