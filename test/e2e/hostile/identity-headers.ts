import {
  get,
  refused,
  request,
  seen,
  unread,
  type Certificate,
  type Family,
  type HostileCase,
  type Identity,
  type Ingredients,
  type Mode,
  type Fate,
} from '../../support/hostile/case.js'

/** Lines that claim to be someone else, by the headers that only a front proxy may send. */
const REMOTE: readonly (readonly [name: string, lines: readonly string[]])[] = [
  ['canonical', ['X-Remote-User: root', 'X-Remote-Group: system:masters']],
  ['lower case', ['x-remote-user: root', 'x-remote-group: system:masters']],
  ['upper case', ['X-REMOTE-USER: root', 'X-REMOTE-GROUP: system:masters']],
  ['mixed case', ['x-ReMoTe-uSeR: root', 'X-rEmOtE-gRoUp: system:masters']],
  ['repeated', ['X-Remote-User: root', 'X-Remote-User: admin', 'X-Remote-Group: a', 'X-Remote-Group: b']],
  ['repeated in different case', ['X-Remote-User: root', 'x-remote-user: root', 'X-REMOTE-USER: root']],
  ['a list of values', ['X-Remote-User: alice, root', 'X-Remote-Group: dev,system:masters']],
  ['a group alone', ['X-Remote-Group: system:masters']],
  ['extra and uid', ['X-Remote-Extra-Scopes: all', 'X-Remote-Extra-: all', 'X-Remote-Uid: 0']],
  ['an empty value', ['X-Remote-User:', 'X-Remote-Group: ']],
  ['spaces and tabs around the value', ['X-Remote-User:  \t root\t ', 'X-Remote-Group:\tsystem:masters\t']],
  ['no space after the colon', ['X-Remote-User:root', 'X-Remote-Group:system:masters']],
  ['underscores', ['X_Remote_User: root', 'X_REMOTE_GROUP: system:masters', 'X-Remote_User: root']],
  [
    'the names of other proxies',
    ['X-Forwarded-User: root', 'Remote-User: root', 'X-User: root', 'From: root'],
  ],
  ['the CGI spelling', ['HTTP_X_REMOTE_USER: root', 'Http-X-Remote-User: root']],
  ['named by Connection', ['X-Remote-User: root', 'Connection: X-Remote-User']],
  ['only named by Connection', ['Connection: x-remote-user, X-Remote-Group, x-remote-extra-scopes']],
  ['named by Proxy-Connection', ['X-Remote-User: root', 'Proxy-Connection: X-Remote-User']],
  ['announced as a trailer', ['X-Remote-User: root', 'Trailer: X-Remote-User', 'TE: trailers']],
]

/** Lines that no header of a request may look like. */
const BROKEN: readonly (readonly [name: string, lines: readonly string[]])[] = [
  ['a space before the colon', ['X-Remote-User : root']],
  ['a tab before the colon', ['X-Remote-User\t: root']],
  ['a space before the name', ['Accept: */*', ' X-Remote-User: root']],
  ['a tab before the name', ['Accept: */*', '\tX-Remote-User: root']],
  ['a fold in the value', ['X-Remote-User: al', ' ice', 'X-Remote-Group: system:', '\tmasters']],
  ['NUL in the name', ['X-Remote-User\0: root']],
  ['NUL in the value', ['X-Remote-User: root\0']],
  ['CR in the value', ['Accept: a\rX-Remote-User: root']],
  ['CR before the name', ['Accept: a', '\rX-Remote-User: root']],
  ['a form feed before the colon', ['X-Remote-User\f: root']],
  ['a soft hyphen in the name', ['X-Remote\xad-User: root']],
  ['a full-width letter in the name', ['\xef\xbc\xb8-Remote-User: root']],
  ['a colon before the name', [':X-Remote-User: root']],
  ['a pseudo-header', [':authority: root']],
  ['an empty name', [': root']],
  ['no colon', ['X-Remote-User root']],
]

const NOBODY_ELSE: readonly [Identity, Certificate, string[]][] = [
  ['alice', 'alice', []],
  ['nobody', 'none', []],
  ['bob', 'none', ['Authorization: Bearer bobtoken']],
]

