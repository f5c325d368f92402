import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import tls from 'node:tls'
import t from 'tap'
import { byAuditID, waitForEvents, type LoggedEvent } from '../support/audit-log.js'
import { sendJSON, StandIn, type Seen } from '../support/stand-in.js'

const PODS = '/api/v1/namespaces/default/pods'
const TOKENS = {
  bobtoken: { username: 'bob', uid: 'uid-bob', groups: ['viewers'] },
  carltoken: { username: 'carl' },
}

/** The events of the one request that the log holds under this auditID, when it is complete. */
function eventsOf(standIn: StandIn, auditID: string): Promise<LoggedEvent[]> {
  return waitForEvents(standIn.auditLog, (events) => {
    const found = byAuditID(events).get(auditID)
    const last = found?.at(-1)
    return last?.stage === 'ResponseComplete' || last?.responseStatus?.code === 401 ? found : undefined
  })
}

/** Values of a header as the apiserver received them. */
function values(seen: Seen | undefined, name: string): string[] {
  const found: string[] = []
  const raw = seen?.rawHeaders ?? []
  for (let i = 0; i < raw.length; i += 2) if (raw[i]?.toLowerCase() === name) found.push(raw[i + 1] as string)
  return found
}

await t.test('without credential ids', async (t) => {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, {}),
    flags: ['--client-certificate-credential-id=false'],
  })
  t.teardown(() => standIn.stop())
  const alice = standIn.client({ name: 'alice', cn: 'alice', o: ['dev'] })
  const headers = { 'audit-id': 'alice-1' }
  t.equal((await standIn.ask(PODS, { ...standIn.as(alice), headers })).status, 200)
  const [received] = await eventsOf(standIn, 'alice-1')
  t.strictSame(received?.user, { username: 'alice', groups: ['dev', 'system:authenticated'] })
  t.notOk(standIn.seen.at(-1)?.rawHeaders.some((name) => /^x-remote-extra/i.test(name)))
})

