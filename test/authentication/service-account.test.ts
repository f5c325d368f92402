import { createHmac } from 'node:crypto'
import t from 'tap'
import { InvalidCredential } from '../../src/authentication/authenticator.js'
import { IssuersAuthenticator, type IssuerVerifier } from '../../src/authentication/issuers.js'
import {
  boundToken,
  LEGACY_ISSUER,
  legacyToken,
  parseServiceAccountKeys,
  ServiceAccountKeys,
  ServiceAccountVerifier,
} from '../../src/authentication/service-account.js'
import { ConfigError } from '../../src/errors.js'
import { PKI } from '../support/pki.js'
import { boundClaims, legacyClaims, newSigningKey, rawToken, signToken } from '../support/tokens.js'

const ISSUER = 'https://kubernetes.default.svc'
const rsa = newSigningKey('RS256')
const ec = newSigningKey('ES256')
const stranger = newSigningKey('RS256')
const now = Math.floor(Date.now() / 1000)

const keys = new ServiceAccountKeys(parseServiceAccountKeys(rsa.publicPEM + ec.publicPEM, 'keys'))
const authenticator = new IssuersAuthenticator(
  new Map<string, IssuerVerifier>([
    [ISSUER, new ServiceAccountVerifier(boundToken, keys, [ISSUER], Date.now)],
    [LEGACY_ISSUER, new ServiceAccountVerifier(legacyToken, keys, [ISSUER], Date.now)],
  ]),
)
const ROBOT = {
  username: 'system:serviceaccount:default:robot',
  uid: 'uid-robot',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:default'],
}

await t.test('tokens that are good', async (t) => {
  const kubernetes = boundClaims()['kubernetes.io'] as object
  const cases: [string, string, object][] = [
    ['bound', await signToken(rsa, boundClaims()), ROBOT],
    ['bound, signed with ECDSA', await signToken(ec, boundClaims()), ROBOT],
    ['without the name of its key', await signToken(ec, boundClaims(), { kid: undefined }), ROBOT],
    ['with typ', await signToken(rsa, boundClaims(), { typ: 'JWT' }), ROBOT],
    ['one audience as a string', await signToken(rsa, boundClaims({ aud: ISSUER })), ROBOT],
    ['without audience', await signToken(rsa, boundClaims({ aud: undefined })), ROBOT],
    ['legacy', await signToken(rsa, legacyClaims()), ROBOT],
    [
      'of a pod, as Kubernetes 1.20 issues it',
      await signToken(rsa, boundClaims({ 'kubernetes.io': { ...kubernetes, pod: { name: 'p', uid: 'u' } } })),
      {
        ...ROBOT,
        extra: {
          'authentication.kubernetes.io/pod-name': ['p'],
          'authentication.kubernetes.io/pod-uid': ['u'],
        },
      },
    ],
    [
      'of a pod on a node, as Kubernetes 1.30 issues it',
      await signToken(
        rsa,
        boundClaims({
          jti: 'id-1',
          'kubernetes.io': { ...kubernetes, pod: { name: 'p', uid: 'u' }, node: { name: 'n', uid: 'v' } },
        }),
      ),
      {
        ...ROBOT,
        extra: {
          'authentication.kubernetes.io/pod-name': ['p'],
          'authentication.kubernetes.io/pod-uid': ['u'],
          'authentication.kubernetes.io/credential-id': ['JTI=id-1'],
          'authentication.kubernetes.io/node-name': ['n'],
          'authentication.kubernetes.io/node-uid': ['v'],
        },
      },
    ],
  ]
  for (const [name, token, user] of cases) t.same(await authenticator.authenticateToken(token), user, name)
})

