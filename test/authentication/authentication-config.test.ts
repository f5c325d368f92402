import t from 'tap'
import { parseAuthenticationConfiguration } from '../../src/authentication/authentication-config.js'
import { InvalidCredential } from '../../src/authentication/authenticator.js'
import { NO_EXPRESSIONS, userOf, type OIDCRules } from '../../src/authentication/oidc.js'
import { ConfigError } from '../../src/errors.js'

const HEAD = 'apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\n'
const ISSUER = '{url: https://one.example, audiences: [kubernetes]}'
const MAPPINGS = '{username: {claim: sub, prefix: "one:"}}'
const jwt = (body: string) => `${HEAD}jwt:\n- ${body}\n`

await t.test('issuers and mappings', (t) => {
  const config = parseAuthenticationConfiguration(
    `${HEAD}
jwt:
- issuer:
    url: https://one.example
    discoveryURL: https://internal.example/.well-known/openid-configuration
    audiences: [a, b]
    audienceMatchPolicy: MatchAny
  claimMappings:
    username: {claim: email, prefix: ""}
    groups: {claim: roles, prefix: "one:"}
    uid: {claim: oid}
  claimValidationRules:
  - {claim: hd, requiredValue: example.com}
- issuer: {url: https://two.example/path, audiences: [c]}
  claimMappings: {username: {claim: sub, prefix: "two#"}}
anonymous:
  enabled: true
  conditions: [{path: /healthz}, {path: /livez}]
`,
    'f',
  )
  t.same(config.anonymous, { paths: ['/healthz', '/livez'] })
  t.match(config.issuers, [
    {
      issuerURL: 'https://one.example',
      discoveryURL: 'https://internal.example/.well-known/openid-configuration',
      rules: {
        audiences: ['a', 'b'],
        username: { claim: 'email', prefix: '' },
        groups: { claim: 'roles', prefix: 'one:' },
        uid: { claim: 'oid' },
        requiredClaims: { hd: 'example.com' },
      },
    },
    { issuerURL: 'https://two.example/path', discoveryURL: undefined, rules: { groups: undefined } },
  ])
  t.notOk(config.issuers[0]?.rules.signingAlgorithms.some((alg) => /^(HS|none)/.test(alg)))
  t.equal(parseAuthenticationConfiguration(HEAD, 'f').anonymous, undefined)
  t.equal(parseAuthenticationConfiguration(`${HEAD}anonymous: {enabled: false}`, 'f').anonymous, false)
  for (const version of ['v1', 'v1alpha1']) {
    t.ok(
      parseAuthenticationConfiguration(
        jwt(`{issuer: ${ISSUER}, claimMappings: ${MAPPINGS}}`).replace('v1beta1', version),
        'f',
      ),
    )
  }
  t.end()
})

