import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { Registry } from 'prom-client'
import t from 'tap'
import { newAuthentication } from '../../src/authentication/new-authentication.js'
import { readAuthenticationOptions } from '../../src/authentication/options.js'
import { ConfigError } from '../../src/errors.js'
import { ClientHeaders } from '../../src/request/client-headers.js'
import { newReviewMetrics } from '../../src/cluster/review-metrics.js'
import type { ReviewClient } from '../../src/cluster/reviews.js'
import { settingsOf } from '../support/flags.js'
import { memoryLog } from '../support/log.js'
import { PKI } from '../support/pki.js'
import { boundClaims, newSigningKey, signToken } from '../support/tokens.js'

/** The authenticators of flags, over connections without a client certificate, and without an apiserver to ask. */
function setUp(t: { teardown(f: () => unknown): void }, flags: readonly string[]) {
  const options = readAuthenticationOptions(settingsOf(flags))
  const reviews: ReviewClient = {
    connections: { dispatcher: { request: () => Promise.reject(new Error('down')) } } as never,
    authorization: () => Promise.resolve(undefined),
  }
  const { log } = memoryLog()
  const made = newAuthentication(options, {
    reviews,
    bare: () => reviews.connections,
    reviewMetrics: newReviewMetrics(new Registry()),
    log,
    now: Date.now,
  })
  t.teardown(() => made.close())
  const socket = { getPeerCertificate: () => ({}) } as unknown as TLSSocket
  return {
    made,
    userOf: async (token: string | undefined, path = '/') => {
      const headers = ClientHeaders.from(token === undefined ? [] : ['Authorization', `Bearer ${token}`])
      return (await made.authenticator.authenticate({ headers, socket, target: { path } }))?.user.username
    },
    reload: async (name: string) => {
      const found = [made.clientAuthorities, ...made.reloadables].find((one) => one?.name === name)
      if (found === undefined) throw new Error(`nothing is made of --${name}`)
      await found.reload()
    },
  }
}

await t.test('files that are read again', async (t) => {
  const dir = t.testdir()
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text, { mode: 0o600 })
    return join(dir, name)
  }
  const [first, second] = [newSigningKey('ES256'), newSigningKey('ES256')]
  const pki = new PKI(join(dir, 'pki'))
  const anonymous = (rule: string) =>
    `apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous: ${rule}\n`
  const { made, userOf, reload } = setUp(t, [
    `--token-auth-file=${file('tokens.csv', 'one,alice,1\n')}`,
    `--service-account-key-file=${file('sa.pem', first.publicPEM)}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--service-account-lookup=false',
    `--authentication-config=${file('authn.yaml', anonymous('{enabled: true}'))}`,
    `--client-ca-file=${file('ca.pem', pki.ca('a').cert)}`,
  ])
  t.strictSame(
    made.reloadables.map((one) => [one.name, one.files()]),
    [
      ['token-auth-file', [join(dir, 'tokens.csv')]],
      ['service-account-key-file', [join(dir, 'sa.pem')]],
      ['authentication-config', [join(dir, 'authn.yaml')]],
    ],
  )

  t.equal(await userOf('one'), 'alice')
  file('tokens.csv', 'two,bob,2\n')
  await reload('token-auth-file')
  t.equal(await userOf('two'), 'bob')
  await t.rejects(userOf('one'), 'what was remembered is forgotten')
  file('tokens.csv', 'three\n')
  await t.rejects(reload('token-auth-file'), ConfigError)
  t.equal(await userOf('two'), 'bob', 'what was in force stays')

  const token = await signToken(first, boundClaims())
  t.equal(await userOf(token), 'system:serviceaccount:default:robot')
  file('sa.pem', second.publicPEM)
  await reload('service-account-key-file')
  await t.rejects(userOf(token))

  t.equal(await userOf(undefined), 'system:anonymous')
  file('authn.yaml', anonymous('{enabled: true, conditions: [{path: /livez}]}'))
  await reload('authentication-config')
  t.equal(await userOf(undefined), undefined)
  t.equal(await userOf(undefined, '/livez'), 'system:anonymous')

  const before = made.clientAuthorities?.pem
  file('ca.pem', pki.ca('b').cert)
  await reload('client-ca-file')
  t.not(made.clientAuthorities?.pem, before)
})

await t.test(
  'a token that is no good here is for the apiserver to say, and never makes anyone anonymous',
  async (t) => {
    const { userOf } = setUp(t, [])
    t.equal(await userOf(undefined), 'system:anonymous')
    await t.rejects(userOf('unknown'), { name: 'AuthenticationUnavailable' })
    const { userOf: strict } = setUp(t, ['--anonymous-auth=false'])
    t.equal(await strict(undefined), undefined)
  },
)
