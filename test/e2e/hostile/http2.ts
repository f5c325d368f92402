import {
  refused,
  seen,
  unread,
  type Family,
  type Fate,
  type HostileCase,
  type Ingredients,
  type Stream,
} from '../../support/hostile/case.js'
import type { Field } from '../../support/hostile/http2-frames.js'

/** A request that is as it should be, with further fields. */
function fields(given: Ingredients, more: readonly Field[] = [], part = ''): Field[] {
  return [...pseudo(given.path(part)), ['audit-id', given.id], ...more]
}

function pseudo(path: string, changed: Readonly<Record<string, string>> = {}): Field[] {
  const all = { ':method': 'GET', ':scheme': 'https', ':path': path, ':authority': 'kubernetes', ...changed }
  return Object.entries(all)
}

const PASSES = seen('alice')
const RESET = unread(0)
/** nghttp2 leaves out fields that are not well-formed, and goes on with the others. */
const DROPPED = PASSES
const BOB: Field = ['authorization', 'Bearer bobtoken']
const CAROL: Field = ['authorization', 'Bearer caroltoken']
const INNER = 'GET /api/v1/namespaces/smuggled/pods HTTP/1.1\r\nHost: x\r\nX-Remote-User: root\r\n\r\n'

/** Fields of a header beyond what a request needs. */
const FIELDS: readonly (readonly [name: string, more: readonly Field[], fate: Fate])[] = [
  [
    'X-Remote-*',
    [
      ['x-remote-user', 'root'],
      ['x-remote-group', 'system:masters'],
    ],
    PASSES,
  ],
  [
    'X-Remote-* repeated',
    [
      ['x-remote-user', 'root'],
      ['x-remote-user', 'admin'],
    ],
    PASSES,
  ],
  ['X-Remote-* in upper case', [['X-Remote-User', 'root']], RESET],
  ['X-Remote-* as a pseudo-header', [[':x-remote-user', 'root']], RESET],
  ['X-Remote-* after a space', [[' x-remote-user', 'root']], DROPPED],
  ['X-Remote-* before a space', [['x-remote-user ', 'root']], DROPPED],
  ['X-Remote-* before a colon', [['x-remote-user:', 'root']], DROPPED],
  ['X-Remote-* in a value', [['accept', 'a\r\nx-remote-user: root']], DROPPED],
  ['X-Remote-* after LF in a value', [['accept', 'a\nx-remote-user: root']], DROPPED],
  ['X-Remote-* in a name', [['a\r\nx-remote-user', 'root']], DROPPED],
  ['X-Remote-* with underscores', [['x_remote_user', 'root']], PASSES],
  ['NUL in a value', [['accept', 'a\0b']], DROPPED],
  ['an empty name', [['', 'root']], DROPPED],
  ['a pseudo-header after the others', [[':authority', 'x']], RESET],
  ['a pseudo-header of responses', [[':status', '200']], RESET],
  ['extended CONNECT', [[':protocol', 'websocket']], RESET],
  ['a second path', [[':path', '/']], RESET],
  ['Connection', [['connection', 'x-remote-user']], RESET],
  ['Transfer-Encoding', [['transfer-encoding', 'chunked']], RESET],
  ['Upgrade', [['upgrade', 'websocket']], RESET],
  ['TE', [['te', 'chunked']], RESET],
  ['TE: trailers', [['te', 'trailers']], PASSES],
  ['Proxy-Connection', [['proxy-connection', 'x-remote-user']], RESET],
  ['another host', [['host', 'evil.example']], PASSES],
  ['Impersonate-User', [['impersonate-user', 'root']], PASSES],
  [
    'cookies in crumbs',
    [
      ['cookie', 'a=b'],
      ['cookie', 'x-remote-user=root'],
    ],
    PASSES,
  ],
]

const PSEUDO: readonly (readonly [name: string, changed: Readonly<Record<string, string>>, fate: Fate])[] = [
  ['a line end in the method', { ':method': 'GET / HTTP/1.1\r\nx: y' }, RESET],
  ['a space in the method', { ':method': 'GET /x' }, RESET],
  ['an empty method', { ':method': '' }, RESET],
  ['a lower-case method', { ':method': 'get' }, PASSES],
  ['an unknown method', { ':method': 'ROOT' }, PASSES],
  ['TRACE', { ':method': 'TRACE' }, PASSES],
  ['another scheme', { ':scheme': 'http' }, PASSES],
  ['a line end in the scheme', { ':scheme': 'https\r\nx-remote-user: root' }, RESET],
  ['user information', { ':authority': 'root:x@kubernetes' }, PASSES],
  ['a line end in the authority', { ':authority': 'kubernetes\r\nx-remote-user: root' }, RESET],
]

