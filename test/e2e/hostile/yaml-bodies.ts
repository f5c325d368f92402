import { bodyCase, CONFIG_MAPS, type BodyRow } from '../../support/hostile/body-case.js'
import type { Family } from '../../support/hostile/case.js'

const yaml = (data = 'data: {k: v}\n'): string =>
  `kind: ConfigMap\napiVersion: v1\nmetadata: {name: sent}\n${data}`

const utf32 = (text: string): Buffer => {
  const points = [...`\ufeff${text}`].map((c) => c.codePointAt(0) as number)
  const buffer = Buffer.alloc(points.length * 4)
  points.forEach((point, i) => buffer.writeUInt32LE(point, i * 4))
  return buffer
}

const DOCUMENTS: readonly (readonly [name: string, body: string | Buffer])[] = [
  ['plain', yaml()],
  ['nothing', ''],
  ['three dashes before', `---\n${yaml()}`],
  ['a second document', `${yaml()}---\nkind: Secret\n`],
  ['a second document that is broken', `${yaml()}---\na: [\n`],
  ['an end mark', `${yaml()}...\n`],
  ['rubbish behind an end mark', `${yaml()}...\n]]]\n`],
  ['a directive of version 1.1', `%YAML 1.1\n---\n${yaml()}`],
  ['a directive of version 2.0', `%YAML 2.0\n---\n${yaml()}`],
  ['a directive of tags', `%TAG ! tag:evil,2000:\n---\n${yaml()}`],
  ['a BOM', `\ufeff${yaml()}`],
  ['UTF-16, little-endian', Buffer.from(`\ufeff${yaml()}`, 'utf16le')],
  ['UTF-16, big-endian', Buffer.from(`\ufeff${yaml()}`, 'utf16le').swap16()],
  ['UTF-16 without a mark', Buffer.from(yaml(), 'utf16le')],
  ['UTF-32', utf32(yaml())],
  ['not UTF-8', Buffer.from(yaml('data: {k: "\xff\xfe"}\n'), 'latin1')],
  ['CR for line ends', yaml().replaceAll('\n', '\r')],
  ['U+2028 for line ends', yaml().replaceAll('\n', '\u2028')],
  ['U+0085 for line ends', yaml().replaceAll('\n', '\u0085')],
  ['U+2028 in a plain text', yaml('data: {k: a \u2028 b}\n')],
  ['U+2029 in a quoted text', yaml('data: {k: "a \u2029 b"}\n')],
  ['NUL', yaml('data: {k: "a\0b"}\n')],
  ['an escaped NUL', yaml('data: {k: "a\\0b"}\n')],
  [
    'every escape',
    yaml('data: {k: "\\a\\b\\t\\n\\v\\f\\r\\e\\ \\"\\/\\\\\\N\\_\\L\\P\\x41\\u0041\\U0001F600"}\n'),
  ],
  ['DEL and C1', yaml('data: {k: "\x7f\u0080"}\n')],
  ['tabs for indentation', yaml('data:\n\tk: v\n')],
  ['11,000 aliases', `x: &a 1\ny: [${'*a, '.repeat(11_000)}]\n${yaml()}`],
  [
    'aliases of aliases',
    `a: &a [x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f', 'g', 'h']
      .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[i]}`).join()}]\n`)
      .join('')}${yaml()}`,
  ],
  ['an alias of itself', `a: &a [*a]\n${yaml()}`],
  ['an alias of nothing', yaml('data: {k: *nothing}\n')],
  ['an anchor that is set twice', yaml('data: {a: &x "1", b: &x "2", c: *x}\n')],
  ['an anchor of a key', yaml('data: {&x k: v, l: *x}\n')],
  ['a merge', `x: &x {a: "1"}\n${yaml('data: {<<: *x, b: "2"}\n')}`],
  ['merges in a list', `x: &x {a: "1"}\n${yaml('data: {<<: [*x, {c: "3"}], a: "2"}\n')}`],
  ['a merge of a text', yaml('data: {<<: text}\n')],
  ['a merge in quotes', yaml('data: {"<<": text}\n')],
  ['a key twice', yaml('data: {k: a, k: b}\n')],
  ['a key twice in two forms', yaml('data: {k: a, "k": b}\n')],
  ['data twice', yaml('data: {k: a}\ndata: {l: b}\n')],
  ['data, then nothing', yaml('data: {k: a}\ndata:\n')],
  ['a number for a key', yaml('data: {1: a, 0x10: b, 1.5: c}\n')],
  ['true for a key', yaml('data: {true: a, yes: b, ~: c}\n')],
  ['a list for a key', yaml('data: {[a, b]: c}\n')],
  ['a map for a key', yaml('? {a: b}\n: c\n')],
  ['a timestamp for a key', yaml('data: {2001-01-01: a}\n')],
  ['a number for a text', yaml('data: {k: 1}\n')],
  ['true for a text', yaml('data: {k: yes}\n')],
  ['an octal number', yaml('x: [0777, 0o777, 0b11, 0x1F, 1_000]\n')],
  ['sexagesimal numbers', yaml('x: [1:30, 190:20:30]\n')],
  ['infinities', yaml('x: [.inf, -.INF, .NaN]\n')],
  ['a number beyond 2^53', yaml('x: 9007199254740993\n')],
  ['a number beyond 64 bits', yaml('x: 18446744073709551617\n')],
  ['a number beyond all', yaml('x: 1e400\n')],
  ['timestamps', yaml('x: [2001-12-14t21:59:43.10-05:00, 2001-12-14]\n')],
  ['words for truth', yaml('immutable: on\n')],
  ['tags', yaml('data: {k: !!str 1}\n')],
  ['a tag of binary', yaml('data: {k: !!binary aGVsbG8=}\n')],
  ['a tag of binary that is none', yaml('data: {k: !!binary "%%"}\n')],
  ['a tag of a language', yaml('data: {k: !!js/function "x"}\n')],
  ['a tag of its own', yaml('data: {k: !own v}\n')],
  ['a tag that lies', yaml('x: !!int text\n')],
  ['a set', yaml('x: !!set {a, b}\n')],
  ['folded and literal texts', yaml('data:\n  a: >-\n    b\n    c\n\n    d\n  e: |+2\n      f\n\n')],
  ['a text over lines', yaml('data:\n  k: a\n    b\n\n    c\n')],
  ['a comment in a text', yaml('data: {k: a#b, l: a #b\n}\n')],
  ['JSON', `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"sent"},"data":{"k":"a\\/b\\u2028"}}`],
  ['JSON and rubbish', `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"sent"}} }]`],
  ['11,000 levels of flow', yaml(`x: ${'['.repeat(11_000)}${']'.repeat(11_000)}\n`)],
  ['a list', `- ${yaml().replaceAll('\n', '\n  ')}\n`],
  ['a text', 'ConfigMap'],
  ['an unclosed quote', yaml('data: {k: "v\n')],
  ['a percent sign', yaml('data: {k: %v}\n')],
  ['a backtick', yaml('data: {k: `v}\n')],
  ['keys of JavaScript', yaml('data: {__proto__: a, constructor: b}\n')],
  ['100 KB of comments', `${'# comment\n'.repeat(10_000)}${yaml()}`],
]