await t.test('identities are asserted by request headers', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}), tokens: TOKENS })
  t.teardown(() => standIn.stop())

  await t.test('a certificate user', async (t) => {
    const alice = standIn.client({ name: 'alice', cn: 'alice', o: ['dev', 'qa'] })
    const headers = { 'audit-id': 'alice-1' }
    t.equal((await standIn.ask(PODS, { ...standIn.as(alice), headers })).status, 200)
    const seen = standIn.seen.at(-1)
    t.equal(seen?.peer, 'front-proxy-client')
    t.strictSame(values(seen, 'x-remote-user'), ['alice'])
    t.strictSame(values(seen, 'x-remote-group'), ['dev', 'qa', 'system:authenticated'])
    t.strictSame(values(seen, 'authorization'), [])
    const [received] = await eventsOf(standIn, 'alice-1')
    const id = `X509SHA256=${new X509Certificate(alice.cert).fingerprint256.replaceAll(':', '').toLowerCase()}`
    t.strictSame(received?.user, {
      username: 'alice',
      groups: ['dev', 'qa', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [id] },
    })
    t.strictSame(values(seen, 'x-remote-extra-authentication.kubernetes.io%2fcredential-id'), [id])
    t.strictSame(values(seen, 'x-remote-uid'), [])
  })

  await t.test('a certificate with a UID', async (t) => {
    const ursula = standIn.client({ name: 'ursula', cn: 'ursula', uids: ['uid-ursula'] })
    const headers = { 'audit-id': 'ursula-1' }
    t.equal((await standIn.ask(PODS, { ...standIn.as(ursula), headers })).status, 200)
    t.strictSame(values(standIn.seen.at(-1), 'x-remote-uid'), ['uid-ursula'])
    t.match((await eventsOf(standIn, 'ursula-1'))[0]?.user, { username: 'ursula', uid: 'uid-ursula' })
  })

  await t.test('a token travels as it is, over a connection without credentials', async (t) => {
    const headers = { authorization: 'Bearer bobtoken', 'audit-id': 'bob-1' }
    t.equal((await standIn.ask(PODS, { ...standIn.as('nobody'), headers })).status, 200)
    const seen = standIn.seen.at(-1)
    t.equal(seen?.peer, undefined)
    t.strictSame(values(seen, 'authorization'), ['Bearer bobtoken'])
    t.strictSame(values(seen, 'x-remote-user'), [])
    const [received] = await eventsOf(standIn, 'bob-1')
    t.strictSame(received?.user, {
      username: 'bob',
      uid: 'uid-bob',
      groups: ['viewers', 'system:authenticated'],
    })
  })

  await t.test('nobody at all', async (t) => {
    t.equal(
      (await standIn.ask(PODS, { ...standIn.as('nobody'), headers: { 'audit-id': 'anon-1' } })).status,
      200,
    )
    const seen = standIn.seen.at(-1)
    t.equal(seen?.peer, undefined)
    t.strictSame(values(seen, 'x-remote-user'), [])
    const [received] = await eventsOf(standIn, 'anon-1')
    t.strictSame(received?.user, { username: 'system:anonymous', groups: ['system:unauthenticated'] })
  })

  await t.test('a certificate outweighs a token, which then goes no further', async (t) => {
    const headers = { authorization: 'Bearer nosuchtoken', 'audit-id': 'both-1' }
    t.equal((await standIn.ask(PODS, { headers })).status, 200)
    t.strictSame(values(standIn.seen.at(-1), 'authorization'), [])
    t.equal((await eventsOf(standIn, 'both-1'))[0]?.user.username, 'admin')
  })

  await t.test('a client cannot assert anything', async (t) => {
    const forged: [string, string[]][] = [
      ['lower case', ['x-remote-user', 'root']],
      ['upper case', ['X-REMOTE-USER', 'root', 'X-REMOTE-GROUP', 'system:masters']],
      ['repeated', ['X-Remote-User', 'root', 'X-Remote-User', 'root2']],
      ['groups', ['X-Remote-Group', 'system:masters']],
      ['extra', ['X-Remote-Extra-Scopes', 'everything', 'X-Remote-Uid', '0']],
      ['named by Connection', ['X-Remote-User', 'root', 'Connection', 'keep-alive, X-Remote-User']],
      ['only named by Connection', ['Connection', 'X-Remote-User, X-Remote-Group']],
    ]
    for (const [name, pairs] of forged) {
      for (const who of [standIn.admin, 'nobody'] as const) {
        const before = standIn.seen.length
        await standIn.ask(PODS, { ...standIn.as(who), headers: rawPairs(standIn, pairs) })
        const seen = standIn.seen.at(-1)
        t.equal(standIn.seen.length, before + 1)
        const expected = who === 'nobody' ? [] : ['admin']
        t.strictSame(
          values(seen, 'x-remote-user'),
          expected,
          `${name}, as ${who === 'nobody' ? 'nobody' : 'admin'}`,
        )
        t.strictSame(
          values(seen, 'x-remote-group'),
          who === 'nobody' ? [] : ['system:masters', 'system:authenticated'],
        )
        t.strictSame(values(seen, 'x-remote-extra-scopes'), [])
        t.strictSame(values(seen, 'x-remote-uid'), [])
      }
    }
  })

  await t.test('Connection may not take away what decides who asks', async (t) => {
    for (const name of ['Authorization', 'impersonate-user', 'Audit-ID']) {
      const before = standIn.seen.length
      const { status, body } = await standIn.ask(PODS, {
        headers: {
          connection: `close, ${name}`,
          authorization: 'Bearer bobtoken',
          'audit-id': `conn-${name}`,
        },
      })
      t.equal(status, 400)
      t.match(JSON.parse(body.toString()), { kind: 'Status', reason: 'BadRequest', code: 400 })
      t.equal(standIn.seen.length, before, 'nothing went upstream')
      await waitForEvents(standIn.auditLog, (e) => byAuditID(e).get(`conn-${name}`))
    }
  })

  await t.test('of two tokens the one that was verified goes upstream, alone', async (t) => {
    const protocol = (token: string) =>
      `base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString('base64url')}`
    const cases: [string, string, string, string | undefined, string | undefined][] = [
      ['bobtoken', 'carltoken', 'bob', 'Bearer bobtoken', 'v4.channel.k8s.io'],
      ['nosuchtoken', 'carltoken', 'carl', undefined, `${protocol('carltoken')}, v4.channel.k8s.io`],
    ]
    for (const [inHeader, inProtocol, user, authorization, protocols] of cases) {
      const auditID = `two-${user}`
      const { status } = await standIn.ask(PODS, {
        ...standIn.as('nobody'),
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
          'sec-websocket-version': '13',
          authorization: `Bearer ${inHeader}`,
          'sec-websocket-protocol': `${protocol(inProtocol)}, v4.channel.k8s.io`,
          'audit-id': auditID,
        },
      })
      t.equal(status, 200)
      const { headers } = standIn.seen.at(-1) ?? {}
      t.equal(headers?.authorization, authorization)
      t.equal(headers?.['sec-websocket-protocol'], protocols)
      t.equal((await eventsOf(standIn, auditID))[0]?.user.username, user)
    }
    for (const space of ['', '\x85', '\xc2\x85', '\xe2\x80\x83']) {
      await standIn.ask(PODS, {
        ...standIn.as('nobody'),
        headers: { 'sec-websocket-protocol': `v4.channel.k8s.io,${space}${protocol('bobtoken')}${space}` },
      })
      t.equal(
        standIn.seen.at(-1)?.headers['sec-websocket-protocol'],
        'v4.channel.k8s.io',
        'whatever is around it',
      )
    }
  })

  await t.test("impersonation is the apiserver's to allow", async (t) => {
    const headers = { 'impersonate-user': 'carol', 'impersonate-group': 'dev', 'audit-id': 'imp-1' }
    t.equal((await standIn.ask(PODS, { headers })).status, 200)
    const seen = standIn.seen.at(-1)
    t.strictSame(values(seen, 'x-remote-user'), ['admin'])
    t.strictSame(values(seen, 'impersonate-user'), ['carol'])
    const events = await eventsOf(standIn, 'imp-1')
    t.strictSame(
      events.map((e) => [e.user.username, e.impersonatedUser]),
      [
        ['admin', undefined],
        ['admin', { username: 'carol', groups: ['dev', 'system:authenticated'] }],
      ],
    )
  })
})