await t.test('tokens that are not', async (t) => {
  const hs256 = (secret: string) => {
    const unsigned = rawToken({ alg: 'HS256', typ: 'JWT' }, boundClaims()).slice(0, -1)
    return `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`
  }
  const good = await signToken(rsa, boundClaims())
  const [head, , signature] = good.split('.') as [string, string, string]
  const forged = Buffer.from(
    JSON.stringify(boundClaims({ sub: 'system:serviceaccount:kube-system:admin' })),
  ).toString('base64url')
  const bound = (over: object) => signToken(rsa, boundClaims(over))
  const cases: [string, string][] = [
    ['alg none', rawToken({ alg: 'none' }, boundClaims())],
    ['alg none with a signature', rawToken({ alg: 'none' }, boundClaims(), signature)],
    ['HS256 with the public key as the secret', hs256(rsa.publicPEM)],
    ['HS256 with the public key, trimmed', hs256(rsa.publicPEM.trim())],
    ['another algorithm of the same key', await signToken({ ...rsa, algorithm: 'PS256' }, boundClaims())],
    ['another key', await signToken(stranger, boundClaims())],
    ["another key under this key's name", await signToken(stranger, boundClaims(), { kid: rsa.id })],
    ['claims of another signature', `${head}.${forged}.${signature}`],
    ['no signature', good.slice(0, good.lastIndexOf('.') + 1)],
    ['a typ of another kind', await signToken(rsa, boundClaims(), { typ: 'logout+jwt' })],
    [
      'a critical header',
      await signToken(rsa, boundClaims()).then((s) =>
        s.replace(
          /^[^.]+/,
          Buffer.from(JSON.stringify({ alg: 'RS256', crit: ['x'], x: 1 })).toString('base64url'),
        ),
      ),
    ],
    ['expired', await bound({ exp: now - 61 })],
    ['no expiry', await bound({ exp: undefined })],
    ['an expiry that is no number', await bound({ exp: '9999999999' })],
    ['not before', await bound({ nbf: now + 300 })],
    ['issued in the future', await bound({ iat: now + 300 })],
    ['another audience', await bound({ aud: ['vault'] })],
    ['an audience that is none', await bound({ aud: { a: ISSUER } })],
    ['another subject than account', await bound({ sub: 'system:serviceaccount:default:other' })],
    ['no subject', await bound({ sub: undefined })],
    ['no account', await bound({ 'kubernetes.io': undefined })],
    [
      'a legacy token without secret',
      await signToken(rsa, legacyClaims({ 'kubernetes.io/serviceaccount/secret.name': '' })),
    ],
    [
      'a legacy token of another subject',
      await signToken(rsa, legacyClaims({ sub: 'system:serviceaccount:kube-system:robot' })),
    ],
    ['a legacy token that is expired', await signToken(rsa, legacyClaims({ exp: now - 3600 }))],
    ['a legacy token of another key', await signToken(stranger, legacyClaims())],
    ['a bound token as a legacy one', await signToken(rsa, boundClaims({ iss: LEGACY_ISSUER }))],
    ['a legacy token as a bound one', await signToken(rsa, legacyClaims({ iss: ISSUER, exp: now + 60 }))],
  ]
  for (const [name, token] of cases)
    await t.rejects(authenticator.authenticateToken(token), InvalidCredential, name)
})

await t.test('tokens that others may know', async (t) => {
  for (const token of [
    await signToken(rsa, boundClaims({ iss: 'https://elsewhere' })),
    await signToken(rsa, boundClaims({ iss: undefined })),
    'opaque',
    'a.b.c',
    '..',
    rawToken({}, []),
    'x'.repeat(1 << 20),
    `${'a'.repeat(200_000)}.${'b'.repeat(200_000)}.c`,
  ]) {
    t.equal(await authenticator.authenticateToken(token), undefined, token.slice(0, 40))
  }
})

await t.test('keys replaced', async (t) => {
  const token = await signToken(stranger, boundClaims())
  await t.rejects(authenticator.authenticateToken(token), InvalidCredential)
  keys.replace(parseServiceAccountKeys(stranger.publicPEM, 'keys'))
  t.same(await authenticator.authenticateToken(token), ROBOT)
  await t.rejects(authenticator.authenticateToken(await signToken(rsa, boundClaims())), InvalidCredential)
})

await t.test('key files', (t) => {
  const ca = new PKI(t.testdir()).ca('sa')
  t.equal(parseServiceAccountKeys(ca.cert, 'f')[0]?.algorithm, 'ES256', 'a certificate')
  t.equal(parseServiceAccountKeys(ca.key, 'f')[0]?.key.type, 'public', 'the public half of a private key')
  t.equal(parseServiceAccountKeys(`text\n${rsa.publicPEM}more\n${ec.publicPEM}`, 'f').length, 2)
  t.equal(parseServiceAccountKeys(rsa.publicPEM, 'f')[0]?.id, rsa.id)
  for (const bad of [
    '',
    'no key',
    rsa.publicPEM.replace(/A/g, 'B'),
    '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----',
  ]) {
    t.throws(() => parseServiceAccountKeys(bad, '--service-account-key-file: f'), ConfigError)
  }
  t.end()
})
