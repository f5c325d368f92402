import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { errors } from 'jose'
import { ConfigError } from '../errors.js'
import { InvalidCredential } from './authenticator.js'
import { CREDENTIAL_ID, tokenCredentialID } from './credential-id.js'
import type { IssuerVerifier } from './issuers.js'
import {
  audiencesOf,
  checkNotBefore,
  checkTimes,
  checkType,
  claim,
  isObject,
  verifySignature,
  type Claims,
  type UnverifiedToken,
} from './jwt.js'
import type { UserInfo } from '../request/user-info.js'

/** The issuer of tokens that live in Secrets (k8s.io/kubernetes/pkg/serviceaccount/legacy.go). */
export const LEGACY_ISSUER = 'kubernetes/serviceaccount'

/** A public key that signs service account tokens. */
export interface ServiceAccountKey {
  readonly key: KeyObject
  readonly algorithm: string
  /** What kube-apiserver writes into the `kid` of tokens that this key signs. */
  readonly id: string
}

/** Seconds that clocks may differ (jwt.DefaultLeeway of kube-apiserver's JOSE library). */
const LEEWAY = 60
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g
const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

/**
 * The public keys of a PEM text with public keys, certificates or private keys, of which the public half is taken
 * (k8s.io/client-go/util/keyutil ParsePublicKeysPEM). Other blocks are skipped.
 *
 * @param where flag and file, for messages
 * @throws ConfigError where there is none
 */
export function parseServiceAccountKeys(pem: string, where: string): ServiceAccountKey[] {
  const keys: ServiceAccountKey[] = []
  for (const [block] of pem.matchAll(PEM_BLOCK)) {
    let key: KeyObject
    try {
      key = createPublicKey(block)
    } catch {
      continue
    }
    const algorithm =
      key.asymmetricKeyType === 'rsa'
        ? 'RS256'
        : key.asymmetricKeyType === 'ec'
          ? CURVES[key.asymmetricKeyDetails?.namedCurve ?? '']
          : undefined
    if (algorithm === undefined) continue
    if (algorithm === 'RS256' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) {
      throw new ConfigError(`${where}: has an RSA key of less than 2048 bits, expected a longer one`)
    }
    const der = key.export({ type: 'spki', format: 'der' })
    keys.push({ key, algorithm, id: createHash('sha256').update(der).digest('base64url') })
  }
  if (keys.length === 0) {
    throw new ConfigError(
      `${where}: no RSA or ECDSA key found, expected PEM with public keys or certificates`,
    )
  }
  return keys
}

/** The keys of all issuers of service account tokens, which a reload can replace. */
export class ServiceAccountKeys {
  #keys: readonly ServiceAccountKey[]

  constructor(keys: readonly ServiceAccountKey[]) {
    this.#keys = keys
  }

  replace(keys: readonly ServiceAccountKey[]): void {
    this.#keys = keys
  }

  /** Those that may have signed: the one that is named, or all where none has that name. */
  candidates(id: unknown): readonly ServiceAccountKey[] {
    const named = this.#keys.filter((key) => key.id === id)
    return named.length > 0 ? named : this.#keys
  }
}

/**
 * Checks the times of a kind of token, and says whose it is.
 *
 * @param now milliseconds since the epoch
 * @throws InvalidCredential
 */
export type TokenKind = (claims: Claims, now: number) => UserInfo

/** Tokens of one kind, signed with one of the keys and meant for the apiserver. */
export class ServiceAccountVerifier implements IssuerVerifier {
  readonly #kind: TokenKind
  readonly #keys: ServiceAccountKeys
  readonly #audiences: readonly string[]
  readonly #now: () => number

  /**
   * @param audiences of which a token must have one (--api-audiences)
   * @param now milliseconds since the epoch
   */
  constructor(kind: TokenKind, keys: ServiceAccountKeys, audiences: readonly string[], now: () => number) {
    this.#kind = kind
    this.#keys = keys
    this.#audiences = audiences
    this.#now = now
  }

