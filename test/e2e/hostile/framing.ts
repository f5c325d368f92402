import {
  broken,
  get,
  getNext,
  late,
  refused,
  request,
  seen,
  unread,
  type Family,
  type Fate,
  type HostileCase,
  type Ingredients,
} from '../../support/hostile/case.js'

/** What a smuggler wants the apiserver to take for a request of its own. */
const inner = (given: Ingredients): string =>
  getNext(given, ['X-Remote-User: root', 'X-Remote-Group: system:masters'], 'inner')

function post(given: Ingredients, lines: readonly string[], body: string): string {
  return request(`POST ${given.path()} HTTP/1.1`, given, lines, body)
}

/** Headers that disagree with themselves about where the body ends, and a body that is a request where they are believed. */
const LENGTHS: readonly (readonly [name: string, lines: readonly string[], refused?: 'refused'])[] = [
  ['Content-Length and Transfer-Encoding', ['Content-Length: 4', 'Transfer-Encoding: chunked']],
  ['Transfer-Encoding and Content-Length', ['Transfer-Encoding: chunked', 'Content-Length: 4']],
  ['two lengths', ['Content-Length: 5', 'Content-Length: 500']],
  ['the same length twice', ['Content-Length: 5', 'Content-Length: 5']],
  ['two lengths in one', ['Content-Length: 5, 500']],
  ['the same length twice in one', ['Content-Length: 5, 5']],
  ['a plus', ['Content-Length: +5']],
  ['a minus', ['Content-Length: -5']],
  ['hexadecimal', ['Content-Length: 0x5']],
  ['an exponent', ['Content-Length: 1e1']],
  ['a fraction', ['Content-Length: 5.0']],
  ['an underscore in the length', ['Content-Length: 5_0']],
  ['a space in the length', ['Content-Length: 5 0']],
  ['no length', ['Content-Length:']],
  ['Arabic digits', ['Content-Length: \xd9\xa5']],
  ['a length beyond 64 bits', ['Content-Length: 18446744073709551621']],
  ['a length beyond all', [`Content-Length: ${'9'.repeat(400)}`]],
  ['a space before the colon of the length', ['Content-Length : 5']],
  ['a vertical tab after the length', ['Content-Length: 5\x0b']],
  ['chunked twice', ['Transfer-Encoding: chunked, chunked']],
  ['chunked in two headers', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
  ['identity', ['Transfer-Encoding: identity'], 'refused'],
  ['chunked, identity', ['Transfer-Encoding: chunked, identity']],
  ['chunked and identity', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity']],
  ['identity, chunked', ['Transfer-Encoding: identity, chunked'], 'refused'],
  ['identity and chunked', ['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'], 'refused'],
  ['gzip, chunked', ['Transfer-Encoding: gzip, chunked'], 'refused'],
  ['gzip and chunked', ['Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'], 'refused'],
  ['another encoding', ['Transfer-Encoding: xchunked'], 'refused'],
  ['another encoding and a length', ['Transfer-Encoding: xchunked', 'Content-Length: 5']],
  ['a parameter', ['Transfer-Encoding: chunked;q=1'], 'refused'],
  ['quotes', ['Transfer-Encoding: "chunked"'], 'refused'],
  ['a comma before chunked', ['Transfer-Encoding: ,chunked'], 'refused'],
  ['a comma after chunked', ['Transfer-Encoding: chunked,']],
  ['a vertical tab before chunked', ['Transfer-Encoding: \x0bchunked']],
  ['a vertical tab after chunked', ['Transfer-Encoding: chunked\x0b']],
  ['NUL after chunked', ['Transfer-Encoding: chunked\0']],
  ['a no-break space before chunked', ['Transfer-Encoding: \xa0chunked'], 'refused'],
  ['no encoding', ['Transfer-Encoding:'], 'refused'],
  ['a space before the colon of the encoding', ['Transfer-Encoding : chunked']],
  ['a tab before the colon of the encoding', ['Transfer-Encoding\t: chunked']],
  ['a fold before chunked', ['Transfer-Encoding:', ' chunked']],
  ['a space before Transfer-Encoding', ['Accept: */*', ' Transfer-Encoding: chunked']],
]

export const lengths: Family = {
  family: 'where a body ends',
  cases: [
    ...LENGTHS.map(([name, lines, isRefused]): HostileCase => ({
      name,
      bytes: (given) => post(given, lines, `0\r\n\r\n${inner(given)}`),
      fates: isRefused === undefined ? [unread(400)] : [refused(400), late('alice', 'inner')],
    })),
    ...(
      [
        ['a tab and case in chunked', ['Transfer-Encoding: \t ChunKED']],
        ['hyphen for underscore', ['Transfer_Encoding: identity', 'Transfer-Encoding: chunked']],
        ['a TE header', ['TE: gzip, trailers', 'Transfer-Encoding: chunked']],
        ['Connection names the framing', ['Connection: transfer-encoding', 'Transfer-Encoding: chunked']],
      ] as const
    ).map(([name, lines]): HostileCase => ({
      name,
      bytes: (given) => post(given, lines, '2\r\n{}\r\n0\r\n\r\n') + get(given, [], 'n'),
      fates: [seen('alice', '', 403), seen('alice', 'n')],
    })),
    {
      name: 'an underscore in Transfer-Encoding leaves no body',
      bytes: (given) => post(given, ['Transfer_Encoding: chunked'], get(given, ['X-Remote-User: root'], 'n')),
      fates: [seen('alice', '', 403), seen('alice', 'n')],
    },
    {
      name: 'zeros before the length',
      bytes: (given) => post(given, ['Content-Length: 0000'], get(given, [], 'n')),
      fates: [seen('alice', '', 403), seen('alice', 'n')],
    },
    {
      name: 'a GET with a body that is a request',
      bytes: (given) =>
        getNext(given, [`Content-Length: ${inner(given).length}`], 'o') + inner(given) + get(given, [], 'n'),
      fates: [seen('alice', 'o'), seen('alice', 'n')],
    },
    {
      name: 'a GET with a chunked body that is a request',
      bytes: (given) =>
        getNext(given, ['Transfer-Encoding: chunked'], 'o') + chunked(inner(given)) + get(given, [], 'n'),
      fates: [seen('alice', 'o'), seen('alice', 'n')],
    },
    {
      name: 'Connection names Content-Length',
      bytes: (given) =>
        post(
          given,
          ['Connection: close, content-length', `Content-Length: ${inner(given).length}`],
          inner(given),
        ),
      fates: [refused(400)],
    },
    {
      name: 'a tab after chunked',
      bytes: (given) => post(given, ['Transfer-Encoding: chunked\t'], `0\r\n\r\n${inner(given)}`),
      fates: [broken('alice')],
    },
    {
      name: 'a body that is cut off',
      bytes: (given) => post(given, ['Content-Length: 1000'], inner(given)),
      hangsUp: true,
      fates: [broken('alice')],
    },
    {
      name: 'a chunk that is cut off',
      bytes: (given) => post(given, ['Transfer-Encoding: chunked'], `fff\r\n${inner(given)}`),
      hangsUp: true,
      fates: [broken('alice')],
    },
    {
      name: 'chunked with HTTP/1.0',
      bytes: (given) => {
        const lines = ['Connection: keep-alive', 'Transfer-Encoding: chunked']
        return (
          request(`POST ${given.path()} HTTP/1.0`, given, lines, '2\r\n{}\r\n0\r\n\r\n') + get(given, [], 'n')
        )
      },
      fates: [seen('alice', '', 403), seen('alice', 'n')],
    },
  ],
}

function chunked(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`
}

/** Chunks that parsers disagree about. */
const CHUNKS: readonly (readonly [name: string, body: (given: Ingredients) => string])[] = [
  ['a size with a plus', (given) => `+2\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['a size with a minus', (given) => `-2\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['a size with 0x', (given) => `0x2\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['a size after a space', (given) => ` 2\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['a size before a space', (given) => `2 \r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['a size before a tab', (given) => `2\t\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['no size', (given) => `\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['a size beyond 64 bits', (given) => `10000000000000002\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['a size beyond all', (given) => `${'f'.repeat(100)}\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['LF after the size', (given) => `2\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['CR after the size', (given) => `2\r{}\r\n0\r\n\r\n${inner(given)}`],
  ['LF after the chunk', (given) => `2\r\n{}\n0\r\n\r\n${inner(given)}`],
  ['nothing after the chunk', (given) => `2\r\n{}0\r\n\r\n${inner(given)}`],
  ['more than the size', (given) => `2\r\n{ }\r\n0\r\n\r\n${inner(given)}`],
  ['LF in an extension', (given) => `2;a\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['CR in an extension', (given) => `2;a\rb\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['LF in a quoted extension', (given) => `2;a="\n"\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['NUL in an extension', (given) => `2;a=\0\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['an endless extension', (given) => `2;${'a'.repeat(64 * 1024)}\r\n{}\r\n0\r\n\r\n${inner(given)}`],
  ['a length in the trailers', (given) => `0\r\nContent-Length: 100\r\n\r\n${inner(given)}`],
  ['an encoding in the trailers', (given) => `0\r\nTransfer-Encoding: chunked\r\n\r\n${inner(given)}`],
  ['a trailer without a colon', (given) => `0\r\n${inner(given)}`],
  ['a trailer with a space before the colon', (given) => `0\r\nX-Remote-User : root\r\n\r\n${inner(given)}`],
]

const GOOD_CHUNKS: readonly (readonly [name: string, body: string])[] = [
  ['an extension', '2;a=b\r\n{}\r\n0\r\n\r\n'],
  ['a quoted extension', '2;a="b;c"\r\n{}\r\n0;x\r\n\r\n'],
  ['zeros before the sizes', '0000002\r\n{}\r\n00000\r\n\r\n'],
  ['a size in upper case', 'A\r\n{        }\r\n0\r\n\r\n'],
  ['trailers', '2\r\n{}\r\n0\r\nAccept: x\r\nHost: x\r\n\r\n'],
]

export const chunks: Family = {
  family: 'chunks',
  cases: [
    ...CHUNKS.map(([name, body]): HostileCase => ({
      name,
      bytes: (given) => post(given, ['Transfer-Encoding: chunked'], body(given)),
      fates: [broken('alice')],
    })),
    ...GOOD_CHUNKS.map(([name, body]): HostileCase => ({
      name,
      bytes: (given) => post(given, ['Transfer-Encoding: chunked'], body) + get(given, [], 'n'),
      fates: [seen('alice', '', 403), seen('alice', 'n')],
    })),
  ],
}

/** First lines and line ends. `GET` stands for the request's own. */
const LINES: readonly (readonly [
  name: string,
  bytes: (given: Ingredients) => string | Buffer,
  fate: Fate,
])[] = [
  ['tabs for spaces', (given) => get(given).replace(/ (?=\/api|HTTP)/g, '\t'), unread(400)],
  ['two spaces', (given) => get(given).replace(' /', '  /'), seen('alice')],
  ['a space before the method', (given) => ` ${get(given)}`, unread(400)],
  ['empty lines before the method', (given) => `\r\n\r\n${get(given)}`, seen('alice')],
  ['a lower-case method', (given) => get(given).replace('GET', 'get'), unread(400)],
  ['an unknown method', (given) => get(given).replace('GET', 'ROOT'), unread(400)],
  ['no version', (given) => get(given).replace(' HTTP/1.1', ''), seen('alice')],
  ['HTTP/0.9 without a version', (given) => `GET ${given.path()}\r\n\r\n`, seen('alice')],
  ['HTTP/1.2', (given) => get(given).replace('HTTP/1.1', 'HTTP/1.2'), unread(400)],
  ['HTTP/3.0', (given) => get(given).replace('HTTP/1.1', 'HTTP/3.0'), unread(400)],
  ['HTTP/01.1', (given) => get(given).replace('HTTP/1.1', 'HTTP/01.1'), unread(400)],
  ['HTTP/1.10', (given) => get(given).replace('HTTP/1.1', 'HTTP/1.10'), unread(400)],
  ['http/1.1', (given) => get(given).replace('HTTP/1.1', 'http/1.1'), unread(400)],
  ['another protocol', (given) => get(given).replace('HTTP/1.1', 'RTSP/1.0'), seen('alice')],
  ['a space after the version', (given) => get(given).replace('HTTP/1.1', 'HTTP/1.1 '), unread(400)],
  ['LF after the version', (given) => get(given).replace('1.1\r\n', '1.1\n'), unread(400)],
  ['LF after a header', (given) => get(given, ['Accept: a']).replace(': a\r\n', ': a\n'), unread(400)],
  ['LF for all line ends', (given) => get(given).replaceAll('\r\n', '\n'), unread(400)],
  ['CR for all line ends', (given) => get(given).replaceAll('\r\n', '\r') + '\r\n\r\n', unread(400)],
  ['HTTP/1.0', (given) => request(`GET ${given.path()} HTTP/1.0`, given), seen('alice')],
  ['no Host', (given) => get(given).replace('Host: kubernetes\r\n', ''), unread(400)],
  ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', unread(400)],
  ['TLS inside TLS', () => Buffer.from('16030100050100000100', 'hex'), unread(400)],
  ['CONNECT to a host', (given) => request('CONNECT kubernetes:443 HTTP/1.1', given), unread(0)],
  ['CONNECT to a path', (given) => request(`CONNECT ${given.path()} HTTP/1.1`, given), unread(0)],
  ['TRACE', (given) => get(given, ['X-Remote-User: root']).replace('GET', 'TRACE'), seen('alice')],
  ['two Hosts', (given) => get(given, ['Host: evil.example']), refused(400)],
  ['h2c', (given) => get(given).replace('Connection: close', H2C), seen('alice')],
  ['an unknown expectation', (given) => get(given, ['Expect: everything']), unread(417)],
  ['an expectation without a body', (given) => get(given, ['Expect: 100-continue']), seen('alice')],
  [
    'two expectations',
    (given) => get(given, ['Expect: 100-continue', 'Expect: 100-continue']),
    seen('alice'),
  ],
  ['1.1 MiB of one header', (given) => get(given, [`Accept: ${'a'.repeat(1.1 * 1024 * 1024)}`]), unread(431)],
  [
    '1.1 MiB of target',
    (given) => get(given).replace('pods', `pods?${'a'.repeat(1.1 * 1024 * 1024)}`),
    unread(431),
  ],
  ['20,000 headers and an identity', (given) => get(given, [...MANY, 'X-Remote-User: root']), seen('alice')],
]

const H2C = 'Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__'
const MANY = Array.from({ length: 20_000 }, (_, i) => `A${i}: b`)

export const requestLines: Family = {
  family: 'request lines and limits',
  cases: [
    ...LINES.map(([name, bytes, fate]): HostileCase => ({ name, bytes, fates: [fate] })),
    {
      name: 'a body that waits to be asked for',
      bytes: (given) =>
        post(given, ['Expect: 100-continue', 'Content-Length: 2'], '{}') + get(given, [], 'n'),
      fates: [seen('alice', '', 403), seen('alice', 'n')],
    },
    {
      name: 'an unknown method after a good request',
      bytes: (given) => getNext(given, [], 'o') + inner(given).replace('GET', 'ROOT'),
      fates: [broken('alice', 'o')],
    },
  ],
}
