import t from 'tap'
import {
  impersonationIdentity,
  requestHeaderIdentity,
  UnassertableIdentity,
} from '../../src/upstream/identity.js'

const USER = {
  username: 'josé',
  uid: '42',
  groups: ['dev', 'system:authenticated'],
  extra: { 'example.com/scopes': ['a', 'b'], plain: ['C'] },
}

await t.test('an identity as headers', async (t) => {
  const latin1 = Buffer.from('josé').toString('latin1')
  t.strictSame(requestHeaderIdentity(USER), [
    ...['X-Remote-User', latin1, 'X-Remote-Uid', '42'],
    ...['X-Remote-Group', 'dev', 'X-Remote-Group', 'system:authenticated'],
    ...['X-Remote-Extra-example.com%2Fscopes', 'a', 'X-Remote-Extra-example.com%2Fscopes', 'b'],
    ...['X-Remote-Extra-plain', 'C'],
  ])
  t.strictSame(impersonationIdentity({ username: 'a' }), ['Impersonate-User', 'a'])
})

await t.test('what a header would change is not asserted', async (t) => {
  const cases: [string, object][] = [
    ['space before', { username: ' admin' }],
    ['space after', { username: 'admin\t' }],
    ['a newline', { username: 'a\nb' }],
    ['a carriage return', { username: 'a\r\nX-Remote-Group: system:masters' }],
    ['a null byte', { username: 'a\0b' }],
    ['no name', { username: '' }],
    ['a group with space', { username: 'a', groups: ['system:masters '] }],
    ['an empty group', { username: 'a', groups: [''] }],
    ['a non-breaking space', { username: '\u00a0admin' }],
    ['a key in upper case', { username: 'a', extra: { Scopes: ['x'] } }],
    ['an empty key', { username: 'a', extra: { '': ['x'] } }],
  ]
  for (const [name, user] of cases) {
    t.throws(() => requestHeaderIdentity(user as { username: string }), UnassertableIdentity, name)
  }
})
