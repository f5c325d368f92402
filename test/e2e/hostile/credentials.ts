import {
  BAD_CERTIFICATES,
  get,
  getNext,
  refused,
  request,
  seen,
  unread,
  type Fate,
  type Family,
  type HostileCase,
  type Ingredients,
} from '../../support/hostile/case.js'
import { forgedTokens } from '../../support/hostile/forged-tokens.js'

const BOB = 'Authorization: Bearer bobtoken'
const CAROL = 'Authorization: Bearer caroltoken'

const HEADERS: readonly (readonly [name: string, lines: readonly string[], fate: Fate])[] = [
  ['two good tokens', [BOB, CAROL], seen('bob')],
  ['two good tokens, the other way', [CAROL, BOB], seen('carol')],
  [
    'two good tokens in different case',
    ['AUTHORIZATION: Bearer bobtoken', 'authorization: Bearer caroltoken'],
    seen('bob'),
  ],
  ['a bad one before a good one', ['Authorization: Bearer x', BOB], refused(401)],
  ['a good one before a bad one', [BOB, 'Authorization: Bearer x'], seen('bob')],
  ['an empty one before a good one', ['Authorization:', BOB], seen('nobody')],
  ['Basic before Bearer', ['Authorization: Basic Ym9iOmJvYg==', BOB], seen('nobody')],
  ['two in one header', ['Authorization: Bearer bobtoken, Bearer caroltoken'], refused(401)],
  ['words after the token', ['Authorization: Bearer bobtoken caroltoken'], seen('bob')],
  ['a comma after the token', ['Authorization: Bearer bobtoken,'], refused(401)],
  ['lower-case scheme', ['Authorization: bearer bobtoken'], seen('bob')],
  ['upper-case scheme', ['Authorization: BEARER bobtoken'], seen('bob')],
  ['two spaces', ['Authorization: Bearer  bobtoken'], seen('nobody')],
  ['a tab', ['Authorization: Bearer\tbobtoken'], seen('nobody')],
  ['no token', ['Authorization: Bearer'], seen('nobody')],
  ['another scheme', ['Authorization: Token bobtoken'], seen('nobody')],
  ['the token alone', ['Authorization: bobtoken'], seen('nobody')],
  ['a colon for the space', ['Authorization: Bearer:bobtoken'], seen('nobody')],
  ['in quotes', ['Authorization: Bearer "bobtoken"'], refused(401)],
  ['percent-encoded', ['Authorization: Bearer %62obtoken'], refused(401)],
  ['another case', ['Authorization: Bearer BOBTOKEN'], refused(401)],
  ['not UTF-8', ['Authorization: Bearer bobtoken\xff'], refused(401)],
  ['a no-break space', ['Authorization: Bearer bobtoken\xc2\xa0'], seen('bob')],
  ['a zero-width no-break space', ['Authorization: Bearer bobtoken\xef\xbb\xbf'], refused(401)],
  ['100 KiB long', [`Authorization: Bearer ${'b'.repeat(100 * 1024)}`], refused(401)],
  ['for a proxy', ['Proxy-Authorization: Bearer bobtoken'], seen('nobody')],
  ['as a cookie', ['Cookie: token=bobtoken; Authorization=Bearer bobtoken'], seen('nobody')],
  [
    'an underscore for the name',
    ['_Authorization: Bearer bobtoken', 'Authorization_: Bearer bobtoken'],
    seen('nobody'),
  ],
  [
    'a WebSocket protocol without WebSocket',
    ['Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.Ym9idG9rZW4, x'],
    seen('nobody'),
  ],
  ['named by Connection', [BOB, 'Connection: authorization'], refused(400)],
  ['named by a list in Connection', [BOB, 'Connection: keep-alive ,\t AuthoriZation ,x'], refused(400)],
  ['named by a second Connection', [BOB, 'Connection: close', 'connection: authorization'], refused(400)],
  ['a fold after the scheme', ['Authorization: Bearer', ' bobtoken'], unread(400)],
  ['NUL in the token', ['Authorization: Bearer bobtoken\0'], unread(400)],
  ['a space before the colon', ['Authorization : Bearer bobtoken'], unread(400)],
]

