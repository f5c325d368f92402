import {
  request,
  seen,
  unread,
  type Family,
  type Fate,
  type HostileCase,
  type Ingredients,
} from '../../support/hostile/case.js'

const PASSES = seen('alice')
const JSON_OF_ANOTHER = '","user":{"username":"root"},"x":"'

/** Texts that want to be more than a field of an event. */
const TEXTS: readonly (readonly [name: string, text: string, fate: Fate])[] = [
  ['JSON', JSON_OF_ANOTHER, PASSES],
  ['backslashes', '\\","user":"root"\\', PASSES],
  ['escapes of JSON', '\\u0022,\\n{\\ud800', PASSES],
  ['HTML', '<script>&amp;</script>', PASSES],
  ['UTF-8', '\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80', PASSES],
  ['separators of lines in UTF-8', 'a\xe2\x80\xa8{"kind":"Event"}\xe2\x80\xa9\xc2\x85', PASSES],
  ['not UTF-8', '\xff\xfe\xc0\xaf\xed\xa0\x80', PASSES],
  ['a BOM', '\xef\xbb\xbfx', PASSES],
  ['spaces and tabs', 'a \t b', PASSES],
  ['nothing', '', PASSES],
  ['8 KiB', 'a'.repeat(8192), PASSES],
  ['8 KiB of UTF-8', '\xe2\x82\xac'.repeat(2731), PASSES],
  ['ESC', '\x1b[31mroot', unread(400)],
  ['NUL', 'a\0b', unread(400)],
  ['a bell', '\x07', unread(400)],
  ['DEL', '\x7f', unread(400)],
  ['LF and an event', 'a\n{"kind":"Event"}', unread(400)],
  ['CR and an event', 'a\r{"kind":"Event"}', unread(400)],
  ['a fold and an event', 'a\r\n {"kind":"Event"}', unread(400)],
]

/** A request that has no Audit-ID but the one given. */
function plain(given: Ingredients, lines: readonly string[]): string {
  return request(`GET ${given.path()} HTTP/1.1`, given, ['Connection: close', ...lines]).replace(
    `Audit-ID: ${given.id}\r\n`,
    '',
  )
}

const ADDRESSES: readonly (readonly [name: string, lines: readonly string[]])[] = [
  ['an address', ['X-Forwarded-For: 10.0.0.1']],
  ['a list', ['X-Forwarded-For: 10.0.0.1, 10.0.0.2,10.0.0.3 ,\t2001:DB8::1']],
  ['no addresses', ['X-Forwarded-For: root, 10.0.0.256, 1.2.3, ::g, 0x7f.1']],
  ['JSON for an address', [`X-Forwarded-For: 10.0.0.1${JSON_OF_ANOTHER}`]],
  ['ports and zones', ['X-Forwarded-For: 10.0.0.1:80, [::1]:80, fe80::1%eth0']],
  ['an IPv4 address in IPv6', ['X-Forwarded-For: ::ffff:10.0.0.1']],
  ['a real address', ['X-Real-Ip: 10.0.0.9']],
  ['a real address that is none', [`X-Real-Ip: ${JSON_OF_ANOTHER}`]],
  ['nothing for an address', ['X-Forwarded-For:', 'X-Real-Ip:']],
  ['commas', [`X-Forwarded-For: ${','.repeat(5000)}`]],
  ['not ASCII', ['X-Forwarded-For: 10.0.0.1\xff, \xd9\xa1\xd9\xa0.0.0.1']],
]

export const texts: Family = {
  family: 'text in the log',
  cases: [
    ...TEXTS.flatMap(([name, text, fate]): HostileCase[] => [
      {
        name: `${name} in Audit-ID`,
        bytes: (given) => plain(given, [`Audit-ID: ${text}`]),
        fates: [fate],
      },
      {
        name: `${name} in User-Agent`,
        bytes: (given) =>
          request(`GET ${given.path()} HTTP/1.1`, given, ['Connection: close', `User-Agent: ${text}`]),
        fates: [fate],
      },
    ]),
    ...ADDRESSES.map(([name, lines]): HostileCase => ({
      name,
      bytes: (given) => request(`GET ${given.path()} HTTP/1.1`, given, ['Connection: close', ...lines]),
      fates: [PASSES],
    })),
    {
      name: 'two Audit-IDs',
      bytes: (given) => plain(given, [`Audit-ID: ${given.id}`, 'audit-id: forged']),
      fates: [PASSES],
    },
    {
      name: 'the Audit-ID of another request',
      bytes: (given) =>
        request(`GET ${given.path()} HTTP/1.1`, given) +
        request(`GET ${given.path('second')} HTTP/1.1`, given, ['Connection: close']),
      fates: [PASSES, seen('alice', 'second')],
    },
  ],
}
