import t from 'tap'
import { parseTokenFile, TokenFileAuthenticator } from '../../src/authentication/token-file.js'
import { ConfigError } from '../../src/errors.js'

const read = (csv: string, warnings: string[] = []) =>
  parseTokenFile(csv, '--token-auth-file: f', (message) => warnings.push(message))

await t.test('users', async (t) => {
  const csv = [
    'secret1,alice,uid-1',
    'secret2,bob,,"dev,qa"',
    '"sec,ret""3",carol,3,ops,a column more',
    '',
    'secret4,dave,4,""\r',
    '"two\nlines",erin,5',
  ].join('\n')
  const file = new TokenFileAuthenticator(read(csv))
  const cases: [string, object | undefined][] = [
    ['secret1', { username: 'alice', uid: 'uid-1' }],
    ['secret2', { username: 'bob', groups: ['dev', 'qa'] }],
    ['sec,ret"3', { username: 'carol', uid: '3', groups: ['ops'] }],
    ['secret4', { username: 'dave', uid: '4', groups: [''] }],
    ['two\nlines', { username: 'erin', uid: '5' }],
    ['secret', undefined],
    ['', undefined],
    ['SECRET1', undefined],
  ]
  for (const [token, user] of cases) t.same(await file.authenticateToken(token), user, token)

  file.replace(read('new,alice,1'))
  t.equal(await file.authenticateToken('secret1'), undefined)
  t.match(await file.authenticateToken('new'), { username: 'alice' })
})

await t.test('what is wrong, without a token in it', (t) => {
  const cases: [string, RegExp][] = [
    ['hunter2,alice', /line 1: found 2 columns, expected at least 3/],
    ['a,b,c\nhunter2', /line 2: found 1 columns/],
    ['hunter2,,1', /line 1: the user name is empty/],
    ['a,b,c\nhun"ter2,b,c', /line 2: a quote stands/],
    ['"hunter2,b,c\n', /line 1: a quote stands in a field/],
  ]
  for (const [csv, message] of cases) {
    try {
      read(csv)
      t.fail(csv)
    } catch (err) {
      t.type(err, ConfigError)
      t.match((err as Error).message, message)
      t.notMatch((err as Error).message, /hunter2/)
    }
  }
  const warnings: string[] = []
  t.equal(read(',alice,1\nhunter2,a,1\nhunter2,b,2', warnings).size, 1)
  t.match(warnings, [/line 1: the token is empty/, /line 3: the token is in an earlier line/])
  t.equal(read('').size, 0)
  t.end()
})
