import { InvalidCredential } from './authenticator.js'
import type { IssuerVerifier } from './issuers.js'
import { audiencesOf, checkTimes, checkType, claim, type Claims, type UnverifiedToken } from './jwt.js'
import type { OIDCProvider } from './oidc-provider.js'
import type { UserInfo } from '../request/user-info.js'

/** Which claim becomes what, and with what in front. */
export interface PrefixedClaim {
  readonly claim: string
  readonly prefix: string
}

/** How the tokens of one issuer become users. */
export interface OIDCRules {
  /** Of which a token must have one. */
  readonly audiences: readonly string[]
  readonly username: PrefixedClaim
  readonly groups: PrefixedClaim | undefined
  readonly uidClaim: string | undefined
  /** Claims that must be there with that text. */
  readonly requiredClaims: Readonly<Record<string, string>>
  readonly signingAlgorithms: readonly string[]
}

/** Seconds, as the library that kube-apiserver verifies with. */
const LEEWAY = { expiry: 0, notBefore: 60 }

/** ID tokens of an OpenID Connect provider (k8s.io/apiserver/plugin/pkg/authenticator/token/oidc). */
export class OIDCVerifier implements IssuerVerifier {
  /** @param now milliseconds since the epoch */
  constructor(
    private readonly provider: OIDCProvider,
    private readonly rules: OIDCRules,
    private readonly now: () => number,
  ) {}

  async verify(token: string, unverified: UnverifiedToken): Promise<UserInfo> {
    const { rules } = this
    checkType(unverified.header, ['jwt', 'at+jwt'])
    if (!rules.signingAlgorithms.includes(String(unverified.header['alg']))) {
      throw new InvalidCredential(
        'OIDC: the token is signed with another algorithm (alg) than --oidc-signing-algs has',
      )
    }
    // Before the signature, so that the provider is not asked for the keys of tokens that are no good anyway.
    this.checkClaims(unverified.claims)
    const claims = await this.provider.verify(token, rules.signingAlgorithms)
    this.checkClaims(claims)
    return userOf(claims, rules)
  }

  close(): void {
    this.provider.close()
  }

  private checkClaims(claims: Claims): void {
    checkTimes(claims, this.now(), LEEWAY)
    const audiences = audiencesOf(claims)
    if (!audiences.some((audience) => this.rules.audiences.includes(audience))) {
      throw new InvalidCredential('OIDC: the token is for another audience (aud)')
    }
  }
}

/**
 * The user that verified claims describe.
 *
 * @throws InvalidCredential
 */
export function userOf(claims: Claims, rules: OIDCRules): UserInfo {
  const { username, groups, uidClaim, requiredClaims } = rules
  const name = claim(claims, username.claim)
  if (typeof name !== 'string' || name === '') {
    throw new InvalidCredential(`OIDC: the claim ${username.claim} is no user name`)
  }
  if (username.claim === 'email') {
    const verified = claim(claims, 'email_verified')
    if (verified !== undefined && verified !== true)
      throw new InvalidCredential('OIDC: the email is not verified')
  }
  for (const [required, value] of Object.entries(requiredClaims)) {
    if (claim(claims, required) !== value) {
      throw new InvalidCredential(`OIDC: the claim ${required} is not the required one`)
    }
  }
  const uid = uidClaim === undefined ? undefined : claim(claims, uidClaim)
  if (uidClaim !== undefined && typeof uid !== 'string') {
    throw new InvalidCredential(`OIDC: the claim ${uidClaim} is no uid`)
  }
  return {
    username: username.prefix + name,
    ...(typeof uid === 'string' && uid !== '' ? { uid } : {}),
    ...(groups === undefined ? {} : { groups: groupsOf(claims, groups) }),
  }
}

/** A string or a list of strings; none where the claim is absent. */
function groupsOf(claims: Claims, { claim: name, prefix }: PrefixedClaim): string[] {
  const value = claim(claims, name)
  if (value === undefined || value === null) return []
  const groups: unknown = typeof value === 'string' ? [value] : value
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === 'string')) {
    throw new InvalidCredential(`OIDC: the claim ${name} is neither a string nor a list of strings`)
  }
  return groups.map((group) => prefix + group)
}
