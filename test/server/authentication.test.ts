import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { byAuditID, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { OIDCIssuer } from '../support/oidc-issuer.js'
import { ProxyProcess } from '../support/proxy-process.js'
import type { Issued } from '../support/pki.js'
import { sendJSON, StandIn, type Seen } from '../support/stand-in.js'
import { boundClaims, legacyClaims, newSigningKey, rawToken, signToken } from '../support/tokens.js'

const PODS = '/api/v1/namespaces/default/pods'
const ok = { upstream: (_req: IncomingMessage, res: ServerResponse) => sendJSON(res, 200, {}) }
let requests = 0

/** One request; answers its status, who the log says it was from, and what went upstream of it. */
async function ask(
  standIn: StandIn,
  headers: Record<string, string> | readonly string[],
  who: Issued | 'nobody' = 'nobody',
): Promise<{ status: number; user: LoggedEvent['user']; seen: Seen | undefined; events: LoggedEvent[] }> {
  const auditID = `request-${++requests}`
  const before = standIn.seen.length
  const withID = Array.isArray(headers)
    ? ['Host', `127.0.0.1:${standIn.proxy.port}`, 'Audit-ID', auditID, ...headers]
    : { ...headers, 'audit-id': auditID }
  const { status } = await standIn.ask(PODS, {
    ...standIn.as(who),
    headers: withID as Record<string, string>,
  })
  const events = await waitForEvents(standIn.auditLog, (all) => {
    const found = byAuditID(all).get(auditID)
    const last = found?.at(-1)
    return last?.stage === 'ResponseComplete' || last?.responseStatus?.code === status ? found : undefined
  })
  return { status, user: events[0]?.user ?? {}, seen: standIn.seen[before], events }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

function values(seen: Seen | undefined, name: string): string[] {
  const raw = seen?.rawHeaders ?? []
  return raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name)
}

t.setTimeout(120_000)

await t.test('tokens that are verified here', async (t) => {
  const rsa = newSigningKey()
  const oidcKey = newSigningKey()
  let issuer!: OIDCIssuer
  const standIn = await StandIn.start({
    ...ok,
    tokens: {
      reviewed: {
        username: 'eve',
        uid: 'e',
        groups: ['x'],
        extra: { 'authentication.kubernetes.io/credential-id': ['JTI=1'] },
      },
    },
    fileFlags: (s) => [
      `--token-auth-file=${s.file('tokens.csv', 'static,bob,uid-bob,"dev,qa"\n')}`,
      `--service-account-key-file=${s.file('sa.pem', rsa.publicPEM)}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      '--service-account-lookup=false',
      '--api-audiences=https://kubernetes.default.svc',
      `--oidc-issuer-url=${issuer.url}`,
      '--oidc-client-id=kubernetes',
      `--oidc-ca-file=${s.ca.certFile}`,
      '--oidc-groups-claim=groups',
      '--oidc-groups-prefix=idp:',
      '--oidc-required-claim=hd=example.com',
    ],
    prepare: async (s) => {
      const serving = s.client({ name: 'issuer', cn: 'issuer', ip: ['127.0.0.1'], usage: 'server' })
      issuer = await OIDCIssuer.start(serving, oidcKey)
    },
  })
  t.teardown(async () => {
    await standIn.stop()
    await issuer.stop()
  })

  const robot = {
    username: 'system:serviceaccount:default:robot',
    uid: 'uid-robot',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
  }
  const cases: [string, string, object][] = [
    ['static', 'static', { username: 'bob', uid: 'uid-bob', groups: ['dev', 'qa', 'system:authenticated'] }],
    ['bound', await signToken(rsa, boundClaims()), robot],
    ['legacy', await signToken(rsa, legacyClaims()), robot],
    [
      'OpenID Connect',
      await issuer.token({ hd: 'example.com' }),
      { username: `${issuer.url}#alice`, groups: ['idp:dev', 'system:authenticated'] },
    ],
  ]
  for (const [name, token, user] of cases) {
    const { status, user: logged, seen } = await ask(standIn, bearer(token))
    t.equal(status, 200, name)
    t.strictSame(logged, user, name)
    t.strictSame(values(seen, 'authorization'), [`Bearer ${token}`], 'it goes on as it is')
    t.equal(seen?.peer, undefined, 'over a connection without credentials')
    t.strictSame(values(seen, 'x-remote-user'), [])
  }
  t.equal(standIn.reviews.length, 0, 'nobody was asked')

  const reviewed = await ask(standIn, bearer('reviewed'))
  t.strictSame(reviewed.user, {
    username: 'eve',
    uid: 'e',
    groups: ['x', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': ['JTI=1'] },
  })

  const bad: [string, string][] = [
    ['alg none', rawToken({ alg: 'none' }, boundClaims())],
    ['another key', await signToken(newSigningKey(), boundClaims())],
    ['a required claim that is missing', await issuer.token()],
    ['another audience', await issuer.token({ hd: 'example.com', aud: 'x' })],
  ]
  for (const [name, token] of bad) {
    const { status, events, seen } = await ask(standIn, bearer(token))
    t.equal(status, 401, name)
    t.strictSame(
      events.map((e) => [e.stage, e.user]),
      [['ResponseStarted', {}]],
    )
    t.equal(seen, undefined)
  }

  const protocol = `base64url.bearer.authorization.k8s.io.${Buffer.from('static').toString('base64url')}`
  const websocket = ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Protocol']
  const viaProtocol = await ask(standIn, [...websocket, `${protocol}, v4.channel.k8s.io`])
  t.equal(viaProtocol.user.username, 'bob')
  t.strictSame(values(viaProtocol.seen, 'sec-websocket-protocol'), [`${protocol}, v4.channel.k8s.io`])
  t.equal((await ask(standIn, [...websocket, protocol])).status, 401)
  t.equal(
    (await ask(standIn, ['Sec-WebSocket-Protocol', `${protocol}, x`])).user.username,
    'system:anonymous',
  )

  const log = standIn.proxy.logLines.join('\n')
  for (const [, token] of [...cases, ...bad]) t.notOk(log.includes(token), 'no token in the log')
})

await t.test('a trusted proxy in front', async (t) => {
  const standIn = await StandIn.start({
    ...ok,
    fileFlags: (s) => [
      `--requestheader-client-ca-file=${s.pki.ca('outer-ca').certFile}`,
      '--requestheader-allowed-names=outer,other',
      '--requestheader-username-headers=X-Remote-User,X-Forwarded-User',
    ],
  })
  t.teardown(() => standIn.stop())
  const { pki } = standIn
  const outerCA = pki.read('outer-ca')
  const outer = pki.issue(outerCA, { name: 'outer', cn: 'outer', usage: 'client' })
  const assert = [
    'X-Remote-User',
    'alice',
    'X-Remote-Group',
    'dev',
    'X-Remote-Uid',
    '1',
    'X-Remote-Extra-Scopes',
    's',
  ]

  await t.test('asserts', async (t) => {
    const { status, user, seen } = await ask(standIn, assert, outer)
    t.equal(status, 200)
    t.strictSame(user, {
      username: 'alice',
      uid: '1',
      groups: ['dev', 'system:authenticated'],
      extra: { scopes: ['s'] },
    })
    t.strictSame(values(seen, 'x-remote-user'), ['alice'])
    t.strictSame(values(seen, 'x-remote-uid'), ['1'])
    t.strictSame(values(seen, 'x-remote-extra-scopes'), ['s'])
    t.equal(seen?.peer, 'front-proxy-client')
    const other = await ask(standIn, ['X-Forwarded-User', 'carol'], outer)
    t.equal(other.user.username, 'carol')
    t.strictSame(values(other.seen, 'x-forwarded-user'), [])
  })

  await t.test('nobody else does', async (t) => {
    const cases: [string, Issued | 'nobody', readonly string[], number, string | undefined][] = [
      ['a user', standIn.admin, assert, 200, 'admin'],
      ['a user with an allowed name', standIn.client({ name: 'c-outer', cn: 'outer' }), assert, 200, 'outer'],
      ['nobody', 'nobody', assert, 200, 'system:anonymous'],
      [
        'a name that is not allowed',
        pki.issue(outerCA, { name: 'nope', cn: 'nope', usage: 'client' }),
        assert,
        401,
        undefined,
      ],
      [
        'a certificate for servers',
        pki.issue(outerCA, { name: 'srv', cn: 'outer', usage: 'server' }),
        assert,
        401,
        undefined,
      ],
      ['the trusted proxy without a user', outer, ['X-Remote-Group', 'system:masters'], 401, undefined],
      ['a user, with another header', standIn.admin, ['X-Forwarded-User', 'root'], 200, 'admin'],
    ]
    for (const [name, who, headers, status, username] of cases) {
      const answer = await ask(standIn, headers, who)
      t.equal(answer.status, status, name)
      t.equal(answer.user.username, username, name)
      t.notOk(values(answer.seen, 'x-remote-user').includes('alice'), name)
      t.strictSame(values(answer.seen, 'x-forwarded-user'), [], name)
    }
  })

  await t.test('a certificate that names the other authority as its issuer proves nothing', async (t) => {
    // The client's own, and one that claims to be the authority that signed it and to answer to the trusted proxies'.
    const user = standIn.client({ name: 'crafty', cn: 'outer' })
    const forged = pki.issue(pki.ca('outer-ca-forged', 'outer-ca'), { name: 'forged-ca', cn: 'ca' }, [
      'basicConstraints=critical,CA:TRUE',
    ])
    const chained = { ...user, cert: user.cert + forged.cert }
    const answer = await ask(standIn, assert, chained)
    t.equal(answer.user.username, 'outer', 'it is a user of --client-ca-file and nothing else')
    t.notOk(values(answer.seen, 'x-remote-user').includes('alice'))
  })
})

await t.test('chains and revocation lists', async (t) => {
  let revoked!: Issued
  let intermediate!: Issued
  let gone!: Issued
  const standIn = await StandIn.start({
    ...ok,
    prepare: (s) => {
      revoked = s.client({ name: 'revoked', cn: 'revoked' })
      intermediate = s.pki.intermediate(s.ca, 'intermediate')
      gone = s.pki.intermediate(s.ca, 'gone')
    },
    fileFlags: (s) => {
      const expired = s.pki.ca('expired-crl-ca')
      const both = s.file('cas.pem', s.ca.cert + expired.cert)
      return [
        `--client-ca-file=${both}`,
        `--client-ca-crl-file=${s.file('crl.pem', s.pki.crl(s.ca, []) + s.pki.crl(s.ca, [revoked, gone]))}`,
        `--client-ca-crl-file=${s.file('old.pem', s.pki.crl(expired, [], { nextUpdate: new Date(Date.now() - 60_000) }))}`,
      ]
    },
  })
  t.teardown(() => standIn.stop())
  const { pki } = standIn
  const chain = (leaf: Issued, ...more: Issued[]) => ({
    ...leaf,
    cert: [leaf, ...more].map((i) => i.cert).join(''),
  })
  const below = pki.issue(intermediate, { name: 'below', cn: 'below', usage: 'client' })
  const belowGone = pki.issue(gone, { name: 'below-gone', cn: 'below-gone', usage: 'client' })
  const expired = pki.read('expired-crl-ca')
  const cases: [string, Issued, number][] = [
    ['not revoked', standIn.admin, 200],
    ['revoked', revoked, 401],
    ['below an intermediate authority', chain(below, intermediate), 200],
    ['without its intermediate authority', below, 401],
    ['below an authority that is revoked', chain(belowGone, gone), 401],
    [
      'of an authority whose list has expired',
      pki.issue(expired, { name: 'x', cn: 'x', usage: 'client' }),
      401,
    ],
    [
      'below a user',
      chain(pki.issue(standIn.admin, { name: 'y', cn: 'y', usage: 'client' }), standIn.admin),
      401,
    ],
  ]
  for (const [name, who, status] of cases) t.equal((await ask(standIn, {}, who)).status, status, name)

  await t.test('a bad list stops the start', async (t) => {
    const good = pki.crl(standIn.ca, [])
    const texts: [string, RegExp][] = [
      ['', /no certificate revocation list found/],
      [good.replace(/\n[^\n]{8}/, '\nAAAAAAAA'), /revocation list 1 of 1 /],
      [pki.crl(pki.ca('stranger'), []), /signed by none of the authorities/],
      [tampered(good), /signed by none of the authorities/],
    ]
    for (const [text, message] of texts) {
      const file = standIn.file('bad.pem', text)
      await t.rejects(ProxyProcess.start([...flagsOf(standIn), `--client-ca-crl-file=${file}`]), message)
    }
  })
})

await t.test('without the right to create TokenReviews', async (t) => {
  let reviews = 0
  const own: string[] = []
  let selfReview = true
  const standIn = await StandIn.start({
    reviews: (_req, res) => {
      reviews++
      sendJSON(res, 403, { kind: 'Status', code: 403 })
    },
    mayI: ({ resource }) => resource !== 'tokenreviews' && resource !== '*',
    upstream: (req, res) => {
      if (req.url !== '/apis/authentication.k8s.io/v1/selfsubjectreviews') return sendJSON(res, 200, {})
      own.push(
        `${req.headers.authorization} ${String((req.socket as TLSSocket).getPeerCertificate().subject?.CN)}`,
      )
      if (!selfReview) return sendJSON(res, 404, { kind: 'Status', code: 404 })
      if (req.headers.authorization !== 'Bearer good')
        return sendJSON(res, 401, { kind: 'Status', code: 401 })
      const userInfo = {
        username: 'bob',
        uid: 'u',
        groups: ['dev', 'system:authenticated'],
        extra: { a: ['b'] },
      }
      return sendJSON(res, 201, { kind: 'SelfSubjectReview', status: { userInfo } })
    },
  })
  t.teardown(() => standIn.stop())
  const good = await ask(standIn, bearer('good'))
  t.equal(good.status, 200)
  t.strictSame(good.user, {
    username: 'bob',
    uid: 'u',
    groups: ['dev', 'system:authenticated'],
    extra: { a: ['b'] },
  })
  t.strictSame(own, ['Bearer good undefined'], "the client's token, and no certificate of the proxy's")
  t.equal((await ask(standIn, bearer('bad'))).status, 401)
  t.equal((await ask(standIn, bearer('good'))).status, 200)
  t.equal(reviews, 1, 'the refusal is remembered')
  t.equal(own.length, 2, 'and so are the answers')
  selfReview = false
  t.equal((await ask(standIn, bearer('unknown'))).status, 503, 'an apiserver without SelfSubjectReview')
  t.ok(
    standIn.proxy.logLines.some((line) => line.includes('may not create tokenreviews.authentication.k8s.io')),
  )
  t.notOk(standIn.proxy.logLines.some((line) => line.includes('Bearer')))
})

await t.test('impersonation through a proxy that impersonates', async (t) => {
  const standIn = await StandIn.start({ ...ok, identity: 'impersonation' })
  t.teardown(() => standIn.stop())
  const alice = standIn.client({ name: 'alice', cn: 'alice', o: ['dev', 'ops'] })
  const { seen, events, status } = await ask(
    standIn,
    { 'impersonate-user': 'carol', 'impersonate-extra-scopes': 'view' },
    alice,
  )
  t.equal(status, 200)
  const extra = {
    scopes: ['view'],
    'kube-audit-proxy.io/original-user': ['alice'],
    'kube-audit-proxy.io/original-groups': ['dev', 'ops', 'system:authenticated'],
  }
  t.strictSame(values(seen, 'impersonate-extra-kube-audit-proxy.io%2foriginal-user'), ['alice'])
  t.strictSame(
    values(seen, 'impersonate-extra-kube-audit-proxy.io%2foriginal-groups'),
    extra['kube-audit-proxy.io/original-groups'],
  )
  t.equal(events.at(-1)?.user.username, 'alice')
  t.strictSame(events.at(-1)?.impersonatedUser, {
    username: 'carol',
    groups: ['system:authenticated'],
    extra,
  })

  const plain = await ask(standIn, {}, alice)
  t.notOk(
    plain.seen?.rawHeaders.some((name) => /original/i.test(name)),
    'nothing where nobody impersonates',
  )

  for (const name of [
    'kube-audit-proxy.io%2Foriginal-user',
    'KUBE-audit-proxy.io%2foriginal-groups',
    '%6bube-audit-proxy.io%2fx',
  ]) {
    for (const who of [alice, 'nobody'] as const) {
      const forged = await ask(
        standIn,
        { 'impersonate-user': 'carol', [`Impersonate-Extra-${name}`]: 'root' },
        who,
      )
      t.equal(forged.status, 403, name)
      t.equal(forged.seen, undefined)
    }
  }
})

await t.test('what the flags amount to', async (t) => {
  const everything = await StandIn.start({ ...ok, mayI: () => true })
  t.teardown(() => everything.stop())
  const lines = () =>
    everything.proxy.logLines.map((line) => JSON.parse(line) as { level: string; msg: string })
  t.ok(lines().some(({ level, msg }) => level === 'info' && msg === 'identity mode: request header'))
  await everything.proxy.logged('may do everything in the cluster')

  const little = await StandIn.start({ ...ok, identity: 'impersonation', mayI: () => false })
  t.teardown(() => little.stop())
  await little.proxy.logged('identity mode: impersonation')
  for (const what of [
    'create tokenreviews.authentication.k8s.io',
    'create subjectaccessreviews.authorization.k8s.io',
    'impersonate groups system:authenticated',
    'impersonate uids.authentication.k8s.io',
    'impersonate userextras/authentication.kubernetes.io/credential-id.authentication.k8s.io',
    'impersonate userextras/kube-audit-proxy.io/original-uid.authentication.k8s.io',
    'impersonate userextras/kube-audit-proxy.io/original-user.authentication.k8s.io',
  ]) {
    await little.proxy.logged(`may not ${what}:`)
  }

  const behind = await StandIn.start({
    ...ok,
    identity: 'impersonation',
    mayI: ({ resource, subresource, name }) =>
      resource !== 'uids' &&
      subresource !== 'kube-audit-proxy.io/original-uid' &&
      resource !== '*' &&
      name !== 'system:masters',
    fileFlags: (s) => [`--requestheader-client-ca-file=${s.frontProxyCA.certFile}`],
  })
  t.teardown(() => behind.stop())
  await behind.proxy.logged('original-uid')
  t.strictSame(
    behind.proxy.logLines
      .map((line) => JSON.parse(line) as { level: string; msg: string })
      .filter(({ level }) => level === 'warn')
      .map(({ msg }) => msg),
    [
      'the identity of the kubeconfig may not impersonate uids.authentication.k8s.io: users with a uid, or who impersonate one, get 403 from the apiserver',
      'the identity of the kubeconfig may not impersonate userextras/kube-audit-proxy.io/original-uid.authentication.k8s.io: users with a uid who impersonate get 403 from the apiserver',
    ],
  )
})

await t.test('a uid that a front proxy names is impersonated', async (t) => {
  const standIn = await StandIn.start({
    ...ok,
    identity: 'impersonation',
    fileFlags: (s) => [`--requestheader-client-ca-file=${s.frontProxyCA.certFile}`],
  })
  t.teardown(() => standIn.stop())
  const frontProxy = standIn.pki.issue(standIn.frontProxyCA, { name: 'front', cn: 'front', usage: 'client' })
  const { seen } = await ask(standIn, { 'x-remote-user': 'zoe', 'x-remote-uid': '42' }, frontProxy)
  t.equal(seen?.headers['impersonate-user'], 'zoe')
  t.equal(seen?.headers['impersonate-uid'], '42', 'so the permission is needed')
})

await t.test('a start that fails waits for no issuer', async (t) => {
  const standIn = await StandIn.start(ok)
  t.teardown(() => standIn.stop())
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const issuer = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const flags = [
    ...[`--oidc-issuer-url=${issuer}`, '--oidc-client-id=a'],
    ...[`--audit-policy-file=${standIn.dir}/policy.yaml`, '--audit-webhook-config-file=/none'],
  ]
  const failed = await ProxyProcess.start([...flagsOf(standIn), ...flags]).catch((err: Error) => err.message)
  t.match(failed, /exited with 2:\n.*--audit-webhook-config-file: \/none: no such file/)
  t.notMatch(failed, /cannot get the keys/, 'it has not waited until the issuer was given up')
})

await t.test('--authentication-config', async (t) => {
  const key = newSigningKey()
  let issuer!: OIDCIssuer
  const standIn = await StandIn.start({
    ...ok,
    prepare: async (s) => {
      const serving = s.client({ name: 'issuer', cn: 'issuer', ip: ['127.0.0.1'], usage: 'server' })
      issuer = await OIDCIssuer.start(serving, key)
    },
    fileFlags: (s) => {
      const config = {
        apiVersion: 'apiserver.config.k8s.io/v1beta1',
        kind: 'AuthenticationConfiguration',
        jwt: [
          {
            issuer: { url: issuer.url, certificateAuthority: s.ca.cert, audiences: ['kubernetes'] },
            claimMappings: { username: { claim: 'sub', prefix: 'idp:' }, uid: { claim: 'oid' } },
          },
        ],
        anonymous: { enabled: true, conditions: [{ path: '/healthz' }] },
      }
      return [`--authentication-config=${s.file('authn.yaml', JSON.stringify(config))}`]
    },
  })
  t.teardown(async () => {
    await standIn.stop()
    await issuer.stop()
  })
  const { user } = await ask(standIn, bearer(await issuer.token({ oid: '7' })))
  t.strictSame(user, { username: 'idp:alice', uid: '7', groups: ['system:authenticated'] })
  t.equal((await ask(standIn, {})).status, 401, 'nobody may come to other paths')
  t.equal((await standIn.ask('/healthz', standIn.as('nobody'))).status, 200)
  const twice = [...flagsOf(standIn), `--authentication-config=${standIn.dir}/authn.yaml`]
  await t.rejects(ProxyProcess.start([...twice, '--anonymous-auth=true']), /expected no --anonymous-auth/)
})

await t.test(
  '--service-account-lookup: the apiserver is asked whether a token that is good here still counts',
  async (t) => {
    const key = newSigningKey()
    const tokens: Record<string, object> = {}
    let reviewsFail = false
    const standIn = await StandIn.start({
      ...ok,
      reviews(_req, res, review) {
        const user = tokens[String(review.spec['token'])]
        if (reviewsFail) sendJSON(res, 500, {})
        else
          sendJSON(res, 201, {
            ...review,
            status: { authenticated: user !== undefined, ...(user && { user }) },
          })
      },
      fileFlags: (s) => [
        `--service-account-key-file=${s.file('sa.pem', key.publicPEM)}`,
        '--service-account-issuer=https://kubernetes.default.svc',
      ],
    })
    t.teardown(() => standIn.stop())
    const robot = {
      username: 'system:serviceaccount:default:robot',
      uid: 'uid-robot',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
    }
    for (const [name, claims] of [
      ['bound', boundClaims()],
      ['legacy', legacyClaims()],
    ] as const) {
      const gone = await signToken(key, { ...claims, nonce: 'gone' })
      const refused = await ask(standIn, bearer(gone))
      t.equal(refused.status, 401, `${name}, gone`)
      t.strictSame(refused.user, {}, 'the log does not name who it was')
      t.equal(refused.seen, undefined, 'it does not go upstream')

      const token = await signToken(key, { ...claims, nonce: 'there' })
      tokens[token] = { username: 'somebody:else', groups: ['system:masters'] }
      const before = standIn.reviews.length
      const accepted = await ask(standIn, bearer(token))
      t.equal(accepted.status, 200, name)
      t.strictSame(accepted.user, robot, 'whose it is, its signature has said')
      t.strictSame(values(accepted.seen, 'authorization'), [`Bearer ${token}`])
      await ask(standIn, bearer(token))
      t.equal(standIn.reviews.length, before + 1, 'the answer is remembered')
    }
    reviewsFail = true
    const unknown = await ask(standIn, bearer(await signToken(key, { ...boundClaims(), nonce: 'unknown' })))
    t.equal(unknown.status, 503, 'where that cannot be found out')
    t.equal(unknown.seen, undefined)
  },
)

await t.test('--enable-bootstrap-token-auth', async (t) => {
  const bootstrap = {
    username: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:x'],
  }
  const tokens = {
    'abcdef.0123456789abcdef': bootstrap,
    // Of a webhook of the apiserver's.
    'abcdef.fedcba9876543210': { username: 'eve' },
    opaque: { username: 'mallory' },
  }
  for (const enabled of [false, true]) {
    const standIn = await StandIn.start({
      ...ok,
      tokens,
      flags: [`--enable-bootstrap-token-auth=${enabled}`],
    })
    t.teardown(() => standIn.stop())
    const asked = await ask(standIn, bearer('abcdef.0123456789abcdef'))
    t.equal(asked.status, enabled ? 200 : 401)
    t.strictSame(
      asked.user,
      enabled ? { ...bootstrap, groups: [...bootstrap.groups, 'system:authenticated'] } : {},
    )
    if (!enabled) {
      t.equal(asked.seen, undefined, 'it does not go upstream')
      t.equal((await ask(standIn, bearer('abcdef.0123456789abcdef'))).status, 401)
      const lines = standIn.proxy.logLines.filter((line) =>
        line.includes('--enable-bootstrap-token-auth is not set'),
      )
      t.equal(lines.length, 1, 'the log says so once')
      t.notMatch(lines[0], '0123456789abcdef')
    }
    t.equal((await ask(standIn, bearer('abcdef.fedcba9876543210'))).user.username, 'eve')
    t.equal((await ask(standIn, bearer('opaque'))).user.username, 'mallory')
    t.equal((await ask(standIn, bearer('abcdef.0000000000000000'))).status, 401)
  }
  const standIn = await StandIn.start({ ...ok, tokens })
  t.teardown(() => standIn.stop())
  t.equal(
    (await ask(standIn, bearer('abcdef.0123456789abcdef'))).status,
    401,
    'as kube-apiserver, it is off by default',
  )
})

await t.test('flags that say nothing without others, and files that are no good', async (t) => {
  const standIn = await StandIn.start(ok)
  t.teardown(() => standIn.stop())
  const base = flagsOf(standIn)
  const bad = standIn.file('bad', 'a,b\n')
  const cases: [string[], RegExp][] = [
    [['--requestheader-allowed-names=a'], /expected --requestheader-client-ca-file as well/],
    [['--service-account-issuer=a'], /expected --service-account-key-file as well/],
    [['--api-audiences=a'], /expected --service-account-key-file as well/],
    [['--service-account-lookup=false'], /is false, expected --service-account-key-file as well/],
    [['--oidc-client-id=a'], /expected --oidc-issuer-url as well/],
    [['--oidc-issuer-url=https://a'], /expected --oidc-client-id as well/],
    [['--oidc-issuer-url=http://a', '--oidc-client-id=a'], /expected a URL with https/],
    [
      ['--oidc-issuer-url=https://u:hidden@a', '--oidc-client-id=a'],
      /^(?!.*hidden).*found a URL with a user in it, expected .*without user/s,
    ],
    [
      ['--oidc-issuer-url=https://a', '--oidc-client-id=a', '--oidc-groups-prefix=a'],
      /expected --oidc-groups-claim/,
    ],
    [
      ['--oidc-issuer-url=https://a', '--oidc-client-id=a', '--oidc-signing-algs=HS256'],
      /expected some of RS256/,
    ],
    [
      ['--oidc-issuer-url=https://a', '--oidc-client-id=a', '--oidc-required-claim=a'],
      /expected CLAIM=VALUE/,
    ],
    [
      ['--oidc-issuer-url=https://a', '--oidc-client-id=a', `--oidc-ca-file=${bad}`],
      /oidc-ca-file.*no certificate found/,
    ],
    [
      ['--oidc-issuer-url=https://a', '--oidc-client-id=a', `--authentication-config=${bad}`],
      /expected no --oidc-issuer-url/,
    ],
    [[`--token-auth-file=${bad}`], /bad: line 1: found 2 columns/],
    [[`--service-account-key-file=${bad}`], /no RSA or ECDSA key found/],
    [[`--requestheader-client-ca-file=${bad}`], /requestheader-client-ca-file.*no certificate found/],
    [['--token-auth-file=/none'], /--token-auth-file: \/none: no such file/],
    [[`--authentication-config=${bad}`], /bad: line 1: found "a,b", expected an object/],
    [
      [`--client-ca-file=${standIn.pki.intermediate(standIn.ca, 'middle').certFile}`],
      /without the one that issued it/,
    ],
    [['--client-ca-crl-file=x', '--client-ca-file='], /expected --client-ca-file as well/],
  ]
  await Promise.all(
    cases.map(([flags, message]) =>
      t.rejects(ProxyProcess.start([...base, ...flags]), message, flags.join(' ')),
    ),
  )
})

/** The flags that a proxy needs at all, as the stand-in's own has them. */
function flagsOf(standIn: StandIn): string[] {
  return [
    `--kubeconfig=${standIn.kubeconfig}`,
    `--tls-cert-file=${standIn.dir}/pki/serving.crt`,
    `--tls-private-key-file=${standIn.dir}/pki/serving.key`,
    `--client-ca-file=${standIn.ca.certFile}`,
  ]
}

/** With another signature. */
function tampered(pem: string): string {
  const der = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64')
  der[der.length - 1] = (der.at(-1) as number) ^ 1
  return `-----BEGIN X509 CRL-----\n${der.toString('base64')}\n-----END X509 CRL-----\n`
}
