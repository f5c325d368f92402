import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { AuthenticationUnavailable, InvalidCredential } from '../../src/authentication/authenticator.js'
import { IssuerFiles } from '../../src/authentication/issuer-files.js'
import type { AuthenticationOptions } from '../../src/authentication/options.js'
import { ConfigError } from '../../src/errors.js'
import { memoryLog } from '../support/log.js'
import { OIDCIssuer } from '../support/oidc-issuer.js'
import { PKI } from '../support/pki.js'
import { newSigningKey, signToken } from '../support/tokens.js'

const dir = t.testdir()
const pki = new PKI(join(dir, 'pki'))
const ca = pki.ca('issuer-ca')
const serving = pki.issue(ca, { name: 'issuer', cn: 'issuer', ip: ['127.0.0.1'], usage: 'server' })
const file = join(dir, 'authentication.yaml')

/** An issuer as the file has it. JSON is YAML. */
function issuer(url: string, more: object = {}, claimMappings: object = {}): object {
  return {
    issuer: { url, audiences: ['kubernetes'], certificateAuthority: ca.cert, ...more },
    claimMappings: { username: { expression: "'oidc:' + claims.sub" }, ...claimMappings },
  }
}

function write(jwt: readonly object[]): void {
  const head = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration' }
  writeFileSync(file, JSON.stringify({ ...head, jwt }))
}

/** Knows no token. */
const nobody = { authenticateToken: () => Promise.resolve(undefined) }

function load(t: { teardown(f: () => unknown): void }, jwt: readonly object[]) {
  write(jwt)
  const { log, lines } = memoryLog()
  const options = {
    configFile: file,
    anonymousAuth: undefined,
    serviceAccounts: { keyFiles: [], issuers: [], audiences: [], lookup: false },
  } as unknown as AuthenticationOptions
  const files = new IssuerFiles(options, { reviews: nobody, log, now: Date.now })
  t.teardown(() => files.close())
  return {
    lines,
    authenticate: (token: string) => files.authenticator.authenticateToken(token),
    reload: async () => files.reloadables[0]?.reload(),
  }
}

async function start(t: { teardown(f: () => unknown): void }): Promise<OIDCIssuer> {
  const started = await OIDCIssuer.start(serving, newSigningKey('ES256'))
  t.teardown(() => started.stop())
  return started
}

await t.test('issuers that cannot be used leave the others as they are', async (t) => {
  const [first, second, hanging, wrong] = [await start(t), await start(t), await start(t), await start(t)]
  const gone = await OIDCIssuer.start(serving, newSigningKey('ES256'))
  const dead = gone.url
  const deadToken = await gone.token()
  await gone.stop()
  const asked = new Promise<void>((resolve) => {
    hanging.misbehave = () => (resolve(), true)
  })
  wrong.misbehave = (_path, res) => (res.writeHead(200).end('<html>'), true)
  const nameless = 'https://'
  const { authenticate, lines } = load(
    t,
    [dead, hanging.url, first.url, nameless, wrong.url, second.url].map((url) => issuer(url)),
  )

  await asked
  const waiting = authenticate(await hanging.token()).catch((err: unknown) => err)
  t.same(await authenticate(await first.token()), { username: 'oidc:alice' })
  t.same(await authenticate(await second.token({ sub: 'bob' })), { username: 'oidc:bob' })
  const namelessToken = await signToken(newSigningKey('ES256'), first.claims({ iss: nameless }))
  for (const token of [deadToken, await wrong.token(), namelessToken]) {
    await t.rejects(authenticate(token), AuthenticationUnavailable)
  }
  t.equal(await authenticate(await first.token({ iss: 'https://elsewhere.example' })), undefined)
  await t.rejects(
    authenticate(await first.token({ iss: second.url })),
    InvalidCredential,
    'no key of that one',
  )
  t.match(await authenticate(await first.token({ jti: 'again' })), { username: 'oidc:alice' })
  const failed = lines.filter(({ msg }) => msg === 'cannot get the keys of the OIDC issuer')
  t.same(new Set(failed.map(({ issuer: url }) => url)), new Set([dead, nameless, wrong.url]))

  await hanging.stop()
  t.type(await waiting, AuthenticationUnavailable)
})

await t.test('a rule of one issuer is none of another', async (t) => {
  const [strict, easy] = [await start(t), await start(t)]
  const { authenticate } = load(t, [
    {
      ...issuer(strict.url),
      claimValidationRules: [{ expression: "claims.hd == 'example.com'", message: 'not of us' }],
      userValidationRules: [{ expression: "!user.username.startsWith('oidc:system:')" }],
    },
    issuer(easy.url),
  ])
  t.same(await authenticate(await easy.token()), { username: 'oidc:alice' })
  t.same(await authenticate(await strict.token({ hd: 'example.com' })), { username: 'oidc:alice' })
  await t.rejects(authenticate(await strict.token()), {
    name: 'InvalidCredential',
    message: /no such key: hd/,
  })
  await t.rejects(authenticate(await strict.token({ hd: 'x' })), {
    message: /the claims do not keep the rule .*not of us/,
  })
  await t.rejects(authenticate(await strict.token({ hd: 'example.com', sub: 'system:admin' })), {
    message: /the user does not keep the rule/,
  })
})

await t.test('an egress selector is said not to be used, and a broken file leaves the issuers', async (t) => {
  const good = await start(t)
  const { authenticate, lines, reload } = load(t, [issuer(good.url, { egressSelectorType: 'cluster' })])
  t.match(
    lines.filter(({ level }) => level === 40),
    [{ issuer: good.url, egressSelectorType: 'cluster', msg: /asks the issuer directly/ }],
  )
  t.same(await authenticate(await good.token()), { username: 'oidc:alice' })
  write([issuer(good.url, {}, { uid: { expression: 'claims.' } })])
  await t.rejects(reload(), ConfigError)
  t.match(await authenticate(await good.token({ jti: '2' })), { username: 'oidc:alice' })
  write([issuer(good.url, {}, { extra: [{ key: 'example.com/team', valueExpression: 'claims.groups' }] })])
  await reload()
  t.same(await authenticate(await good.token()), {
    username: 'oidc:alice',
    extra: { 'example.com/team': ['dev'] },
  })
})
