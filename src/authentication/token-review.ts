import { createReview, ReviewError, type ReviewClient } from '../upstream/reviews.js'
import { AuthenticationUnavailable } from './authenticator.js'
import type { TokenAuthenticator } from './bearer-token.js'
import type { UserInfo } from './user.js'

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews'

/**
 * Asks the apiserver who a token belongs to (k8s.io/apiserver/plugin/pkg/authenticator/token/webhook), with the proxy's
 * own credentials.
 */
export class TokenReviewAuthenticator implements TokenAuthenticator {
  constructor(private readonly client: ReviewClient) {}

  async authenticateToken(token: string): Promise<UserInfo | undefined> {
    let answer: unknown
    try {
      answer = await createReview(this.client, PATH, {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token },
      })
    } catch (err) {
      if (err instanceof ReviewError) throw new AuthenticationUnavailable(`TokenReview: ${err.message}`)
      throw err
    }
    const status = field(answer, 'status')
    if (field(status, 'authenticated') !== true) return undefined
    return readUser(field(status, 'user'))
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

function readUser(user: unknown): UserInfo {
  const username = field(user, 'username')
  if (typeof username !== 'string' || username === '') {
    throw new AuthenticationUnavailable(
      'TokenReview: the apiserver authenticated the token but named no user',
    )
  }
  const uid = field(user, 'uid')
  const extra = readExtra(field(user, 'extra'))
  return {
    username,
    ...(typeof uid === 'string' && uid !== '' ? { uid } : {}),
    groups: strings(field(user, 'groups')),
    ...(extra === undefined ? {} : { extra }),
  }
}

function readExtra(value: unknown): Record<string, string[]> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value).map(([key, values]) => [key, strings(values)] as const)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : []
}
