import t from 'tap'
import { readImpersonation } from '../../../src/authentication/impersonation/headers.js'
import { ClientHeaders } from '../../../src/request/client-headers.js'

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

await t.test('a node', async (t) => {
  const groups = (...headers: string[]) => read('Impersonate-User', ...headers)?.target.groups
  t.strictSame(groups('system:node:n1'), ['system:nodes', 'system:authenticated'])
  t.strictSame(groups('system:node:n1', 'Impersonate-Group', 'dev'), ['dev', 'system:authenticated'])
  t.strictSame(groups('system:node:n1', 'Impersonate-Uid', '1'), ['system:authenticated'])
  t.strictSame(groups('system:node:Not_A_Node'), ['system:authenticated'])
})

await t.test('what was asked, and nothing else', async (t) => {
  t.strictSame(
    read(
      ...['Impersonate-User', 'system:serviceaccount:ns:robot'],
      ...['Impersonate-Extra-Scopes', 'a', 'Impersonate-Extra-Scopes', 'b', 'Impersonate-Uid', '42'],
    )?.asked,
    { username: 'system:serviceaccount:ns:robot', uid: '42', extra: { scopes: ['a', 'b'] } },
  )
  for (const [header, asked] of [
    ['Impersonate-Group', { username: '', groups: ['v'] }],
    ['Impersonate-Extra-x', { username: '', extra: { x: ['v'] } }],
    ['Impersonate-Uid', { username: '', uid: 'v' }],
  ] as const) {
    t.strictSame(read(header, 'v')?.asked, asked, header)
  }
})
