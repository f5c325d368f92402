import {
  get,
  getNext,
  late,
  refused,
  request,
  seen,
  type Certificate,
  type Family,
  type Fate,
  type HostileCase,
  type Identity,
  type Ingredients,
  type Mode,
} from '../../support/hostile/case.js'
import type { Field } from '../../support/hostile/http2-frames.js'

type Lines = readonly (readonly [name: string, value: string])[]
type Fates = (mode: Mode) => readonly Fate[]

const passes =
  (by: Identity): Fates =>
  () => [seen(by)]
/** The apiserver refuses where it decides, and else the proxy. */
const forbidden: Fates = (mode) => [mode === 'impersonation' ? refused(403, 'eve') : seen('eve', '', 403)]
const incomplete: Fates = (mode) => [mode === 'impersonation' ? refused(400, 'eve') : seen('eve')]

const MALLORY: readonly [string, string] = ['Impersonate-User', 'mallory']

/** What eve, who may act as mallory and no more, asks for. */
const COMBINATIONS: readonly (readonly [name: string, lines: Lines, fates: Fates])[] = [
  ['a UID beside it', [MALLORY, ['Impersonate-Uid', '7']], forbidden],
  ['an empty UID beside it', [MALLORY, ['Impersonate-Uid', '']], passes('eve as mallory')],
  ['a UID alone', [['Impersonate-Uid', '7']], incomplete],
  ['an empty group', [MALLORY, ['Impersonate-Group', '']], forbidden],
  ['system:authenticated', [MALLORY, ['Impersonate-Group', 'system:authenticated']], forbidden],
  ['system:unauthenticated', [MALLORY, ['Impersonate-Group', 'system:unauthenticated']], forbidden],
  ['a list of groups', [MALLORY, ['Impersonate-Group', 'dev,system:masters']], forbidden],
  ['an empty extra', [MALLORY, ['Impersonate-Extra-Scopes', '']], forbidden],
  ['an extra without a key', [MALLORY, ['Impersonate-Extra-', 'x']], forbidden],
  ['an escaped key', [MALLORY, ['Impersonate-Extra-a%2fb', 'x']], forbidden],
  ['a key that is escaped twice', [MALLORY, ['Impersonate-Extra-a%252fb', 'x']], forbidden],
  ['a key with a broken escape', [MALLORY, ['Impersonate-Extra-a%zz', 'x']], forbidden],
  ['a key that is cut off', [MALLORY, ['Impersonate-Extra-a%2', 'x']], forbidden],
  ['a key of a line end', [MALLORY, ['Impersonate-Extra-a%0d%0ab', 'x']], forbidden],
  ['a key of NUL', [MALLORY, ['Impersonate-Extra-%00', 'x']], forbidden],
  ['a key that is not UTF-8', [MALLORY, ['Impersonate-Extra-%ff', 'x']], forbidden],
  [
    'a key in two forms',
    [MALLORY, ['Impersonate-Extra-scopes', 'x'], ['Impersonate-Extra-%73copes', 'y']],
    forbidden,
  ],
  [
    'the key of a credential',
    [MALLORY, ['Impersonate-Extra-authentication.kubernetes.io%2fcredential-id', 'JTI=x']],
    forbidden,
  ],
  [
    'the key of an authority',
    [MALLORY, ['Impersonate-Extra-authentication.kubernetes.io%2fnode-name', 'x']],
    forbidden,
  ],
  [
    'many extras',
    [MALLORY, ...Array.from({ length: 50 }, (_, i) => [`Impersonate-Extra-K${i}`, 'x'] as const)],
    forbidden,
  ],
  [
    'many groups',
    [MALLORY, ...Array.from({ length: 50 }, (_, i) => ['Impersonate-Group', `g${i}`] as const)],
    forbidden,
  ],
  ['the same user twice', [MALLORY, MALLORY], passes('eve as mallory')],
  ['an empty user first', [['Impersonate-User', ''], MALLORY], passes('eve')],
  [
    'an empty user and a group',
    [
      ['Impersonate-User', ''],
      ['Impersonate-Group', 'dev'],
    ],
    incomplete,
  ],
  ['an unknown header of the kind', [MALLORY, ['Impersonate-Everything', 'yes']], passes('eve as mallory')],
  ['the prefix alone', [MALLORY, ['Impersonate-', 'yes']], passes('eve as mallory')],
  ['anonymous', [['Impersonate-User', 'system:anonymous']], forbidden],
  ['herself', [['Impersonate-User', 'eve']], forbidden],
  ['a service account', [['Impersonate-User', 'system:serviceaccount:default:robot']], forbidden],
  [
    'a service account without a namespace',
    [['Impersonate-User', 'system:serviceaccount::robot']],
    forbidden,
  ],
  ['a service account without a name', [['Impersonate-User', 'system:serviceaccount:default:']], forbidden],
  ['a node', [['Impersonate-User', 'system:node:mallory']], forbidden],
  ['a node without a name', [['Impersonate-User', 'system:node:']], forbidden],
  ['a name with a slash', [['Impersonate-User', 'mallory/x']], forbidden],
  ['a name of dots', [['Impersonate-User', '..']], forbidden],
  ['a star', [['Impersonate-User', '*']], forbidden],
  ['a name with quotes', [['Impersonate-User', 'mal"lory']], forbidden],
  ['a name of 4 KiB', [['Impersonate-User', 'm'.repeat(4096)]], forbidden],
  ['a name that begins as hers', [['Impersonate-User', 'mallory2']], forbidden],
  ['an X-Remote-Extra beside it', [MALLORY, ['X-Remote-Extra-Scopes', 'all']], passes('eve as mallory')],
  ['a token beside it', [MALLORY, ['Authorization', 'Bearer bobtoken']], passes('eve as mallory')],
  ['a bad token beside it', [MALLORY, ['Authorization', 'Bearer x']], passes('eve as mallory')],
]

