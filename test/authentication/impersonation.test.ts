import t from 'tap'
import { ImpersonationError, readImpersonation } from '../../src/authentication/impersonation.js'
import { ClientHeaders } from '../../src/request/client-headers.js'

const read = (...raw: string[]) => readImpersonation(ClientHeaders.from(raw))

await t.test('who a request acts as', async (t) => {
  const cases: [string, string[], object][] = [
    ['a user', ['Impersonate-User', 'carol'], { username: 'carol', groups: ['system:authenticated'] }],
    [
      'groups that are asked for are the authority',
      ['Impersonate-User', 'carol', 'Impersonate-Group', 'dev', 'impersonate-group', 'qa'],
      { username: 'carol', groups: ['dev', 'qa', 'system:authenticated'] },
    ],
    [
      'system:unauthenticated is not contradicted',
      ['Impersonate-User', 'carol', 'Impersonate-Group', 'system:unauthenticated'],
      { username: 'carol', groups: ['system:unauthenticated'] },
    ],
    [
      'anonymous',
      ['Impersonate-User', 'system:anonymous'],
      { username: 'system:anonymous', groups: ['system:unauthenticated'] },
    ],
    [
      'a service account brings its groups',
      ['Impersonate-User', 'system:serviceaccount:ns:robot'],
      {
        username: 'system:serviceaccount:ns:robot',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
      },
    ],
    [
      'uid and extra, with escaped keys and the case of values kept',
      [
        ...['Impersonate-User', 'carol', 'Impersonate-Uid', '42'],
        ...['Impersonate-Extra-Example.com%2fScope', 'View', 'Impersonate-Extra-example.com%2FScope', 'Edit'],
      ],
      {
        username: 'carol',
        uid: '42',
        groups: ['system:authenticated'],
        extra: { 'example.com/scope': ['View', 'Edit'] },
      },
    ],
    [
      'a malformed escape stays as it is',
      ['Impersonate-User', 'carol', 'Impersonate-Extra-a%zz', '1'],
      { username: 'carol', groups: ['system:authenticated'], extra: { 'a%zz': ['1'] } },
    ],
    [
      'names are UTF-8',
      ['Impersonate-User', Buffer.from('josé').toString('latin1')],
      { username: 'josé', groups: ['system:authenticated'] },
    ],
  ]
  for (const [name, headers, expected] of cases) t.strictSame(read(...headers)?.target, expected, name)
  t.equal(read('Accept', '*/*'), undefined)
  t.equal(read('Impersonate-User', ''), undefined, 'an empty name is no impersonation')
})

await t.test('what must be allowed', async (t) => {
  t.strictSame(
    read(
      ...['Impersonate-User', 'system:serviceaccount:ns:robot', 'Impersonate-Group', 'dev'],
      ...['Impersonate-Extra-Scopes', 'a', 'Impersonate-Extra-Scopes', 'b', 'Impersonate-Uid', '42'],
    )?.checks,
    [
      { group: '', resource: 'serviceaccounts', namespace: 'ns', name: 'robot' },
      { group: '', resource: 'groups', name: 'dev' },
      ...['a', 'b'].map((name) => ({
        group: 'authentication.k8s.io',
        version: 'v1',
        resource: 'userextras',
        subresource: 'scopes',
        name,
      })),
      { group: 'authentication.k8s.io', version: 'v1', resource: 'uids', name: '42' },
    ],
  )
  t.match(read('Impersonate-User', 'system:serviceaccount:Bad_NS:robot')?.checks, [
    { resource: 'users', name: 'system:serviceaccount:Bad_NS:robot' },
  ])
})

await t.test('headers without a user are refused', async (t) => {
  for (const header of ['Impersonate-Group', 'Impersonate-Extra-x', 'Impersonate-Uid']) {
    t.throws(() => read(header, 'v'), ImpersonationError)
  }
})
