import { createHmac } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import t from 'tap'
import { AuthenticationUnavailable, InvalidCredential } from '../../src/authentication/authenticator.js'
import { IssuersAuthenticator } from '../../src/authentication/issuers.js'
import { OIDCProvider } from '../../src/authentication/oidc-provider.js'
import { NO_EXPRESSIONS, OIDCVerifier, type OIDCRules } from '../../src/authentication/oidc.js'
import { memoryLog } from '../support/log.js'
import { OIDCIssuer } from '../support/oidc-issuer.js'
import { PKI } from '../support/pki.js'
import { newSigningKey, rawToken, signToken } from '../support/tokens.js'

const pki = new PKI(t.testdir())
const ca = pki.ca('issuer-ca')
const serving = pki.issue(ca, { name: 'issuer', cn: 'issuer', ip: ['127.0.0.1'], usage: 'server' })
const first = newSigningKey()
const second = newSigningKey()

/** A real provider behind HTTPS, and the verifier of its tokens with a clock that the test turns. */
async function setUp(
  t: { teardown(f: () => unknown): void },
  over: Partial<OIDCRules> = {},
  trusted = ca.cert,
) {
  const issuer = await OIDCIssuer.start(serving, first)
  let ahead = 0
  const now = () => Date.now() + ahead
  const { log, lines } = memoryLog()
  const provider = new OIDCProvider({ issuerURL: issuer.url, discoveryURL: undefined, ca: trusted, log, now })
  const rules: OIDCRules = {
    audiences: ['kubernetes'],
    username: { claim: 'sub', prefix: 'oidc:' },
    groups: { claim: 'groups', prefix: '' },
    ...NO_EXPRESSIONS,
    requiredClaims: {},
    signingAlgorithms: ['RS256'],
    ...over,
  }
  const issuers = new IssuersAuthenticator(new Map([[issuer.url, new OIDCVerifier(provider, rules, now)]]))
  t.teardown(async () => {
    issuers.close()
    await issuer.stop()
  })
  return {
    issuer,
    lines,
    authenticate: (token: string) => issuers.authenticateToken(token),
    pass: (ms: number) => (ahead += ms),
  }
}

const ALICE = { username: 'oidc:alice', groups: ['dev'] }

await t.test('a good token, and what makes it a bad one', async (t) => {
  const { issuer, authenticate } = await setUp(t)
  const seconds = Math.floor(Date.now() / 1000)
  t.same(await authenticate(await issuer.token()), ALICE)
  t.same(await authenticate(await issuer.token({ aud: ['other', 'kubernetes'] })), ALICE)
  t.same(await authenticate(await issuer.token({}, { kid: undefined })), ALICE)
  t.same(await authenticate(await issuer.token({ jti: '' })), ALICE)
  t.same(await authenticate(await issuer.token({ jti: 7 })), ALICE, 'an id that is no text is none')
  const asked = issuer.asked.length
  const unsigned = rawToken({ alg: 'HS256', kid: first.id }, issuer.claims()).slice(0, -1)
  const good = await issuer.token()
  const bad: [string, string][] = [
    ['alg none', rawToken({ alg: 'none' }, issuer.claims())],
    [
      'HS256 with the public key',
      `${unsigned}.${createHmac('sha256', first.publicPEM).update(unsigned).digest('base64url')}`,
    ],
    ['an algorithm that is not allowed', await issuer.token({}, {}, { ...first, algorithm: 'PS256' })],
    ['no expiry', await issuer.token({ exp: undefined })],
    ['expired', await issuer.token({ exp: seconds - 1 })],
    ['not before', await issuer.token({ nbf: seconds + 300 })],
    ['issued in the future', await issuer.token({ iat: seconds + 300 })],
    ['another audience', await issuer.token({ aud: 'other' })],
    ['no audience', await issuer.token({ aud: undefined })],
    ['no user', await issuer.token({ sub: undefined })],
    ['a typ of another kind', await issuer.token({}, { typ: 'logout+jwt' })],
    ['a broken signature', good.slice(0, -8) + 'AAAAAAAA'],
  ]
  for (const [name, token] of bad) await t.rejects(authenticate(token), InvalidCredential, name)
  t.equal(issuer.asked.length, asked, 'the provider is asked for nothing more so soon')
  t.equal(await authenticate(await issuer.token({ iss: 'https://elsewhere' })), undefined)
})