/** What kube-apiserver reads and the proxy does not: no mapping, or one beyond 200 levels. */
const UNREAD: readonly (readonly [name: string, body: string])[] = [
  ['a comment alone', '# nothing\n'],
  ['an empty first document', `---\n---\n${yaml()}`],
  ['1,000 levels of flow', yaml(`x: ${'['.repeat(1000)}${']'.repeat(1000)}\n`)],
  [
    '500 levels of blocks',
    yaml(`x:\n${Array.from({ length: 500 }, (_, i) => `${' '.repeat(i + 1)}a:\n`).join('')}`),
  ],
  ['a list of dashes', yaml(`x:\n${'- '.repeat(500)}a\n`)],
]

const YAML = { type: 'application/yaml' }

export const yamlBodies: Family = {
  family: 'YAML',
  cases: [
    ...DOCUMENTS.map(([name, body]): BodyRow => [name, { ...YAML, body }]),
    ...UNREAD.map(([name, body]): BodyRow => [name, { ...YAML, body, unread: true }]),
    ...['application/x-yaml', 'text/yaml', 'application/yaml; charset=utf-16', 'Application/YAML;x'].map(
      (type): BodyRow => [`as ${type}`, { type, body: yaml() }],
    ),
    ...['apply-patch+yaml', 'apply-patch+json', 'apply-patch+cbor'].flatMap((type): BodyRow[] =>
      [yaml(), `${yaml()}---\na: [\n`, yaml('data: {k: a, k: b}\n')].map((body, i): BodyRow => [
        `${['a document', 'two documents', 'a key twice'][i]} applied as ${type}`,
        {
          ...{ method: 'PATCH', path: `${CONFIG_MAPS}/sent`, query: '&fieldManager=m' },
          ...{ type: `application/${type}`, body },
        },
      ]),
    ),
  ].map(bodyCase),
}