const lines = (given: Lines): string[] => given.map(([name, value]) => `${name}: ${value}`)

const pseudo = (given: Ingredients, part = ''): Field[] => [
  ...([
    [':method', 'GET'],
    [':scheme', 'https'],
  ] as const),
  ...([
    [':path', given.path(part)],
    [':authority', 'kubernetes'],
  ] as const),
  ['audit-id', given.id],
]
const fields = (given: Lines): Field[] => given.map(([name, value]) => [name.toLowerCase(), value])

export const combinations: Family = {
  family: 'impersonation, combined',
  cases: COMBINATIONS.flatMap(([name, given, fates]): HostileCase[] => [
    { name, certificate: 'eve', bytes: (one) => get(one, lines(given)), fates },
    {
      name: `${name}, over HTTP/2`,
      certificate: 'eve',
      streams: (one) => [{ fields: [...pseudo(one), ...fields(given)] }],
      fates,
    },
  ]),
}

const PROTOCOL = 'base64url.bearer.authorization.k8s.io.'
const encoded = (token: string): string => PROTOCOL + Buffer.from(token).toString('base64url')
const BOB = encoded('bobtoken')

const websocket = (given: Ingredients, more: readonly string[]): string =>
  request(`GET ${given.path()}/x/exec?command=ls HTTP/1.1`, given, [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...more,
  ])

