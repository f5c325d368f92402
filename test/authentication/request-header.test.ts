import t from 'tap'
import { readUser } from '../../src/authentication/request-header.js'
import { ClientHeaders } from '../../src/request/client-headers.js'
import { IdentityHeaders, X_REMOTE } from '../../src/request/identity-headers.js'

void t.test('the user of identity headers', (t) => {
  const cases: [string[], object | undefined][] = [
    [['X-Remote-User', 'alice'], { username: 'alice', groups: [] }],
    [
      ['x-remote-user', 'alice', 'X-REMOTE-GROUP', 'a', 'X-Remote-Group', '', 'X-Remote-Group', 'b'],
      { username: 'alice', groups: ['a', 'b'] },
    ],
    [['X-Remote-User', 'alice', 'X-Remote-User', 'root'], { username: 'alice', groups: [] }],
    [['X-Remote-User', '', 'X-Remote-User', 'root'], undefined],
    [['X-Remote-Group', 'system:masters'], undefined],
    [['X-Remote-User', 'a', 'X-Remote-Uid', '1'], { username: 'a', uid: '1', groups: [] }],
    [
      [
        'X-Remote-User',
        'a',
        'X-Remote-Extra-Scopes',
        'x',
        'X-Remote-Extra-example.com%2Fkey',
        'y',
        'X-Remote-Extra-scopes',
        'z',
      ],
      { username: 'a', groups: [], extra: { scopes: ['x', 'z'], 'example.com/key': ['y'] } },
    ],
    [
      ['X-Remote-User', 'a', 'X-Remote-Extra-50%', 'x'],
      { username: 'a', groups: [], extra: { '50%': ['x'] } },
    ],
    [['X-Remote-User', Buffer.from('zoë').toString('latin1')], { username: 'zoë', groups: [] }],
  ]
  for (const [raw, user] of cases) {
    t.same(readUser(ClientHeaders.from(raw).remoteHeaders, X_REMOTE.names), user, String(raw))
  }
  t.end()
})

void t.test('other headers that assert an identity are taken out like X-Remote-*', (t) => {
  const headers = new IdentityHeaders({
    username: ['x-remote-user', 'x-forwarded-user'],
    uid: ['x-forwarded-uid'],
    group: ['x-forwarded-group'],
    extraPrefix: ['x-forwarded-extra-'],
  })
  const raw = [
    'X-Forwarded-User',
    'a',
    'x-forwarded-Group',
    'g',
    'X-FORWARDED-UID',
    '1',
    'X-Forwarded-Extra-k',
    'v',
  ]
  const client = ClientHeaders.from([...raw, 'X-Forwarded-Host', 'h', 'X-Remote-Other', 'o'], headers)
  t.same(client.raw, ['X-Forwarded-Host', 'h'])
  t.same(readUser(client.remoteHeaders, headers.names), {
    username: 'a',
    uid: '1',
    groups: ['g'],
    extra: { k: ['v'] },
  })
  t.end()
})
