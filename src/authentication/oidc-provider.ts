import { createLocalJWKSet, errors, type JWK, type LocalJWKSet } from 'jose'
import type { Logger } from 'pino'
import { Agent, request } from 'undici'
import { errorMessage } from '../errors.js'
import { AuthenticationUnavailable, InvalidCredential } from './authenticator.js'
import { shownURL } from '../url-text.js'
import { isObject, verifySignature, type Claims } from './jwt.js'

export interface OIDCProviderOptions {
  /** As in `iss`, and as the discovery document must repeat it. */
  readonly issuerURL: string
  /** Where the discovery document is, if not in its well-known place below issuerURL. */
  readonly discoveryURL: string | undefined
  /** PEM; undefined: the authorities that Node.js trusts. */
  readonly ca: string | undefined
  readonly log: Logger
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Keys are asked for again when they are this old, in milliseconds; until the answer is there the old ones are used. */
const KEYS_FRESH_FOR = 10 * 60_000
/** Keys that could not be renewed for this long are no longer believed. */
const KEYS_USED_FOR = 24 * 3600_000
/** Between two questions to the provider, whatever tokens come in. As kube-apiserver between its attempts to start. */
const COOLDOWN = 10_000
/** For one document. */
const TIMEOUT = 10_000
const MAX_DOCUMENT = 1 << 20

/**
 * An OpenID Connect provider: its signing keys, found by discovery and renewed as it rotates them. It asks the provider at
 * most every ten seconds, one question at a time; a token with an unknown key waits for the answer, one with a known key
 * does not.
 */
export class OIDCProvider {
  readonly #agent: Agent
  #keys: LocalJWKSet | undefined
  #fetchedAt = 0
  #askAgainAt = 0
  #asking: Promise<void> | undefined
  #failure = 'the keys have not been asked for'

  readonly #options: OIDCProviderOptions

  constructor(options: OIDCProviderOptions) {
    this.#options = options
    const { ca } = options
    this.#agent = new Agent({
      connections: 1,
      connect: { ...(ca === undefined ? {} : { ca }), timeout: TIMEOUT },
      headersTimeout: TIMEOUT,
      bodyTimeout: TIMEOUT,
      keepAliveTimeout: 1000,
      maxResponseSize: MAX_DOCUMENT,
    })
  }

  /**
   * Verifies a token's signature and answers its claims.
   *
   * @throws InvalidCredential, or AuthenticationUnavailable where there are no keys
   */
  async verify(token: string, algorithms: readonly string[]): Promise<Claims> {
    const { now } = this.#options
    if (this.#keys === undefined || now() - this.#fetchedAt > KEYS_USED_FOR) await this.#refresh()
    else if (now() - this.#fetchedAt > KEYS_FRESH_FOR) void this.#refresh()
    const keys = this.#keys
    if (keys === undefined || now() - this.#fetchedAt > KEYS_USED_FOR) {
      throw new AuthenticationUnavailable(`OIDC issuer ${this.#options.issuerURL}: ${this.#failure}`)
    }
    const claims = await verifyWith(keys, token, algorithms)
    if (claims !== undefined) return claims
    // The provider may have rotated its keys.
    await this.#refresh()
    const renewed = this.#keys === keys ? undefined : await verifyWith(this.#keys, token, algorithms)
    if (renewed === undefined)
      throw new InvalidCredential('OIDC: the signature of the token is of no key of its issuer')
    return renewed
  }

  /** Begins to ask for the keys, so that the first token need not wait. */
  start(): void {
    void this.#refresh()
  }

  close(): void {
    this.#askAgainAt = Number.MAX_SAFE_INTEGER
    void this.#agent.destroy()
  }

  /** Asks for the keys unless that was done a moment ago. Failures are remembered, not thrown. */
  #refresh(): Promise<void> {
    const { log, now, issuerURL } = this.#options
    if (this.#asking !== undefined) return this.#asking
    if (now() < this.#askAgainAt) return Promise.resolve()
    this.#askAgainAt = now() + COOLDOWN
    this.#asking = this.#fetchKeys()
      .catch((err: unknown) => {
        if (this.#askAgainAt === Number.MAX_SAFE_INTEGER) return
        this.#failure = describe(err)
        log.error({ issuer: issuerURL, reason: this.#failure }, 'cannot get the keys of the OIDC issuer')
      })
      .finally(() => (this.#asking = undefined))
    return this.#asking
  }

  async #fetchKeys(): Promise<void> {
    const { issuerURL, discoveryURL, now } = this.#options
    const wellKnown = `${issuerURL.replace(/\/$/, '')}/.well-known/openid-configuration`
    const discovery = await this.#getJSON(discoveryURL ?? wellKnown)
    const { issuer, jwks_uri: keysURL } = discovery
    if (issuer !== issuerURL) {
      const found = typeof issuer === 'string' ? shownURL(issuer) : 'none'
      throw new Error(`the discovery document is of another issuer: ${found}`)
    }
    if (typeof keysURL !== 'string' || !keysURL.startsWith('https://')) {
      throw new Error('the discovery document has no jwks_uri with https')
    }
    const { keys } = await this.#getJSON(keysURL)
    if (!isList(keys)) throw new Error(`${keysURL}: is no JSON Web Key Set`)
    this.#keys = createLocalJWKSet({ keys: keys.filter(isSigningKey) })
    this.#fetchedAt = now()
  }

  async #getJSON(url: string): Promise<Claims> {
    const { statusCode, body } = await request(url, {
      dispatcher: this.#agent,
      headers: { accept: 'application/json', 'user-agent': 'kube-audit-proxy' },
      signal: AbortSignal.timeout(TIMEOUT),
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`${url}: answered ${statusCode}`)
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw new Error(`${url}: the answer is not JSON`)
    }
    if (!isObject(value)) throw new Error(`${url}: the answer is not a JSON object`)
    return value
  }
}

/** Public keys for signatures. Anything else in the set is none of ours; one odd key must not spoil the others. */
function isSigningKey(key: unknown): key is JWK {
  return isObject(key) && (key['kty'] === 'RSA' || key['kty'] === 'EC') && (key['use'] ?? 'sig') === 'sig'
}

/** Undefined where another key might do. */
async function verifyWith(
  keys: LocalJWKSet | undefined,
  token: string,
  algorithms: readonly string[],
): Promise<Claims | undefined> {
  if (keys === undefined) return undefined
  try {
    return await verifySignature(token, keys, algorithms)
  } catch (err) {
    if (err instanceof errors.JWKSMultipleMatchingKeys) {
      // Keys without a name: each may be the one.
      for await (const key of err) {
        try {
          return await verifySignature(token, key, algorithms)
        } catch (inner) {
          if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw asInvalid(inner)
        }
      }
      return undefined
    }
    if (err instanceof errors.JWKSNoMatchingKey || err instanceof errors.JWSSignatureVerificationFailed) {
      return undefined
    }
    throw asInvalid(err)
  }
}

function asInvalid(err: unknown): unknown {
  return err instanceof errors.JOSEError || err instanceof TypeError
    ? new InvalidCredential(`OIDC: ${errorMessage(err)}`)
    : err
}

function describe(err: unknown): string {
  const { code } = err as { code?: string }
  return code === undefined ? errorMessage(err) : `${code}: ${errorMessage(err)}`
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}