export const authorizationHeaders: Family = {
  family: 'Authorization',
  cases: [
    ...HEADERS.map(([name, lines, fate]): HostileCase => ({
      name,
      certificate: 'none',
      bytes: (given) => get(given, lines),
      fates: [fate],
    })),
    ...(
      [
        ['a good token beside a certificate', [BOB]],
        ['a bad token beside a certificate', ['Authorization: Bearer x']],
        ['two tokens beside a certificate', [BOB, CAROL]],
      ] as const
    ).map(([name, lines]): HostileCase => ({
      name,
      bytes: (given) => get(given, lines),
      fates: [seen('alice')],
    })),
    {
      name: 'in the query',
      certificate: 'none',
      bytes: (given) =>
        request(`GET ${given.path()}?access_token=bobtoken&token=bobtoken HTTP/1.1`, given, [
          'Connection: close',
        ]),
      fates: [seen('nobody')],
    },
    {
      name: 'as user information in the target',
      certificate: 'none',
      bytes: (given) =>
        request(`GET https://bob:bobtoken@kubernetes${given.path()} HTTP/1.1`, given, ['Connection: close']),
      fates: [seen('nobody')],
    },
    {
      name: 'different users on one connection, without waiting for answers',
      certificate: 'none',
      bytes: (given) =>
        getNext(given, [BOB], 'b') +
        getNext(given, [CAROL], 'c') +
        getNext(given, [], 'n') +
        getNext(given, ['Authorization: Bearer x'], 'x') +
        getNext(given, [CAROL], 'c2') +
        get(given, [BOB], 'b2'),
      fates: [
        seen('bob', 'b'),
        seen('carol', 'c'),
        seen('nobody', 'n'),
        refused(401, undefined, 'x'),
        seen('carol', 'c2'),
        seen('bob', 'b2'),
      ],
    },
    {
      name: 'different tokens on one connection with a certificate',
      bytes: (given) => getNext(given, [BOB], 'b') + getNext(given, [CAROL], 'c') + get(given, [], 'n'),
      fates: [seen('alice', 'b'), seen('alice', 'c'), seen('alice', 'n')],
    },
    {
      name: 'a body that looks like a request, of a request that is refused unread',
      certificate: 'none',
      bytes: (given) => {
        const inner = getNext(given, ['X-Remote-User: root'], 'inner')
        const lines = ['Authorization: Bearer x', `Content-Length: ${inner.length}`]
        return request(`POST ${given.path('o')} HTTP/1.1`, given, lines, inner) + get(given, [BOB], 'n')
      },
      fates: [refused(401, undefined, 'o'), seen('bob', 'n')],
    },
  ],
}

export const certificates: Family = {
  family: 'client certificates',
  cases: BAD_CERTIFICATES.flatMap((certificate): HostileCase[] => [
    { name: certificate, certificate, bytes: (given) => get(given), fates: [refused(401)] },
    {
      name: `${certificate}, with X-Remote-* and Impersonate-*`,
      certificate,
      bytes: (given) => get(given, ['X-Remote-User: root', 'Impersonate-User: root']),
      fates: [refused(401)],
    },
    {
      name: `${certificate}, beside a good token`,
      certificate,
      bytes: (given) => get(given, [BOB]),
      fates: [seen('bob')],
    },
  ]),
}

const bearer = (given: Ingredients, token: string): string => get(given, [`Authorization: Bearer ${token}`])

export const tokens: Family = {
  family: 'service account tokens',
  cases: [
    {
      name: 'a good one',
      certificate: 'none',
      bytes: (given) => bearer(given, given.robotToken),
      fates: [seen('robot')],
    },
    ...Object.entries(forgedTokens).map(([name, forge]): HostileCase => ({
      name,
      certificate: 'none',
      bytes: (given) => bearer(given, forge(given.robotToken, given.serviceAccountKey)),
      fates: [refused(401)],
    })),
  ],
}