await t.test('keys that rotate', async (t) => {
  const { issuer, authenticate, pass } = await setUp(t)
  t.same(await authenticate(await issuer.token()), ALICE)
  t.same(issuer.asked, ['/.well-known/openid-configuration', '/keys'])

  issuer.keys = [second, first]
  await t.rejects(
    authenticate(await issuer.token()),
    InvalidCredential,
    'within the cooldown nothing is asked',
  )
  pass(10_001)
  const tokens = await Promise.all(Array.from({ length: 5 }, (_, i) => issuer.token({ jti: `${i}` })))
  const id = (i: number) => ({ 'authentication.kubernetes.io/credential-id': [`JTI=${i}`] })
  t.same(
    await Promise.all(tokens.map(authenticate)),
    Array.from({ length: 5 }, (_, i) => ({ ...ALICE, extra: id(i) })),
  )
  t.equal(issuer.asked.length, 4, 'one question for all of them')

  issuer.keys = [second]
  t.same(await authenticate(await issuer.token({}, {}, first)), ALICE, 'known until the keys are renewed')
  pass(10 * 60_001)
  const old = await signToken(first, issuer.claims({ exp: Math.floor(Date.now() / 1000) + 9999 }))
  await authenticate(old)
  // The renewal is under way; a token with an unknown key waits for it.
  await t.rejects(authenticate(await signToken(newSigningKey(), issuer.claims())), InvalidCredential)
  await t.rejects(authenticate(old), InvalidCredential, 'a key that was taken away')
})

await t.test('a provider that fails', async (t) => {
  const { issuer, authenticate, pass, lines } = await setUp(t)
  const failures: [string, (res: ServerResponse) => void][] = [
    ['500', (res) => res.writeHead(500).end()],
    ['no JSON', (res) => res.writeHead(200).end('<html>')],
    ['no object', (res) => res.writeHead(200).end('[]')],
    [
      'another issuer',
      (res) => res.writeHead(200).end('{"issuer":"https://evil","jwks_uri":"https://evil/keys"}'),
    ],
    ['a redirect', (res) => res.writeHead(302, { location: 'https://evil/' }).end()],
    [
      'plain http',
      (res) => res.writeHead(200).end(JSON.stringify({ issuer: issuer.url, jwks_uri: 'http://evil' })),
    ],
    ['too much', (res) => res.writeHead(200).end('['.padEnd(2 << 20, ' '))],
    [
      'a broken answer',
      (res) => res.writeHead(200, { 'content-length': 10 }).write('x', () => res.destroy()),
    ],
  ]
  for (const [name, fail] of failures) {
    issuer.misbehave = (_path, res) => (fail(res), true)
    await t.rejects(authenticate(await issuer.token()), AuthenticationUnavailable, name)
    pass(10_001)
  }
  t.ok(lines.some(({ msg }) => String(msg).includes('cannot get the keys')))
  issuer.misbehave = undefined
  t.same(await authenticate(await issuer.token()), ALICE)

  issuer.misbehave = (_path, res) => (res.writeHead(500).end(), true)
  pass(20 * 60_000)
  t.same(await authenticate(await issuer.token()), ALICE, 'the keys that are known stay in use')
  pass(25 * 3600_000)
  const later = await issuer.token({ exp: Math.floor(Date.now() / 1000) + 48 * 3600 })
  await t.rejects(authenticate(later), AuthenticationUnavailable, 'but not for ever')
})

await t.test('a provider that does not answer holds up nobody whose key is known', async (t) => {
  const { issuer, authenticate, pass } = await setUp(t)
  t.same(await authenticate(await issuer.token()), ALICE)
  issuer.misbehave = () => true
  pass(20 * 60_000)
  t.same(await authenticate(await issuer.token()), ALICE)
})

await t.test('a provider that is not who it says', async (t) => {
  const { issuer, authenticate } = await setUp(t, {}, pki.ca('other-ca').cert)
  await t.rejects(authenticate(await issuer.token()), AuthenticationUnavailable)
  t.same(issuer.asked, [])
})

await t.test('odd keys in the set', async (t) => {
  const { issuer, authenticate } = await setUp(t, { signingAlgorithms: ['RS256', 'ES256'] })
  const ec = newSigningKey('ES256')
  const oct = { kty: 'oct', k: Buffer.from('secret').toString('base64url'), kid: 'oct' }
  issuer.misbehave = (path, res) => {
    if (path !== '/keys') return false
    const jwk = (key: typeof ec) => key.publicKey.export({ format: 'jwk' })
    // Without names: each may be the one.
    res
      .writeHead(200)
      .end(JSON.stringify({ keys: [oct, null, { kty: 'RSA' }, jwk(second), jwk(first), jwk(ec)] }))
    return true
  }
  t.same(await authenticate(await issuer.token({}, { kid: undefined })), ALICE)
  t.same(await authenticate(await issuer.token({}, { kid: undefined }, ec)), ALICE)
  const mac = rawToken({ alg: 'HS256', kid: 'oct' }, issuer.claims()).slice(0, -1)
  await t.rejects(
    authenticate(`${mac}.${createHmac('sha256', 'secret').update(mac).digest('base64url')}`),
    InvalidCredential,
  )
})
