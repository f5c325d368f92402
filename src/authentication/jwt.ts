import type { KeyObject } from 'node:crypto'
import { compactVerify, type CompactJWSHeaderParameters, type FlattenedJWSInput } from 'jose'
import type { webcrypto } from 'node:crypto'
import { InvalidCredential } from './authenticator.js'

export type Claims = Readonly<Record<string, unknown>>

/** Signing algorithms with a public and a private key: what a verifier holds can never sign. */
export const ASYMMETRIC_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
] as const

/** Longer texts are no tokens of ours. Bounds what is decoded of a token before its signature is verified, in characters. */
const MAX_TOKEN = 128 * 1024

/** The parts of a token as it describes itself. Nothing of it is verified. */
export interface UnverifiedToken {
  readonly header: Claims
  readonly claims: Claims
}

/** Takes a compact JWS apart without verifying it; undefined where the text is none. */
export function readUnverified(token: string): UnverifiedToken | undefined {
  if (token.length > MAX_TOKEN) return undefined
  const parts = token.split('.', 4)
  if (parts.length !== 3) return undefined
  const header = parseObject(Buffer.from(parts[0] as string, 'base64url').toString('utf8'))
  const claims = parseObject(Buffer.from(parts[1] as string, 'base64url').toString('utf8'))
  return header === undefined || claims === undefined ? undefined : { header, claims }
}

/** A key, or finds it by the token's header. */
export type VerificationKey =
  | KeyObject
  | webcrypto.CryptoKey
  | ((header: CompactJWSHeaderParameters, token: FlattenedJWSInput) => Promise<webcrypto.CryptoKey>)

/**
 * Verifies the signature and answers the claims.
 *
 * @param algorithms what `alg` may be; a token never chooses another
 * @throws whatever jose or the key finder throws
 */
export async function verifySignature(
  token: string,
  key: VerificationKey,
  algorithms: readonly string[],
): Promise<Claims> {
  const options = { algorithms: [...algorithms] }
  const { payload } =
    typeof key === 'function'
      ? await compactVerify(token, key as never, options)
      : await compactVerify(token, key, options)
  const claims = parseObject(Buffer.from(payload).toString('utf8'))
  if (claims === undefined) throw new InvalidCredential('the claims of the token are not a JSON object')
  return claims
}

/** @throws InvalidCredential where the token says that it is something else than a token to authenticate with */
export function checkType(header: Claims, allowed: readonly string[]): void {
  const { typ } = header
  if (typ === undefined) return
  const type = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : ''
  if (!allowed.includes(type)) throw new InvalidCredential('the token is of another type (typ)')
}

export interface Leeway {
  /** Seconds that clocks may differ, where a time has just passed or is about to come. */
  readonly expiry: number
  readonly notBefore: number
}

/**
 * Checks exp, nbf and iat. `exp` must be there.
 *
 * @param now milliseconds since the epoch
 * @throws InvalidCredential
 */
export function checkTimes(claims: Claims, now: number, leeway: Leeway): void {
  const seconds = now / 1000
  const exp = numericDate(claims, 'exp')
  if (exp === undefined) throw new InvalidCredential('the token has no expiry (exp)')
  if (seconds > exp + leeway.expiry) throw new InvalidCredential('the token has expired (exp)')
  checkNotBefore(claims, seconds, leeway.notBefore)
}

/** nbf and iat, of a token that need not expire. */
export function checkNotBefore(claims: Claims, seconds: number, leeway: number): void {
  for (const name of ['nbf', 'iat']) {
    const date = numericDate(claims, name)
    if (date !== undefined && date > seconds + leeway)
      throw new InvalidCredential(`the token is not valid yet (${name})`)
  }
}

/** Seconds since the epoch. */
export function numericDate(claims: Claims, name: string): number | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new InvalidCredential(`the token's ${name} is not a number`)
}

/** RFC 7519 section 4.1.3: one string or several. */
export function audiencesOf(claims: Claims): readonly string[] {
  const { aud } = claims
  if (aud === undefined) return []
  if (typeof aud === 'string') return [aud]
  if (Array.isArray(aud) && aud.every((one) => typeof one === 'string')) return aud
  throw new InvalidCredential('the audience of the token (aud) is neither a string nor a list of strings')
}

/** A claim of that object's own; what every JavaScript object has does not count. */
export function claim(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined
}

export function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(text: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
