import { createHmac, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

/** The key that signs service accounts' tokens: its certificate, which everybody may know, and itself. */
export interface SigningKey {
  readonly cert: string
  readonly key: string
}

/** Makes a token that must not be taken from one that is good. */
export type Forge = (good: string, signing: SigningKey) => string

type Claims = Record<string, unknown>

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part: string | undefined): Claims =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString()) as Claims

/** A key of the forger's own. */
const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ownRSA = generateKeyPairSync('rsa', { modulusLength: 2048 })

function parts(good: string): { header: Claims; claims: Claims; signature: string } {
  const [header, claims, signature] = good.split('.')
  return { header: decode(header), claims: decode(claims), signature: signature ?? '' }
}

function unsigned(alg: string): Forge {
  return (good) => `${encode({ ...parts(good).header, alg })}.${encode(parts(good).claims)}.`
}

/** The signature of the good token, over other claims. */
function altered(change: (claims: Claims) => Claims): Forge {
  return (good) => {
    const { header, claims, signature } = parts(good)
    return `${encode(header)}.${encode(change(claims))}.${signature}`
  }
}

/** What everybody may know, taken for the secret of an HMAC. */
function confused(secret: (certificate: string) => string | Buffer, kid = true): Forge {
  return (good, { cert }) => {
    const { header, claims } = parts(good)
    const head = kid ? { ...header, alg: 'HS256' } : { alg: 'HS256', typ: 'JWT' }
    const input = `${encode(head)}.${encode(claims)}`
    return `${input}.${createHmac('sha256', secret(cert)).update(input).digest('base64url')}`
  }
}

function signedByForger(change: (header: Claims) => Claims, key: KeyObject = own.privateKey): Forge {
  return (good) => {
    const { header, claims } = parts(good)
    const input = `${encode(change(header))}.${encode(claims)}`
    return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
}

/** Signed as it should be, but not for this. */
function misused(change: (claims: Claims) => Claims): Forge {
  return (good, { key }) => {
    const { header, claims } = parts(good)
    const input = `${encode(header)}.${encode(change(claims))}`
    return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
}

const HOUR = 3600

function withSignature(signature: Buffer): Forge {
  return (good) => `${good.slice(0, good.lastIndexOf('.'))}.${signature.toString('base64url')}`
}

const spki = (certificate: string, format: 'pem' | 'der'): string | Buffer =>
  format === 'pem'
    ? createPublicKey(certificate).export({ type: 'spki', format })
    : createPublicKey(certificate).export({ type: 'spki', format })

export const forgedTokens: Readonly<Record<string, Forge>> = {
  'alg none': unsigned('none'),
  'alg None': unsigned('None'),
  'alg NONE': unsigned('NONE'),
  'no alg': (good) => `${encode({ typ: 'JWT' })}.${encode(parts(good).claims)}.`,
  'alg none with the signature': (good) =>
    `${encode({ ...parts(good).header, alg: 'none' })}.${encode(parts(good).claims)}.${parts(good).signature}`,
  'the signature left out': (good) => good.slice(0, good.lastIndexOf('.') + 1),
  'the signature and its dot left out': (good) => good.slice(0, good.lastIndexOf('.')),
  'the signature cut short': (good) => good.slice(0, -4),
  'a fourth part': (good) => `${good}.${parts(good).signature}`,
  'HS256 with the certificate as its secret': confused((certificate) => certificate),
  'HS256 with the public key in PEM as its secret': confused((certificate) => spki(certificate, 'pem')),
  'HS256 with the public key in DER as its secret': confused((certificate) => spki(certificate, 'der')),
  'HS256 with no kid': confused((certificate) => spki(certificate, 'pem'), false),
  'HS256 with an empty secret': confused(() => ''),
  "signed with the forger's key": signedByForger((header) => header),
  "signed with the forger's key, which comes along": signedByForger((header) => ({
    ...header,
    jwk: own.publicKey.export({ format: 'jwk' }),
  })),
  "signed with the forger's key, which has an address": signedByForger((header) => ({
    ...header,
    jku: 'https://127.0.0.1:1/jwks',
    x5u: 'https://127.0.0.1:1/cert',
  })),
  "signed with the forger's key, which is a file": signedByForger((header) => ({
    ...header,
    kid: '../../../../dev/null',
  })),
  "signed with the forger's RSA key": signedByForger(
    (header) => ({ ...header, alg: 'RS256' }),
    ownRSA.privateKey,
  ),
  'a signature of zeros': withSignature(Buffer.alloc(64)),
  'an empty signature in DER': withSignature(Buffer.from('3006020100020100', 'hex')),
  'another subject': altered((claims) => ({ ...claims, sub: 'system:serviceaccount:kube-system:admin' })),
  'another expiry': altered((claims) => ({ ...claims, exp: 4_000_000_000 })),
  'another issuer': altered((claims) => ({ ...claims, iss: 'https://evil.example' })),
  'duplicate claims': (good) => {
    const [header, claims, signature] = good.split('.') as [string, string, string]
    const text = Buffer.from(claims, 'base64url').toString()
    const twice = text.replace('{', '{"sub":"system:serviceaccount:kube-system:admin",')
    return `${header}.${Buffer.from(twice).toString('base64url')}.${signature}`
  },
  expired: misused((claims) => ({ ...claims, exp: Number(claims['iat']) - HOUR })),
  'not yet valid': misused((claims) => ({
    ...claims,
    nbf: Number(claims['exp']) + HOUR,
    exp: 4_000_000_000,
  })),
  'for another audience': misused((claims) => ({ ...claims, aud: ['https://elsewhere.example'] })),
  'of another issuer': misused((claims) => ({ ...claims, iss: 'https://elsewhere.example' })),
  'of an account that is not there': misused((claims) => ({
    ...claims,
    sub: 'system:serviceaccount:kube-system:nobody',
    'kubernetes.io': { namespace: 'kube-system', serviceaccount: { name: 'nobody', uid: 'x' } },
  })),
  'nothing but dots': () => '..',
  'not JSON': () => 'e30.bm90IEpTT04.AAAA',
  'deep JSON': () => `${Buffer.from('['.repeat(20_000)).toString('base64url')}.e30.AAAA`,
}