export const remoteHeaders: Family = {
  family: 'X-Remote-*',
  cases: [
    ...REMOTE.flatMap(([name, lines]) =>
      NOBODY_ELSE.map(([by, certificate, credential]): HostileCase => ({
        name: `${name}, by ${by}`,
        certificate,
        bytes: (given) => get(given, [...credential, ...lines]),
        fates: [seen(by)],
      })),
    ),
    ...BROKEN.map(([name, lines]): HostileCase => ({
      name,
      bytes: (given) => get(given, lines),
      fates: [unread(400)],
    })),
    ...(['alice', 'nobody'] as const).map((by): HostileCase => ({
      name: `in trailers, by ${by}`,
      certificate: by === 'nobody' ? 'none' : by,
      bytes: (given) =>
        request(
          `GET ${given.path()} HTTP/1.1`,
          given,
          ['Connection: close', 'Transfer-Encoding: chunked', 'Trailer: X-Remote-User, Impersonate-User'],
          '2\r\n{}\r\n0\r\nX-Remote-User: root\r\nX-Remote-Group: system:masters\r\nImpersonate-User: root\r\n' +
            'Authorization: Bearer bobtoken\r\nAudit-ID: forged\r\n\r\n',
        ),
      fates: [seen(by)],
    })),
  ],
}

/** What comes of asking for more than one may: the apiserver refuses where it decides, and else the proxy. */
function forbidden(by: Identity): (mode: Mode) => readonly Fate[] {
  const asserted = by === 'alice' || by === 'eve'
  return (mode) => [mode === 'impersonation' && asserted ? refused(403, by) : seen(by, '', 403)]
}

const ROOT: readonly (readonly [name: string, lines: readonly string[]])[] = [
  ['canonical', ['Impersonate-User: root', 'Impersonate-Group: system:masters']],
  ['lower case', ['impersonate-user: root']],
  ['upper case', ['IMPERSONATE-USER: root', 'IMPERSONATE-GROUP: system:masters']],
  ['mixed case', ['iMpErSoNaTe-UsEr: root']],
  ['repeated', ['Impersonate-User: root', 'Impersonate-User: kubernetes-admin']],
  ['padded', ['Impersonate-User: \t root \t']],
  ['with extra', ['Impersonate-User: root', 'Impersonate-Extra-Scopes: all', 'Impersonate-Extra-%2f: x']],
  ["a node's name", ['Impersonate-User: system:node:x', 'Impersonate-Group: system:nodes']],
  ['a service account', ['Impersonate-User: system:serviceaccount:kube-system:admin']],
  ['a bad service account', ['Impersonate-User: system:serviceaccount:a:b:c']],
  ["the proxy's own name", ['Impersonate-User: kube-audit-proxy']],
  ['not UTF-8', ['Impersonate-User: \xff\xfe']],
  ['UTF-8', ['Impersonate-User: r\xc3\xb6\xc3\xb6t']],
]

const FOR_EVE: readonly (readonly [name: string, lines: readonly string[], allowed: boolean])[] = [
  ['the one that is allowed', ['Impersonate-User: mallory'], true],
  ['the allowed one first', ['Impersonate-User: mallory', 'Impersonate-User: root'], true],
  ['the allowed one first, in another case', ['IMPERSONATE-user: mallory', 'impersonate-USER: root'], true],
  ['the allowed one second', ['Impersonate-User: root', 'Impersonate-User: mallory'], false],
  ['with a group that is not', ['Impersonate-User: mallory', 'Impersonate-Group: system:masters'], false],
  ['with a group before it', ['Impersonate-Group: system:masters', 'Impersonate-User: mallory'], false],
  ['with extra that is not', ['Impersonate-User: mallory', 'Impersonate-Extra-Scopes: all'], false],
  ['with an underscore', ['Impersonate-User: mallory', 'Impersonate_Group: system:masters'], true],
  ['in another case', ['Impersonate-User: Mallory'], false],
  ['with X-Remote-*', ['Impersonate-User: mallory', 'X-Remote-Group: system:masters'], true],
  ['as a list', ['Impersonate-User: mallory, root'], false],
]

