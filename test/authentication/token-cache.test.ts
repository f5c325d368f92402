import t from 'tap'
import { AuthenticationUnavailable } from '../../src/authentication/authenticator.js'
import { TokenCache } from '../../src/authentication/token-cache.js'
import type { UserInfo } from '../../src/request/user-info.js'

/** A cache over a delegate that counts, and a clock that the test turns. */
function setUp(ttl = 10_000, maxEntries = 100) {
  const asked: string[] = []
  const known: string[] = []
  let now = 1_700_000_000_000
  let answer = (token: string): UserInfo | undefined => ({ username: token })
  const cache = new TokenCache(
    {
      authenticateToken: async (token, bearer) => {
        asked.push(token)
        if (bearer.known) known.push(token)
        return answer(token)
      },
    },
    { successTTL: ttl, failureTTL: ttl, maxEntries, now: () => now },
  )
  return {
    ask: (token: string) => cache.authenticateToken(token, { flow: '192.0.2.1', known: false }),
    asked,
    known,
    pass: (ms: number) => void (now += ms),
    answers: (f: typeof answer) => void (answer = f),
    now: () => now,
  }
}

const jwt = (claims: object): string =>
  ['{}', JSON.stringify(claims), 'signature'].map((s) => Buffer.from(s).toString('base64url')).join('.')

await t.test('an answer is good for its time, whether yes or no', async (t) => {
  const { ask, asked, pass, answers } = setUp()
  answers((token) => (token === 'yes' ? { username: 'u' } : undefined))
  for (const token of ['yes', 'no']) {
    asked.length = 0
    const first = await ask(token)
    pass(9_999)
    t.strictSame(await ask(token), first)
    t.equal(asked.length, 1)
    pass(1)
    await ask(token)
    t.equal(asked.length, 2)
  }
})

await t.test('never past the expiry of the token', async (t) => {
  const { ask, asked, pass, now } = setUp()
  const token = jwt({ exp: now() / 1000 + 3 })
  await ask(token)
  pass(2_999)
  await ask(token)
  t.equal(asked.length, 1)
  pass(1)
  await ask(token)
  t.equal(asked.length, 2)
  for (const odd of ['a.b.c', jwt({ exp: 'soon' }), jwt([]), 'a.bnVsbA.c']) await ask(odd)
})

await t.test('one question at a time, and failures are not remembered', async (t) => {
  const { ask, asked, answers } = setUp()
  answers(() => {
    throw new AuthenticationUnavailable('down')
  })
  const both = await Promise.allSettled([ask('x'), ask('x')])
  t.equal(asked.length, 1)
  t.ok(both.every((r) => r.status === 'rejected'))
  answers(() => ({ username: 'x' }))
  t.match(await ask('x'), { username: 'x' })
})

await t.test('bounded: the least recently used goes first', async (t) => {
  const { ask, asked } = setUp(10_000, 3)
  for (const token of ['a', 'b', 'c', 'a', 'd']) await ask(token)
  asked.length = 0
  for (const token of ['a', 'c', 'd', 'b']) await ask(token)
  t.strictSame(asked, ['b'])
})

await t.test('a ttl of 0 remembers nothing', async (t) => {
  const { ask, asked } = setUp(0)
  await ask('a')
  await ask('a')
  t.equal(asked.length, 2)
})

await t.test(
  'a token that was good is known, when its time is over too, and none that was not',
  async (t) => {
    for (const ttl of [10_000, 0]) {
      const { ask, asked, known, pass, answers } = setUp(ttl)
      answers((token) => (token === 'yes' ? { username: 'u' } : undefined))
      for (let i = 0; i < 2; i++) {
        for (const token of ['yes', 'no']) await ask(token)
        pass(10_000)
      }
      t.strictSame(asked, ['yes', 'no', 'yes', 'no'])
      t.strictSame(known, ['yes'])
      answers(() => undefined)
      for (let i = 0; i < 2; i++) {
        await ask('yes')
        pass(10_000)
      }
      t.strictSame(known, ['yes', 'yes'], 'until it is none')
    }
  },
)

await t.test('tokens that are none take no place of a user', async (t) => {
  const { ask, asked, answers } = setUp(10_000, 3)
  answers((token) => (token === 'yes' ? { username: 'u' } : undefined))
  await ask('yes')
  for (let i = 0; i < 10; i++) await ask(`no-${i}`)
  asked.length = 0
  await ask('yes')
  t.strictSame(asked, [])
})
