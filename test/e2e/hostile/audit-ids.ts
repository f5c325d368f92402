import {
  request,
  seen,
  unread,
  type Family,
  type Fate,
  type HostileCase,
  type Ingredients,
} from '../../support/hostile/case.js'
import type { Field } from '../../support/hostile/http2-frames.js'

const PASSES = seen('alice')

/** The Audit-IDs of a request. `ID` stands for the case's own, by which it may be found again; its path has it as well. */
const IDS: readonly (readonly [name: string, lines: readonly string[], fate: Fate])[] = [
  ['none', [], PASSES],
  ['an empty one before another', ['Audit-ID:', 'Audit-ID: ID'], PASSES],
  ['one before an empty one', ['Audit-ID: ID', 'Audit-ID:'], PASSES],
  ['two of different case', ['AUDIT-ID: ID', 'audit-id: other'], PASSES],
  ['three', ['Audit-ID: ID', 'Audit-ID: b', 'Audit-ID: c'], PASSES],
  ['a list', ['Audit-ID: ID, other'], PASSES],
  ['spaces around it', ['Audit-ID: \t ID \t '], PASSES],
  ['one with spaces', ['Audit-ID: ID and more'], PASSES],
  ['an underscore in the name', ['Audit_ID: ID'], PASSES],
  ['a number', ['Audit-ID: 7'], PASSES],
  ['a UUID in upper case', ['Audit-ID: 9C58AD21-6B4C-4BC8-9E9F-000000000000'], PASSES],
  ['in quotes', ['Audit-ID: "ID"'], PASSES],
  ['percent-encoded', ['Audit-ID: %61ID'], PASSES],
  ['braces and brackets', ['Audit-ID: ID{}[]()<>'], PASSES],
  ['a path', ['Audit-ID: ../../../etc/passwd'], PASSES],
  ['a script of a shell', ['Audit-ID: $(id)`id`;id'], PASSES],
  ['formats', ['Audit-ID: %s%n%d{}${ID}'], PASSES],
  ['an end of a string', ['Audit-ID: ID\\'], PASSES],
  ['UTF-8', ['Audit-ID: ID\xc3\xbc'], PASSES],
  ['Latin-1', ['Audit-ID: ID\xfc'], PASSES],
  ['C1 control characters', ['Audit-ID: ID\xc2\x85\xc2\x9b'], PASSES],
  ['right-to-left marks', ['Audit-ID: ID\xe2\x80\xae'], PASSES],
  ['a BOM', ['Audit-ID: \xef\xbb\xbfID'], PASSES],
  ['a lone surrogate', ['Audit-ID: ID\xed\xa0\x80'], PASSES],
  ['a character that breaks off', ['Audit-ID: ID\xe2\x82'], PASSES],
  ['a tab within', ['Audit-ID: ID\tx'], PASSES],
  ['LF within', ['Audit-ID: ID\nX-Remote-User: root'], unread(400)],
  ['NUL within', ['Audit-ID: ID\0'], unread(400)],
  ['ESC within', ['Audit-ID: ID\x1b[2J'], unread(400)],
  ['DEL within', ['Audit-ID: ID\x7f'], unread(400)],
  ['a vertical tab within', ['Audit-ID: ID\x0b'], unread(400)],
  ['a fold', ['Audit-ID: ID', ' x'], unread(400)],
]

const withID = (lines: readonly string[], id: string): string[] =>
  lines.map((line) =>
    line.replaceAll('ID', (all, at: number, text: string) => (at === text.search(/udit-ID/i) + 5 ? all : id)),
  )

function bytes(given: Ingredients, lines: readonly string[], method: string): string {
  return request(`${method} ${given.path()} HTTP/1.1`, given, [
    'Connection: close',
    'Content-Length: 0',
    ...withID(lines, given.id),
  ]).replace(`Audit-ID: ${given.id}\r\n`, '')
}

const pseudo = (path: string): Field[] => [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', path],
  [':authority', 'kubernetes'],
]

export const auditIDs: Family = {
  family: 'Audit-ID',
  cases: [
    ...IDS.map(([name, lines, fate]): HostileCase => ({
      name,
      bytes: (given) => bytes(given, lines, 'GET'),
      fates: [fate],
    })),
    // Over HTTP/2 the names are in lower case, and what is not well-formed is left out.
    ...IDS.filter(([, lines]) => lines.length === 1 && /^Audit-ID/.test(lines[0] as string)).map(
      ([name, lines]): HostileCase => ({
        name: `${name}, over HTTP/2`,
        streams: (given) => [
          {
            fields: [
              ...pseudo(given.path()),
              ['audit-id', (withID(lines, given.id)[0] as string).slice('Audit-ID: '.length).trim()],
            ],
          },
        ],
        fates: [PASSES],
      }),
    ),
    {
      name: 'none of a request that is refused',
      certificate: 'none',
      bytes: (given) => bytes(given, ['Authorization: Bearer x'], 'POST'),
      fates: [{ kind: 'refused', by: undefined, part: '', code: 401 }],
    },
  ],
}