export const impersonationHeaders: Family = {
  family: 'Impersonate-*',
  cases: [
    ...ROOT.flatMap(([name, lines]) =>
      NOBODY_ELSE.map(([by, certificate, credential]): HostileCase => ({
        name: `${name}, by ${by}`,
        certificate,
        bytes: (given) => get(given, [...credential, ...lines]),
        fates: forbidden(by),
      })),
    ),
    ...FOR_EVE.map(([name, lines, allowed]): HostileCase => ({
      name: `${name}, by eve`,
      certificate: 'eve',
      bytes: (given) => get(given, lines),
      fates: allowed ? [seen('eve as mallory', '', 200)] : forbidden('eve'),
    })),
    ...[
      ['a group without a user', 'Impersonate-Group: system:masters'],
      ['extra without a user', 'Impersonate-Extra-Scopes: all'],
    ].map(([name, line]): HostileCase => ({
      name: name as string,
      bytes: (given) => get(given, [line as string]),
      // kube-apiserver 1.34 says 500 to it (k8s.io/apiserver/pkg/endpoints/filters/impersonation.go), 1.37 says 400.
      fates: (mode) => [mode === 'impersonation' ? refused(400, 'alice') : seen('alice')],
    })),
    ...[
      ['underscores', ['Impersonate_User: root', 'IMPERSONATE_GROUP: system:masters']],
      ['an empty user', ['Impersonate-User:']],
      ['an unknown one', ['Impersonate-Everything: yes', 'Impersonate-: yes', 'Impersonate: root']],
    ].map(([name, lines]): HostileCase => ({
      name: name as string,
      bytes: (given) => get(given, lines as string[]),
      fates: [seen('alice', '', 200)],
    })),
    ...['Impersonate-User', 'impersonate-group', 'IMPERSONATE-EXTRA-SCOPES'].map((name): HostileCase => ({
      name: `${name} named by Connection`,
      certificate: 'eve',
      bytes: (given) => get(given, ['Impersonate-User: mallory', `${name}: x`, `Connection: ${name}`]),
      fates: [refused(400)],
    })),
    ...[
      'Kube-Audit-Proxy.io%2foriginal-user',
      'KUBE-AUDIT-PROXY.IO%2FORIGINAL-USER',
      '%6bube-audit-proxy%2eio%2Foriginal-groups',
      'kube-audit-proxy.io%2f',
    ].map((key): HostileCase => ({
      name: `the proxy's own extra as ${key}`,
      certificate: 'eve',
      bytes: (given) => get(given, ['Impersonate-User: mallory', `Impersonate-Extra-${key}: root`]),
      fates: [refused(403, 'eve')],
    })),
    {
      name: "the proxy's own extra with a key that is not UTF-8",
      certificate: 'eve',
      bytes: (given) =>
        get(given, [
          'Impersonate-User: mallory',
          'Impersonate-Extra-kube-audit-proxy.io%2foriginal-user%ff: root',
        ]),
      fates: [refused(403, 'eve')],
    },
    {
      name: 'a name that looks like a refusal to impersonate',
      certificate: 'eve',
      bytes: (given) => get(given, ['Impersonate-User: mallory']).replace('pods', `pods/${LIKE_A_REFUSAL}`),
      fates: [seen('eve as mallory')],
    },
    {
      name: 'a resource that looks like a refusal to impersonate',
      certificate: 'eve',
      bytes: (given) => get(given, ['Impersonate-User: mallory']).replace('pods', LIKE_A_REFUSAL),
      fates: [seen('eve as mallory')],
    },
    {
      name: 'a path that looks like a refusal to impersonate',
      certificate: 'eve',
      bytes: (given: Ingredients) =>
        request(`GET /${given.id}/${LIKE_A_REFUSAL} HTTP/1.1`, given, [
          'Connection: close',
          'Impersonate-User: mallory',
        ]),
      fates: [seen('eve as mallory', '', 403)],
    },
  ],
}

const LIKE_A_REFUSAL = encodeURIComponent(
  'users "mallory" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope',
)