const PATHS: readonly (readonly [name: string, path: (given: Ingredients) => string, fate: Fate])[] = [
  ['a line end in the path', (given) => `${given.path()} HTTP/1.1\r\nx-remote-user: root\r\n\r\n`, RESET],
  ['a space in the path', (given) => `${given.path()} HTTP/1.1`, RESET],
  ['NUL in the path', (given) => `${given.path()}\0`, RESET],
  ['an empty path', () => '', RESET],
  ['absolute form', (given) => `https://root:x@kubernetes${given.path()}`, RESET],
  ['a path without a slash', (given) => given.path().slice(1), RESET],
  ['two slashes', (given) => `//evil.example${given.path()}`, PASSES],
  ['encoded dots', (given) => `${given.path()}/%2e%2e/x`, PASSES],
  ['a fragment', (given) => `${given.path()}#x`, PASSES],
  ['a broken escape', (given) => `${given.path()}/%zz`, refused(400)],
  ['raw bytes', (given) => `${given.path()}/\xff`, PASSES],
]

function one(name: string, streams: (given: Ingredients) => readonly Stream[], fate: Fate): HostileCase {
  const impersonation = name === 'Impersonate-User'
  return {
    name,
    streams,
    fates: impersonation
      ? (mode) => [mode === 'impersonation' ? refused(403, 'alice') : seen('alice', '', 403)]
      : [fate],
  }
}

export const http2: Family = {
  family: 'HTTP/2',
  cases: [
    ...FIELDS.map(([name, more, fate]) => one(name, (given) => [{ fields: fields(given, more) }], fate)),
    ...PSEUDO.map(([name, changed, fate]) =>
      one(name, (given) => [{ fields: [...pseudo(given.path(), changed), ['audit-id', given.id]] }], fate),
    ),
    ...PATHS.map(([name, path, fate]) =>
      one(name, (given) => [{ fields: [...pseudo(path(given)), ['audit-id', given.id]] }], fate),
    ),
    {
      name: 'different users in one session',
      certificate: 'none',
      streams: (given) => [
        { fields: fields(given, [BOB], 'b') },
        { fields: fields(given, [CAROL], 'c') },
        { fields: fields(given, [], 'n') },
        { fields: fields(given, [BOB, CAROL], 'b2') },
        { fields: fields(given, [['authorization', 'Bearer x']], 'x') },
      ],
      fates: [
        seen('bob', 'b'),
        seen('carol', 'c'),
        seen('nobody', 'n'),
        seen('bob', 'b2'),
        refused(401, undefined, 'x'),
      ],
    },
    {
      name: 'a body that looks like a request',
      streams: (given) => [{ fields: fields(given), data: INNER }],
      fates: [PASSES],
    },
    {
      name: 'a body that looks like the end of chunks',
      streams: (given) => [{ fields: fields(given), data: `0\r\n\r\n${INNER}` }],
      fates: [PASSES],
    },
    {
      name: 'a body shorter than its length',
      streams: (given) => [{ fields: fields(given, [['content-length', '500']]), data: INNER }],
      fates: [{ kind: 'broken', by: 'alice', part: '' }],
    },
    {
      name: 'a body longer than its length',
      streams: (given) => [{ fields: fields(given, [['content-length', '5']]), data: INNER }],
      fates: [{ kind: 'broken', by: 'alice', part: '' }],
    },
    {
      name: 'two lengths',
      streams: (given) => [
        {
          fields: fields(given, [
            ['content-length', '5'],
            ['content-length', '90'],
          ]),
          data: INNER,
        },
      ],
      fates: [RESET],
    },
    {
      name: 'an identity in trailers',
      streams: (given) => [
        {
          fields: fields(given),
          data: '{}',
          trailers: [
            ['x-remote-user', 'root'],
            ['authorization', 'Bearer bobtoken'],
          ],
        },
      ],
      fates: [PASSES],
    },
    {
      name: 'pseudo-headers in trailers',
      streams: (given) => [{ fields: fields(given), data: '{}', trailers: [[':path', '/api/v1/secrets']] }],
      fates: [{ kind: 'broken', by: 'alice', part: '' }],
    },
    {
      name: 'CONNECT',
      streams: (given) => [
        {
          fields: [
            [':method', 'CONNECT'],
            [':authority', 'kubernetes:443'],
            ['audit-id', given.id],
          ],
        },
      ],
      fates: [refused(400)],
    },
  ],
}
