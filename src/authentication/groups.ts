import { ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS, type UserInfo } from '../request/user-info.js'

/** k8s.io/apiserver/pkg/authentication/group AuthenticatedGroupAdder: adds system:authenticated where it belongs. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  const groups = user.groups ?? []
  if (
    user.username === ANONYMOUS ||
    groups.includes(ALL_AUTHENTICATED) ||
    groups.includes(ALL_UNAUTHENTICATED)
  ) {
    return user
  }
  return { ...user, groups: [...groups, ALL_AUTHENTICATED] }
}