await t.test('identities are asserted by impersonation', async (t) => {
  const denied = new Set(['root'])
  const standIn = await StandIn.start({
    identity: 'impersonation',
    upstream: (_req, res) => sendJSON(res, 200, {}),
    reviews: (_req, res, review) => {
      const { name } = (review.spec['resourceAttributes'] ?? {}) as { name?: string }
      sendJSON(res, 201, { ...review, status: { allowed: !denied.has(String(name)) } })
    },
  })
  t.teardown(() => standIn.stop())

  await t.test('a certificate user', async (t) => {
    const alice = standIn.client({ name: 'alice2', cn: 'alice', o: ['dev'] })
    t.equal((await standIn.ask(PODS, standIn.as(alice))).status, 200)
    const seen = standIn.seen.at(-1)
    t.equal(seen?.peer, 'kube-audit-proxy', "over the connection with the kubeconfig's credentials")
    t.strictSame(values(seen, 'impersonate-user'), ['alice'])
    t.strictSame(values(seen, 'impersonate-group'), ['dev', 'system:authenticated'])
  })

  await t.test("the user's own Impersonate-* headers are authorized, then replaced", async (t) => {
    standIn.reviews.length = 0
    const headers = {
      'Impersonate-User': 'carol',
      'Impersonate-Group': 'ops',
      'Impersonate-Extra-scopes': 'view',
      'audit-id': 'own-1',
    }
    t.equal((await standIn.ask(PODS, { headers })).status, 200)
    t.strictSame(
      standIn.reviews.map((r) => [r.spec['user'], r.spec['resourceAttributes']]),
      [
        ['admin', { verb: 'impersonate', group: '', resource: 'users', name: 'carol' }],
        ['admin', { verb: 'impersonate', group: '', resource: 'groups', name: 'ops' }],
        [
          'admin',
          {
            verb: 'impersonate',
            group: 'authentication.k8s.io',
            version: 'v1',
            resource: 'userextras',
            subresource: 'scopes',
            name: 'view',
          },
        ],
      ],
    )
    const seen = standIn.seen.at(-1)
    t.strictSame(values(seen, 'impersonate-user'), ['carol'])
    t.strictSame(values(seen, 'impersonate-group'), ['ops', 'system:authenticated'])
    t.strictSame(values(seen, 'impersonate-extra-scopes'), ['view'])
    t.equal((await eventsOf(standIn, 'own-1')).at(-1)?.impersonatedUser?.username, 'carol')
  })

  await t.test('a refusal is a 403 Status and an event without impersonatedUser', async (t) => {
    const before = standIn.seen.length
    const headers = { 'impersonate-user': 'root', 'audit-id': 'root-1' }
    const { status, body } = await standIn.ask(PODS, { headers })
    t.equal(status, 403)
    t.match(JSON.parse(body.toString()), {
      kind: 'Status',
      reason: 'Forbidden',
      message: /^users "root" is forbidden: User "admin" cannot impersonate resource "users" in API group ""/,
    })
    t.equal(standIn.seen.length, before, 'nothing went upstream')
    const last = (await eventsOf(standIn, 'root-1')).at(-1)
    t.match(last, { stage: 'ResponseComplete', responseStatus: { code: 403, reason: 'Forbidden' } })
    t.equal(last?.impersonatedUser, undefined)
  })

  await t.test('headers without a user', async (t) => {
    const before = standIn.seen.length
    const headers = { 'impersonate-uid': '1', 'audit-id': 'nameless-1' }
    const { status, body } = await standIn.ask(PODS, { headers })
    t.equal(status, 400)
    t.match(JSON.parse(body.toString()), {
      reason: 'BadRequest',
      message: /^requested &user.DefaultInfo\{Name:"", UID:"1", .* without impersonating a user name$/,
    })
    t.equal(standIn.seen.length, before, 'nothing went upstream')
    const last = (await eventsOf(standIn, 'nameless-1')).at(-1)
    t.match(last, { stage: 'ResponseComplete', responseStatus: { code: 400 } })
    t.equal(last?.impersonatedUser, undefined)
  })

  await t.test('the same is asked once', async (t) => {
    standIn.reviews.length = 0
    const groups = Array.from({ length: 200 }, (_, i) => `g${i % 2}`)
    const headers = { 'impersonate-user': 'carol', 'impersonate-group': groups }
    t.equal((await standIn.ask(PODS, { headers })).status, 200)
    t.equal(standIn.reviews.length, 3)
  })

  await t.test("anonymous requests bring no Impersonate-* of the proxy's", async (t) => {
    await standIn.ask(PODS, standIn.as('nobody'))
    const seen = standIn.seen.at(-1)
    t.equal(seen?.peer, undefined)
    t.strictSame(values(seen, 'impersonate-user'), [])
  })
})

await t.test('a proxy that impersonates, before a server with constrained impersonation', async (t) => {
  const allowed = new Set<string>()
  const standIn = await StandIn.start({
    identity: 'impersonation',
    constrainedImpersonation: true,
    upstream: (_req, res) => sendJSON(res, 200, {}),
    reviews: (_req, res, review) => {
      const { verb } = review.spec['resourceAttributes'] as { verb: string }
      sendJSON(res, 201, { ...review, status: { allowed: allowed.has(verb), reason: 'because' } })
    },
  })
  t.teardown(() => standIn.stop())
  const ask = async (who: string) => {
    standIn.reviews.length = 0
    const { status, body } = await standIn.ask(`${PODS}?labelSelector=a%3Db`, {
      headers: { 'impersonate-user': who },
    })
    const asked = standIn.reviews.map(({ spec }) => spec['resourceAttributes'] as { verb: string })
    return { status, message: (JSON.parse(body.toString()) as { message?: string }).message, asked }
  }
  const refused = await ask('carol')
  t.equal(refused.status, 403)
  t.equal(
    refused.message,
    'pods is forbidden: User "admin" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "default": because',
    'of several refusals the first',
  )
  t.match(refused.asked, [
    { verb: 'impersonate-on:user-info:list', labelSelector: { rawSelector: 'a=b' } },
    { verb: 'impersonate', resource: 'users', name: 'carol' },
  ])
  allowed.add('impersonate-on:user-info:list').add('impersonate:user-info')
  t.equal((await ask('carol')).status, 200)
  allowed.add('impersonate-on:arbitrary-node:list').add('impersonate:arbitrary-node')
  t.equal((await ask('system:node:n1')).status, 200)
  t.strictSame(values(standIn.seen.at(-1), 'impersonate-group'), ['system:nodes', 'system:authenticated'])
  allowed.clear()
  allowed.add('impersonate')
  t.equal((await ask('carol')).status, 200)
  t.equal((await ask('carol')).asked.length, 1, 'the mode that was granted last is tried first')
})

await t.test('certificates that are no good', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}) })
  t.teardown(() => standIn.stop())
  const day = 24 * 3600 * 1000
  const other = standIn.pki.ca('other-ca')
  const bad = {
    expired: standIn.client({
      name: 'expired',
      cn: 'admin',
      notBefore: new Date(Date.now() - 2 * day),
      notAfter: new Date(Date.now() - day),
    }),
    'not yet valid': standIn.client({
      name: 'future',
      cn: 'admin',
      notBefore: new Date(Date.now() + day),
      notAfter: new Date(Date.now() + 2 * day),
    }),
    'for servers only': standIn.client({ name: 'usage', cn: 'admin', usage: 'server' }),
    'without a name': standIn.client({ name: 'nameless', cn: '', o: ['system:masters'] }),
    'with two UIDs': standIn.client({ name: 'twouids', cn: 'admin', uids: ['1', '2'] }),
    'of another authority': standIn.pki.issue(other, { name: 'other', cn: 'admin', usage: 'client' }),
    'self-signed': standIn.pki.ca('admin'),
  }
  for (const [name, certificate] of Object.entries(bad)) {
    const auditID = `bad-${name}`
    const { status, body } = await standIn.ask(PODS, {
      ...standIn.as(certificate),
      headers: { 'audit-id': auditID },
    })
    t.equal(status, 401, name)
    t.match(JSON.parse(body.toString()), { kind: 'Status', reason: 'Unauthorized', code: 401 })
    const events = await eventsOf(standIn, auditID)
    t.strictSame(
      events.map((e) => [e.stage, e.user, e.responseStatus?.code]),
      [['ResponseStarted', {}, 401]],
    )
  }
  t.equal(standIn.seen.length, 0, 'nothing went upstream')
})

