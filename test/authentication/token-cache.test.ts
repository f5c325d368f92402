import t from 'tap'
import { AuthenticationUnavailable } from '../../src/authentication/authenticator.js'
import { TokenCache } from '../../src/authentication/token-cache.js'
import type { UserInfo } from '../../src/request/user-info.js'

/** A cache over a delegate that counts, and a clock that the test turns. */
function setUp(ttl = 10_000, maxEntries = 100) {
  const asked: string[] = []
  let now = 1_700_000_000_000
  let answer = (token: string): UserInfo | undefined => ({ username: token })
  const cache = new TokenCache(
    {
      authenticateToken: async (token) => {
        asked.push(token)
        return answer(token)
      },
    },
    { successTTL: ttl, failureTTL: ttl, maxEntries, now: () => now },
  )
  return {
    cache,
    asked,
    pass: (ms: number) => void (now += ms),
    answers: (f: typeof answer) => void (answer = f),
    now: () => now,
  }
}

const jwt = (claims: object): string =>
  ['{}', JSON.stringify(claims), 'signature'].map((s) => Buffer.from(s).toString('base64url')).join('.')

await t.test('an answer is good for its time, whether yes or no', async (t) => {
  const { cache, asked, pass, answers } = setUp()
  answers((token) => (token === 'yes' ? { username: 'u' } : undefined))
  for (const token of ['yes', 'no']) {
    asked.length = 0
    const first = await cache.authenticateToken(token)
    pass(9_999)
    t.strictSame(await cache.authenticateToken(token), first)
    t.equal(asked.length, 1)
    pass(1)
    await cache.authenticateToken(token)
    t.equal(asked.length, 2)
  }
})

await t.test('never past the expiry of the token', async (t) => {
  const { cache, asked, pass, now } = setUp()
  const token = jwt({ exp: now() / 1000 + 3 })
  await cache.authenticateToken(token)
  pass(2_999)
  await cache.authenticateToken(token)
  t.equal(asked.length, 1)
  pass(1)
  await cache.authenticateToken(token)
  t.equal(asked.length, 2)
  for (const odd of ['a.b.c', jwt({ exp: 'soon' }), jwt([]), 'a.bnVsbA.c']) await cache.authenticateToken(odd)
})

await t.test('one question at a time, and failures are not remembered', async (t) => {
  const { cache, asked, answers } = setUp()
  answers(() => {
    throw new AuthenticationUnavailable('down')
  })
  const both = await Promise.allSettled([cache.authenticateToken('x'), cache.authenticateToken('x')])
  t.equal(asked.length, 1)
  t.ok(both.every((r) => r.status === 'rejected'))
  answers(() => ({ username: 'x' }))
  t.match(await cache.authenticateToken('x'), { username: 'x' })
})

await t.test('bounded: the least recently used goes first', async (t) => {
  const { cache, asked } = setUp(10_000, 3)
  for (const token of ['a', 'b', 'c', 'a', 'd']) await cache.authenticateToken(token)
  asked.length = 0
  for (const token of ['a', 'c', 'd', 'b']) await cache.authenticateToken(token)
  t.strictSame(asked, ['b'])
})

await t.test('a ttl of 0 remembers nothing', async (t) => {
  const { cache, asked } = setUp(0)
  await cache.authenticateToken('a')
  await cache.authenticateToken('a')
  t.equal(asked.length, 2)
})
