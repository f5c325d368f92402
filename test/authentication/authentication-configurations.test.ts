import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseAuthenticationConfiguration } from '../../src/authentication/authentication-config.js'
import { InvalidCredential } from '../../src/authentication/authenticator.js'
import { IssuersAuthenticator } from '../../src/authentication/issuers.js'
import { verifySignature } from '../../src/authentication/jwt.js'
import type { OIDCProvider } from '../../src/authentication/oidc-provider.js'
import { OIDCVerifier } from '../../src/authentication/oidc.js'
import { ConfigError } from '../../src/errors.js'
import type { UserInfo } from '../../src/request/user-info.js'
import { newSigningKey, signToken } from '../support/tokens.js'

/** What kube-apiserver 1.37.2 says to a file, and to tokens once it is loaded. */
interface Recorded {
  readonly name: string
  readonly config: string
  readonly error?: string
  readonly tokens?: readonly {
    readonly name: string
    /** Beside those that all have, which are missing if named in `without`. */
    readonly claims: Record<string, unknown>
    readonly without?: readonly string[]
    readonly user?: UserInfo
    readonly error?: string
  }[]
}

const file = new URL(
  '../../../test/authentication/recordings/authentication-configurations.json',
  import.meta.url,
)
const recorded = JSON.parse(readFileSync(file, 'utf8')) as Recorded[]
const COMMON = { iss: 'https://one.example', aud: 'kubernetes', exp: 4102444800, sub: 'alice' }
const SERVICE_ACCOUNT_ISSUER = 'https://kubernetes.default.svc'
const key = newSigningKey('ES256')

/** The provider's part: keys, which are known here. */
const provider = {
  verify: (token: string, algorithms: readonly string[]) => verifySignature(token, key.publicKey, algorithms),
  close: () => {},
} as unknown as OIDCProvider

function load(config: string): IssuersAuthenticator {
  const { issuers } = parseAuthenticationConfiguration(config, 'f')
  return new IssuersAuthenticator(
    new Map(
      issuers.map(({ issuerURL, rules }) => [issuerURL, new OIDCVerifier(provider, rules, () => Date.now())]),
    ),
  )
}

/** An empty list counts as none, as it does in Go. */
function plain({ groups, ...user }: UserInfo): UserInfo {
  return groups === undefined || groups.length === 0 ? user : { ...user, groups }
}

for (const { name, config, error, tokens = [] } of recorded) {
  // The loader of the flags and the file knows that one.
  if (config.includes(SERVICE_ACCOUNT_ISSUER)) continue
  await t.test(name, async (t) => {
    if (error !== undefined) {
      t.throws(() => parseAuthenticationConfiguration(config, 'f'), ConfigError, error)
      return
    }
    const issuers = load(config)
    for (const { name: tokenName, claims, without = [], user, error: refusal } of tokens) {
      const all = Object.entries({ ...COMMON, ...claims }).filter(([claim]) => !without.includes(claim))
      const found = issuers.authenticateToken(await signToken(key, Object.fromEntries(all)))
      if (user !== undefined) t.same(plain((await found) as UserInfo), user, tokenName)
      else if (refusal === 'no opinion') t.equal(await found, undefined, tokenName)
      else await t.rejects(found, InvalidCredential, `${tokenName}: ${refusal}`)
    }
  })
}
