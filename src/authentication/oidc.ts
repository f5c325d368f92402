import type { Program } from '../cel/program.js'
import type { InputObject } from '../cel/values.js'
import type { UserInfo } from '../request/user-info.js'
import { InvalidCredential } from './authenticator.js'
import { CREDENTIAL_ID, tokenCredentialID } from './credential-id.js'
import {
  checkClaims,
  checkUser,
  claimsInput,
  evaluateText,
  evaluateTexts,
  type ValidationRule,
} from './expressions.js'
import type { IssuerVerifier } from './issuers.js'
import { audiencesOf, checkTimes, checkType, claim, type Claims, type UnverifiedToken } from './jwt.js'
import type { OIDCProvider } from './oidc-provider.js'

/** Which claim becomes what, and with what in front. */
export interface PrefixedClaim {
  readonly claim: string
  readonly prefix: string
}

/** How the tokens of one issuer become users. */
export interface OIDCRules {
  /** Of which a token must have one. */
  readonly audiences: readonly string[]
  readonly username: PrefixedClaim | Program
  readonly groups: PrefixedClaim | Program | undefined
  readonly uid: Pick<PrefixedClaim, 'claim'> | Program | undefined
  readonly extra: readonly { readonly key: string; readonly program: Program }[]
  /** Claims that must be there with that text. */
  readonly requiredClaims: Readonly<Record<string, string>>
  readonly claimRules: readonly ValidationRule[]
  readonly userRules: readonly ValidationRule[]
  readonly signingAlgorithms: readonly string[]
}

/** What the --oidc-* flags have none of. */
export const NO_EXPRESSIONS: Pick<OIDCRules, 'uid' | 'extra' | 'claimRules' | 'userRules'> = {
  uid: undefined,
  extra: [],
  claimRules: [],
  userRules: [],
}

/** Seconds, as the library that kube-apiserver verifies with. */
const LEEWAY = { expiry: 0, notBefore: 60 }

/** ID tokens of an OpenID Connect provider (k8s.io/apiserver/plugin/pkg/authenticator/token/oidc). */
export class OIDCVerifier implements IssuerVerifier {
  readonly #provider: OIDCProvider
  readonly #rules: OIDCRules
  readonly #now: () => number

  /** @param now milliseconds since the epoch */
  constructor(provider: OIDCProvider, rules: OIDCRules, now: () => number) {
    this.#provider = provider
    this.#rules = rules
    this.#now = now
  }

  async verify(token: string, unverified: UnverifiedToken): Promise<UserInfo> {
    const rules = this.#rules
    checkType(unverified.header, ['jwt', 'at+jwt'])
    if (!rules.signingAlgorithms.includes(String(unverified.header['alg']))) {
      throw new InvalidCredential(
        'OIDC: the token is signed with another algorithm (alg) than --oidc-signing-algs has',
      )
    }
    // Before the signature, so that the provider is not asked for the keys of tokens that are no good anyway.
    this.#checkClaims(unverified.claims)
    const claims = await this.#provider.verify(token, rules.signingAlgorithms)
    this.#checkClaims(claims)
    return userOf(claims, rules)
  }

  close(): void {
    this.#provider.close()
  }

  #checkClaims(claims: Claims): void {
    checkTimes(claims, this.#now(), LEEWAY)
    const audiences = audiencesOf(claims)
    if (!audiences.some((audience) => this.#rules.audiences.includes(audience))) {
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
  const input = claimsInput(claims)
  const username = usernameOf(claims, input, rules.username)
  const groups = rules.groups === undefined ? undefined : groupsOf(claims, input, rules.groups)
  const uid = rules.uid === undefined ? '' : uidOf(claims, input, rules.uid)
  const mapped = rules.extra.flatMap(({ key, program }) => {
    const values = evaluateTexts(program, input, `the extra ${key}`)
    return values.length === 0 ? [] : [[key, values] as const]
  })
  const credentialID = tokenCredentialID(claim(claims, 'jti'))
  const own: readonly (readonly [string, string[]])[] =
    credentialID === undefined ? [] : [[CREDENTIAL_ID, [credentialID]]]
  const extra = [...own, ...mapped]
  for (const [required, value] of Object.entries(rules.requiredClaims)) {
    if (textOf(claims, required, 'the required one') !== value) {
      throw new InvalidCredential(`OIDC: the claim ${required} is not the required one`)
    }
  }
  const user: UserInfo = {
    username,
    ...(uid === '' ? {} : { uid }),
    ...(groups === undefined ? {} : { groups }),
    ...(extra.length === 0 ? {} : { extra: Object.fromEntries(extra) }),
  }
  checkClaims(rules.claimRules, input)
  checkUser(rules.userRules, user)
  return user
}

/** A claim as Go reads it into a string, for which null is none. */
function textOf(claims: Claims, name: string, what: string): string {
  const value = claim(claims, name)
  if (value === null) return ''
  if (typeof value !== 'string') throw new InvalidCredential(`OIDC: the claim ${name} is not ${what}`)
  return value
}

function usernameOf(claims: Claims, input: InputObject, rule: OIDCRules['username']): string {
  if (!('claim' in rule)) {
    const name = evaluateText(rule, input, 'the user name')
    if (name === '') throw new InvalidCredential('OIDC: the expression for the user name is empty')
    return name
  }
  const name = textOf(claims, rule.claim, 'a user name')
  if (rule.claim === 'email') {
    const verified = claim(claims, 'email_verified')
    if (verified !== undefined && verified !== true)
      throw new InvalidCredential('OIDC: the email is not verified')
  }
  return rule.prefix + name
}

function uidOf(claims: Claims, input: InputObject, rule: NonNullable<OIDCRules['uid']>): string {
  return 'claim' in rule ? textOf(claims, rule.claim, 'a uid') : evaluateText(rule, input, 'the uid')
}

function groupsOf(claims: Claims, input: InputObject, rule: NonNullable<OIDCRules['groups']>): string[] {
  return 'claim' in rule ? claimedGroups(claims, rule) : evaluateTexts(rule, input, 'the groups')
}

/** A string or a list of strings; none where the claim is absent. */
function claimedGroups(claims: Claims, { claim: name, prefix }: PrefixedClaim): string[] {
  const value = claim(claims, name)
  if (value === undefined || value === null) return []
  const groups: unknown = typeof value === 'string' ? [value] : value
  // Go reads null into an empty string.
  if (!Array.isArray(groups) || !groups.every((group) => group === null || typeof group === 'string')) {
    throw new InvalidCredential(`OIDC: the claim ${name} is neither a string nor a list of strings`)
  }
  return groups.map((group: string | null) => prefix + (group ?? ''))
}
