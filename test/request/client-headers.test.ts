import t from 'tap'
import { ClientHeaders, headerBytes } from '../../src/request/client-headers.js'
import { utf8FromBytes } from '../../src/request/escape.js'

await t.test('what passes', async (t) => {
  const cases: [string, string[], string[]][] = [
    ['order and spelling', ['B', '1', 'a', '2', 'B', '3'], ['B', '1', 'a', '2', 'B', '3']],
    [
      'nothing of the connection',
      [
        ...[
          'Connection',
          'close',
          'Keep-Alive',
          '5',
          'TE',
          'trailers',
          'Upgrade',
          'x',
          'Transfer-Encoding',
          'chunked',
        ],
        ...[
          'Proxy-Authorization',
          'x',
          'Proxy-Connection',
          'x',
          'Trailer',
          'x',
          'HTTP2-Settings',
          'x',
          'Accept',
          'y',
        ],
      ],
      ['Accept', 'y'],
    ],
    [
      'nothing that Connection names',
      ['connection', 'X-A , x-b', 'x-a', '1', 'X-B', '2', 'X-C', '3'],
      ['X-C', '3'],
    ],
    ['no pseudo-headers', [':path', '/', ':authority', 'x', 'a', 'b'], ['a', 'b']],
    ['no X-Remote-* in any spelling', ['X-Remote-User', 'a', 'x-REMOTE-extra-b', 'c', 'X-Remote-', 'd'], []],
    [
      'names that only look alike',
      ['X-Remote', 'a', 'X_Remote_User', 'b'],
      ['X-Remote', 'a', 'X_Remote_User', 'b'],
    ],
  ]
  for (const [name, raw, expected] of cases) t.strictSame(ClientHeaders.from(raw).raw, expected, name)
})

await t.test('what Connection may not name', async (t) => {
  for (const name of [
    'authorization',
    'Impersonate-User',
    'IMPERSONATE-EXTRA-X',
    'audit-id',
    'host',
    'content-length',
  ]) {
    t.equal(ClientHeaders.from(['Connection', `close, ${name}`]).misnamed, name.toLowerCase())
  }
  for (const fine of ['close', 'keep-alive', 'Upgrade', 'x-remote-user', 'x-other', '', ', ,']) {
    t.equal(ClientHeaders.from(['Connection', fine]).misnamed, undefined, fine)
  }
})

await t.test('reading', async (t) => {
  const headers = ClientHeaders.from([
    ...['A', '1', 'a', '2', 'Name', Buffer.from('ü').toString('latin1'), 'X-Remote-User', 'r'],
  ])
  t.equal(headers.get('a'), '1')
  t.strictSame(headers.values('a'), ['1', '2'])
  t.equal(headers.get('name'), 'ü')
  t.equal(headers.get('x-remote-user'), undefined)
  t.strictSame(headers.remoteHeaders, ['X-Remote-User', 'r'])
  t.ok(headers.hasPrefix('nam'))
  t.notOk(headers.hasPrefix('x-'))
})

await t.test('what two readers may understand differently', async (t) => {
  const host = ['Host', 'a']
  const chunked = ['Transfer-Encoding', 'chunked']
  for (const fine of [[], host, chunked, ['transfer-encoding', 'Chunked', ...host]]) {
    t.equal(ClientHeaders.from(fine).ambiguity, undefined, String(fine))
  }
  for (const unclear of [
    [...host, ...host],
    [...host, 'host', 'b'],
    [...chunked, ...chunked],
    ['Transfer-Encoding', 'gzip, chunked'],
    ['Transfer-Encoding', 'identity'],
    ['TRANSFER-ENCODING', ''],
    ['Transfer-Encoding', '\xa0chunked'],
  ]) {
    t.type(ClientHeaders.from(unclear).ambiguity, 'string', String(unclear))
  }
})

await t.test('text in a header', async (t) => {
  t.equal(headerBytes('plain'), 'plain')
  t.equal(headerBytes('ü€'), '\xc3\xbc\xe2\x82\xac')
  t.equal(utf8FromBytes(headerBytes('ü€😀')), 'ü€😀')
})