  async verify(token: string, unverified: UnverifiedToken): Promise<UserInfo> {
    const claims = await verifyWithAny(token, unverified, this.#keys)
    checkAudience(claims, this.#audiences)
    return this.#kind(claims, this.#now())
  }
}

/**
 * Tokens that the TokenRequest API issues and that are bound to a time, an audience and mostly to a pod
 * (k8s.io/kubernetes/pkg/serviceaccount/claims.go). Whether the account and the pod still exist is for
 * ServiceAccountLookup to find out.
 */
export const boundToken: TokenKind = (claims, now) => {
  checkTimes(claims, now, { expiry: LEEWAY, notBefore: LEEWAY })
  const bound = claim(claims, 'kubernetes.io')
  if (!isObject(bound)) throw new InvalidCredential('the service account token names no service account')
  const account = reference(bound, 'serviceaccount')
  const user = serviceAccountUser(claims, text(bound, 'namespace'), account.name, account.uid)
  const extra = boundExtra(claims, bound)
  return Object.keys(extra).length === 0 ? user : { ...user, extra }
}

/** Tokens without expiry and audience, each in a Secret (k8s.io/kubernetes/pkg/serviceaccount/legacy.go). */
export const legacyToken: TokenKind = (claims, now) => {
  if (claim(claims, 'exp') !== undefined) checkTimes(claims, now, { expiry: LEEWAY, notBefore: LEEWAY })
  else checkNotBefore(claims, now / 1000, LEEWAY)
  const part = (name: string): string => text(claims, `kubernetes.io/serviceaccount/${name}`)
  if (part('secret.name') === '')
    throw new InvalidCredential('the legacy service account token names no secret')
  const uid = part('service-account.uid')
  if (uid === '') throw new InvalidCredential('the legacy service account token has no uid')
  return serviceAccountUser(claims, part('namespace'), part('service-account.name'), uid)
}

async function verifyWithAny(
  token: string,
  { header }: UnverifiedToken,
  keys: ServiceAccountKeys,
): Promise<Claims> {
  checkType(header, ['jwt'])
  for (const { key, algorithm } of keys.candidates(header['kid'])) {
    try {
      return await verifySignature(token, key, [algorithm])
    } catch (err) {
      if (!(err instanceof errors.JOSEError)) throw err
    }
  }
  throw new InvalidCredential(
    'the signature of the service account token is not of any --service-account-key-file',
  )
}

/** A token without an audience is for the apiserver. */
function checkAudience(claims: Claims, accepted: readonly string[]): void {
  const audiences = audiencesOf(claims)
  if (audiences.length > 0 && !audiences.some((audience) => accepted.includes(audience))) {
    throw new InvalidCredential('the service account token is for another audience (aud)')
  }
}

function serviceAccountUser(claims: Claims, namespace: string, name: string, uid: string): UserInfo {
  const username = `system:serviceaccount:${namespace}:${name}`
  if (namespace === '' || name === '' || text(claims, 'sub') !== username) {
    throw new InvalidCredential(
      'the subject of the service account token (sub) is not the account that it names',
    )
  }
  return {
    username,
    ...(uid === '' ? {} : { uid }),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
  }
}

/**
 * What kube-apiserver adds of a bound token: the pod since 1.11; the node and the token's own id since 1.30, which is
 * also when it began to write them into tokens, so that older tokens have none
 * (k8s.io/apiserver/pkg/authentication/serviceaccount/util.go ServiceAccountInfo.UserInfo).
 */
function boundExtra(claims: Claims, bound: Claims): Record<string, string[]> {
  const extra: Record<string, string[]> = {}
  const pod = reference(bound, 'pod')
  if (pod.name !== '' && pod.uid !== '') {
    extra['authentication.kubernetes.io/pod-name'] = [pod.name]
    extra['authentication.kubernetes.io/pod-uid'] = [pod.uid]
  }
  const credentialID = tokenCredentialID(claim(claims, 'jti'))
  if (credentialID !== undefined) extra[CREDENTIAL_ID] = [credentialID]
  const node = reference(bound, 'node')
  if (node.name !== '') {
    extra['authentication.kubernetes.io/node-name'] = [node.name]
    if (node.uid !== '') extra['authentication.kubernetes.io/node-uid'] = [node.uid]
  }
  return extra
}

function reference(bound: Claims, field: string): { name: string; uid: string } {
  const value = claim(bound, field)
  return isObject(value) ? { name: text(value, 'name'), uid: text(value, 'uid') } : { name: '', uid: '' }
}

/** The text of a claim; empty where it is absent or none. */
function text(claims: Claims, name: string): string {
  const value = claim(claims, name)
  return typeof value === 'string' ? value : ''
}