await t.test('what is wrong', (t) => {
  const one = (issuer: string, mappings = MAPPINGS, more = '') =>
    jwt(`{issuer: ${issuer}, claimMappings: ${mappings}${more}}`)
  const cases: [string, string | RegExp][] = [
    ['kind: AuthenticationConfiguration', /apiVersion .*expected one of apiserver.config.k8s.io\/v1,/],
    [HEAD.replace('Authentication', 'Authorization'), /kind .*expected AuthenticationConfiguration/],
    [`${HEAD}jtw: []`, /unknown field "jtw"/],
    [
      one('{url: http://one.example, audiences: [a]}'),
      /jwt\[0\].issuer.url \(line 4\): found "http:\/\/one.example", expected a URL with https/,
    ],
    [
      one('{url: "https://u:hidden@one.example", audiences: [a]}'),
      /^(?!.*hidden).*found a URL with a user in it, expected .*without user/,
    ],
    [one('{audiences: [a]}'), /issuer.url .*found nothing/],
    [one('{url: https://one.example}'), /audiences .*found no audience/],
    [one('{url: https://one.example, audiences: [a, a], audienceMatchPolicy: MatchAny}'), /audience twice/],
    [one('{url: https://one.example, audiences: [a, b]}'), /audienceMatchPolicy .*expected MatchAny/],
    [
      one('{url: https://one.example, discoveryURL: https://one.example/, audiences: [a]}'),
      /the same as url/,
    ],
    [
      one('{url: https://one.example, certificateAuthority: x, audiences: [a]}'),
      /certificateAuthority .*not a PEM/,
    ],
    [
      one('{url: https://one.example, audiences: [a], egressSelectorType: etcd}'),
      /egressSelectorType .*found "etcd", expected controlplane or cluster/,
    ],
    [one(ISSUER, '{}'), /username .*no claim and no expression/],
    [one(ISSUER, '{username: {claim: sub}}'), /prefix .*expected a prefix, which may be ""/],
    [
      one(ISSUER, '{username: {expression: claims.}}'),
      /^f: jwt\[0\].claimMappings.username.expression \(line 4\): cannot be used: 1:8: Syntax error/,
    ],
    [
      one(ISSUER, '{username: {expression: claims.email}}'),
      /username .*uses claims.email, expected claims.email_verified/,
    ],
    [
      one(ISSUER, '{username: {claim: s, prefix: ""}, groups: {expression: x}}'),
      /undeclared reference to 'x'/,
    ],
    [
      one(ISSUER, '{username: {claim: s, prefix: ""}, uid: {claim: a, expression: claims.a}}'),
      /uid .*a claim and an expression/,
    ],
    [
      one(ISSUER, '{username: {claim: s, prefix: ""}, extra: [{key: a, valueExpression: "1"}]}'),
      /extra\[0\].key .*found "a", expected a domain and a path/,
    ],
    [
      one(ISSUER, MAPPINGS, ', claimValidationRules: [{claim: a, message: b}]'),
      /claimValidationRules\[0\].message .*expected none beside a claim/,
    ],
    [
      one(ISSUER, MAPPINGS, ', claimValidationRules: [{expression: claims.a}]'),
      /claimValidationRules\[0\].expression .*must evaluate to bool, not any/,
    ],
    [
      one(ISSUER, MAPPINGS, ', userValidationRules: [{expression: user.name == "a"}]'),
      /userValidationRules\[0\].expression .*undefined field 'name'/,
    ],
    [`${one(ISSUER)}- {issuer: ${ISSUER}, claimMappings: ${MAPPINGS}}`, /second time/],
    [`${HEAD}anonymous: {enabled: false, conditions: [{path: /x}]}`, /conditions .*expected none/],
    [`${HEAD}anonymous: {enabled: "yes"}`, /expected true or false/],
  ]
  for (const [text, message] of cases) {
    try {
      parseAuthenticationConfiguration(text, 'f')
      t.fail(text)
    } catch (err) {
      t.type(err, ConfigError, text)
      t.match((err as Error).message, message)
    }
  }
  t.end()
})

await t.test('users of claims', (t) => {
  const rules: OIDCRules = {
    audiences: [],
    username: { claim: 'sub', prefix: 'oidc:' },
    groups: { claim: 'groups', prefix: 'g:' },
    ...NO_EXPRESSIONS,
    requiredClaims: {},
    signingAlgorithms: [],
  }
  const email = { ...rules, username: { claim: 'email', prefix: '' } }
  const required = { ...rules, requiredClaims: { hd: 'example.com' } }
  const good: [object, OIDCRules, object][] = [
    [{ sub: 'a', groups: ['x', 'y'] }, rules, { username: 'oidc:a', groups: ['g:x', 'g:y'] }],
    [{ sub: 'a', groups: 'x' }, rules, { username: 'oidc:a', groups: ['g:x'] }],
    [{ sub: 'a' }, rules, { username: 'oidc:a', groups: [] }],
    [{ sub: null }, rules, { username: 'oidc:', groups: [] }],
    [{ email: 'a@b' }, email, { username: 'a@b', groups: [] }],
    [{ email: 'a@b', email_verified: true }, email, { username: 'a@b', groups: [] }],
    [{ sub: 'a', hd: 'example.com' }, required, { username: 'oidc:a', groups: [] }],
    [
      { sub: 'a', oid: '1' },
      { ...rules, uid: { claim: 'oid' } },
      { username: 'oidc:a', uid: '1', groups: [] },
    ],
  ]
  for (const [claims, how, user] of good) t.same(userOf(claims as never, how), user, JSON.stringify(claims))
  const bad: [object, OIDCRules][] = [
    [{}, rules],
    [{ sub: ['a'] }, rules],
    [{ sub: 'a', groups: [1] }, rules],
    [{ sub: 'a', groups: { x: 1 } }, rules],
    [{ email: 'a@b', email_verified: false }, email],
    [{ email: 'a@b', email_verified: 'true' }, email],
    [{ sub: 'a' }, required],
    [{ sub: 'a', hd: ['example.com'] }, required],
    [{ sub: 'a' }, { ...rules, uid: { claim: 'oid' } }],
    [{}, { ...rules, username: { claim: 'constructor', prefix: '' } }],
  ]
  for (const [claims, how] of bad)
    t.throws(() => userOf(claims as never, how), InvalidCredential, JSON.stringify(claims))
  t.end()
})