await t.test('nobody renegotiates, and so nobody changes who they are', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}) })
  t.teardown(() => standIn.stop())
  for (const who of [standIn.admin, 'nobody'] as const) {
    const socket = tls.connect({ ...(standIn.as(who) as tls.ConnectionOptions), maxVersion: 'TLSv1.2' })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    t.equal(socket.getProtocol(), 'TLSv1.2')
    const end = Promise.race([
      once(socket, 'error').then(([err]: Error[]) => (err as Error).message),
      once(socket, 'data').then(() => 'answered'),
    ])
    socket.renegotiate({}, () => {})
    socket.write(`GET ${PODS} HTTP/1.1\r\nHost: x\r\n\r\n`)
    t.match(await end, /no renegotiation/)
  }
  t.equal(standIn.seen.length, 0)
})

await t.test('tokens', async (t) => {
  let answers = true
  let reviewed = 0
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, {}),
    reviews: (_req, res, review) => {
      reviewed++
      if (!answers) return sendJSON(res, 500, { kind: 'Status' })
      const known = review.spec['token'] === 'good'
      return sendJSON(res, 201, {
        ...review,
        status: known ? { authenticated: true, user: { username: 'bob' } } : { authenticated: false },
      })
    },
  })
  t.teardown(() => standIn.stop())
  const ask = (token: string, auditID: string) =>
    standIn.ask(PODS, {
      ...standIn.as('nobody'),
      headers: { authorization: `Bearer ${token}`, 'audit-id': auditID },
    })

  t.equal((await ask('good', 'good-1')).status, 200)
  t.equal((await ask('good', 'good-2')).status, 200)
  t.equal(reviewed, 1, 'the answer is remembered')

  t.equal((await ask('bad', 'bad-1')).status, 401)
  t.strictSame(
    (await eventsOf(standIn, 'bad-1')).map((e) => [e.stage, e.responseStatus?.reason]),
    [['ResponseStarted', 'Unauthorized']],
  )

  reviewed = 0
  await Promise.all(Array.from({ length: 10 }, (_, i) => ask('other', `other-${i}`)))
  t.equal(reviewed, 1, 'one question per token is under way at a time')

  answers = false
  const unknown = await ask('unknown', 'unknown-1')
  t.equal(unknown.status, 503, 'an apiserver that cannot say is an error of its own')
  t.match(JSON.parse(unknown.body.toString()), { kind: 'Status', reason: 'ServiceUnavailable' })
  t.equal(unknown.headers['retry-after'], '1')
  const [event] = await waitForEvents(standIn.auditLog, (e) => byAuditID(e).get('unknown-1'))
  t.match(event, { stage: 'ResponseStarted', responseStatus: { code: 503 } })
  t.equal(event?.user.username, undefined, 'and never anonymous')
  t.ok(
    standIn.proxy.logLines.every((line) => !line.includes('unknown"') && !/Bearer|\bgood\b/.test(line)),
    'no token in the log',
  )
})