/** Tokens in the protocols of a WebSocket, alone and with others. Nobody of these may exec. */
const PROTOCOLS: readonly (readonly [name: string, lines: readonly string[], fate: Fate])[] = [
  ['a token', [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${BOB}`], seen('bob')],
  ['a token first', [`Sec-WebSocket-Protocol: ${BOB}, v5.channel.k8s.io`], seen('bob')],
  ['a token that is none', [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${encoded('x')}`], refused(401)],
  [
    'a token and a Bearer of another',
    [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${BOB}`, 'Authorization: Bearer caroltoken'],
    seen('carol'),
  ],
  [
    'a bad token and a good Bearer',
    [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${encoded('x')}`, 'Authorization: Bearer caroltoken'],
    seen('carol'),
  ],
  [
    'a token and Basic',
    [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${BOB}`, 'Authorization: Basic Ym9iOmJvYg=='],
    seen('bob'),
  ],
  ['no protocol but the token', [`Sec-WebSocket-Protocol: ${BOB}`], refused(401)],
  [
    'two tokens',
    [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${BOB}, ${encoded('caroltoken')}`],
    refused(401),
  ],
  ['an empty token', [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${PROTOCOL}`], seen('nobody')],
  ['padding', [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${PROTOCOL}Ym9idG9rZW4=`], refused(401)],
  ['no base64', [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${PROTOCOL}***`], refused(401)],
  [
    'another case',
    [`Sec-WebSocket-Protocol: v5.channel.k8s.io, ${BOB.replace('bearer', 'Bearer')}`],
    seen('nobody'),
  ],
  [
    'a second header',
    ['Sec-WebSocket-Protocol: v5.channel.k8s.io', `Sec-WebSocket-Protocol: ${BOB}`],
    seen('bob'),
  ],
]

const wsIdentity: Family['cases'] = PROTOCOLS.map(([name, more, fate]): HostileCase => ({
  name: `a WebSocket: ${name}`,
  certificate: 'none',
  bytes: (given) => websocket(given, more),
  fates: [fate],
  upgrades: true,
}))

const CREDENTIALS: readonly (readonly [name: string, certificate: Certificate, lines: Lines, fate: Fate])[] =
  [
    ['a certificate and a good token', 'alice', [['Authorization', 'Bearer bobtoken']], seen('alice')],
    ['a certificate and a bad token', 'alice', [['Authorization', 'Bearer x']], seen('alice')],
    ['a certificate and Basic', 'alice', [['Authorization', 'Basic Ym9iOmJvYg==']], seen('alice')],
    ['a bad certificate and a good token', 'expired', [['Authorization', 'Bearer bobtoken']], seen('bob')],
    ['a bad certificate and a bad token', 'expired', [['Authorization', 'Bearer x']], refused(401)],
    ['a bad certificate and Basic', 'expired', [['Authorization', 'Basic Ym9iOmJvYg==']], refused(401)],
    ['a certificate of an intermediate authority', 'alice, by an intermediate authority', [], seen('alice')],
    [
      'the same, with X-Remote-*',
      'alice, by an intermediate authority',
      [['X-Remote-User', 'root']],
      seen('alice'),
    ],
    ['without a name, over HTTP/2', 'without a name', [], refused(401)],
    ['two UIDs, over HTTP/2', 'with two UIDs', [], refused(401)],
    [
      'without an authority between, over HTTP/2',
      'of an intermediate authority, without it',
      [],
      refused(401),
    ],
    ["a leaf's leaf, over HTTP/2", 'signed by a leaf of an intermediate authority', [], refused(401)],
    ['for servers, over HTTP/2', 'for servers', [['X-Remote-Group', 'system:masters']], refused(401)],
    [
      'Basic twice',
      'none',
      [
        ['Authorization', 'Basic Ym9iOmJvYg=='],
        ['Authorization', 'Basic eDp4'],
      ],
      seen('nobody'),
    ],
    ['Negotiate', 'none', [['Authorization', 'Negotiate YIIJ']], seen('nobody')],
    ['Digest', 'none', [['Authorization', 'Digest username="bob"']], seen('nobody')],
    [
      'a front proxy of another authority',
      'for servers',
      [
        ['X-Remote-User', 'root'],
        ['X-Remote-Group', 'system:masters'],
      ],
      refused(401),
    ],
  ]

/** Headers of a front proxy by whoever is none, in forms in which a parser might take them. */
const FRONT: readonly (readonly [name: string, lines: Lines])[] = [
  [
    'an escaped key of an extra',
    [
      ['X-Remote-User', 'root'],
      ['X-Remote-Extra-a%2fb', 'x'],
    ],
  ],
  ['a key of an extra with a broken escape', [['X-Remote-Extra-%zz', 'x']]],
  ['many groups', Array.from({ length: 100 }, (_, i) => ['X-Remote-Group', `g${i}`] as const)],
  ['a UID', [['X-Remote-Uid', '0']]],
  ['a user of 16 KiB', [['X-Remote-User', 'r'.repeat(16_384)]]],
  [
    'a certificate that is told',
    [
      ['X-Client-Cert', 'CN=root'],
      ['X-SSL-Client-Verify', 'SUCCESS'],
      ['X-Forwarded-Client-Cert', 'Subject="CN=root"'],
    ],
  ],
  [
    'an original address',
    [
      ['X-Original-Url', '/api/v1/secrets'],
      ['X-Rewrite-Url', '/api/v1/secrets'],
    ],
  ],
  [
    'another method',
    [
      ['X-HTTP-Method-Override', 'DELETE'],
      ['X-Method-Override', 'DELETE'],
      ['X-HTTP-Method', 'DELETE'],
    ],
  ],
  [
    'another host',
    [
      ['X-Forwarded-Host', 'evil.example'],
      ['Forwarded', 'for=1.2.3.4;host=evil.example;proto=http'],
    ],
  ],
  [
    'headers of hops',
    [
      ['Keep-Alive', 'timeout=1'],
      ['Proxy-Authenticate', 'Basic'],
      ['Proxy-Authorization', 'Bearer bobtoken'],
    ],
  ],
]

export const credentials: Family = {
  family: 'several credentials',
  cases: [
    ...wsIdentity,
    ...CREDENTIALS.flatMap(([name, certificate, given, fate]): HostileCase[] => [
      { name, certificate, bytes: (one) => get(one, lines(given)), fates: [fate] },
      ...(name.endsWith('HTTP/2') || given.length > 0
        ? [
            {
              name: name.endsWith('HTTP/2') ? name : `${name}, over HTTP/2`,
              certificate,
              streams: (one: Ingredients) => [{ fields: [...pseudo(one), ...fields(given)] }],
              fates: [fate],
            },
          ]
        : []),
    ]),
    ...FRONT.flatMap(([name, given]): HostileCase[] => [
      { name, bytes: (one) => get(one, lines(given)), fates: [seen('alice')] },
      {
        name: `${name}, over HTTP/2`,
        streams: (one) => [
          { fields: [...pseudo(one), ...fields(given.filter(([n]) => n !== 'Keep-Alive'))] },
        ],
        fates: [seen('alice')],
      },
    ]),
    {
      name: 'another handshake between two requests',
      bytes: (given) => getNext(given),
      renegotiates: (given) => get(given, ['X-Remote-User: root'], 'n'),
      fates: [seen('alice'), late('alice', 'n')],
    },
  ],
}
