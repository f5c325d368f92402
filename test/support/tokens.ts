import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SignJWT, type JWTHeaderParameters, type JWTPayload } from 'jose'

/** A throwaway key that signs tokens. */
export interface SigningKey {
  readonly algorithm: string
  readonly id: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** PEM of the public key. */
  readonly publicPEM: string
}

export function newSigningKey(algorithm: 'RS256' | 'PS256' | 'ES256' | 'ES384' = 'RS256'): SigningKey {
  const { privateKey, publicKey } = algorithm.startsWith('ES')
    ? generateKeyPairSync('ec', { namedCurve: algorithm === 'ES256' ? 'P-256' : 'P-384' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return {
    algorithm,
    id: createHash('sha256').update(der).digest('base64url'),
    privateKey,
    publicKey,
    publicPEM: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  }
}

/** A signed token; the header names algorithm and key unless it says otherwise. */
export function signToken(
  key: SigningKey,
  claims: object,
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  return new SignJWT(claims as JWTPayload)
    .setProtectedHeader({ alg: key.algorithm, kid: key.id, ...header })
    .sign(key.privateKey)
}

/** A token whose parts are what they are given as, whoever signed it. */
export function rawToken(header: object, claims: object, signature = ''): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

/** The claims of a bound service account token, good for an hour from now. */
export function boundClaims(over: object = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: 'https://kubernetes.default.svc',
    aud: ['https://kubernetes.default.svc'],
    sub: 'system:serviceaccount:default:robot',
    iat: now,
    nbf: now,
    exp: now + 3600,
    'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'robot', uid: 'uid-robot' } },
    ...over,
  }
}

/** The claims of a legacy service account token. */
export function legacyClaims(over: object = {}): Record<string, unknown> {
  return {
    iss: 'kubernetes/serviceaccount',
    sub: 'system:serviceaccount:default:robot',
    'kubernetes.io/serviceaccount/namespace': 'default',
    'kubernetes.io/serviceaccount/secret.name': 'robot-token-1',
    'kubernetes.io/serviceaccount/service-account.name': 'robot',
    'kubernetes.io/serviceaccount/service-account.uid': 'uid-robot',
    ...over,
  }
}