await t.test('--anonymous-auth=false', async (t) => {
  const standIn = await StandIn.start({
    upstream: (_req, res) => sendJSON(res, 200, {}),
    flags: ['--anonymous-auth=false'],
  })
  t.teardown(() => standIn.stop())
  const answer = await standIn.ask(PODS, { ...standIn.as('nobody'), headers: { 'audit-id': 'a' } })
  t.equal(answer.status, 401)
  t.equal(answer.headers['audit-id'], 'a')
  t.equal(standIn.seen.length, 0)
})

await t.test('a certificate that expires while its connection stays open', async (t) => {
  const standIn = await StandIn.start({ upstream: (_req, res) => sendJSON(res, 200, {}) })
  t.teardown(() => standIn.stop())
  const shortLived = standIn.client({
    name: 'short',
    cn: 'short',
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_000),
  })
  const socket = tls.connect({
    port: standIn.proxy.port,
    host: '127.0.0.1',
    ca: standIn.ca.cert,
    cert: shortLived.cert,
    key: shortLived.key,
  })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  const ask = async (): Promise<string> => {
    socket.write(`GET ${PODS} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const [data] = (await once(socket, 'data')) as [Buffer]
    return data.toString('latin1').split('\r\n', 1)[0] as string
  }
  t.equal(await ask(), 'HTTP/1.1 200 OK')
  // The certificate's end is a wall-clock time, so that only the clock can be waited for.
  let line = ''
  for (const until = Date.now() + 15_000; Date.now() < until && !line.includes('401');) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    line = await ask()
  }
  t.equal(line, 'HTTP/1.1 401 Unauthorized')
})

/** Header pairs in the order and spelling given, which only an array can carry; Node.js then wants Host itself. */
function rawPairs(standIn: StandIn, pairs: readonly string[]): readonly string[] {
  return ['Host', `127.0.0.1:${standIn.proxy.port}`, ...pairs]
}
