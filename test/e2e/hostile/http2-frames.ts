import {
  broken,
  late,
  seen,
  unread,
  type Family,
  type Fate,
  type HostileCase,
  type Ingredients,
} from '../../support/hostile/case.js'
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  fieldBlock,
  frame,
  GOAWAY,
  HEADERS,
  literal,
  MAGIC,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  WITH_PRIORITY,
  type Field,
} from '../../support/hostile/http2-frames.js'

const PASSES = seen('alice')
const DEAD = unread(0)
const WHOLE = END_STREAM | END_HEADERS

const fields = (given: Ingredients, part = ''): Field[] => [
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
const block = (given: Ingredients): Buffer => fieldBlock(fields(given))
/** A request that is as it should be. */
const good = (given: Ingredients, id = 1): Buffer => frame(HEADERS, WHOLE, id, block(given))
const opened = (given: Ingredients, id = 1): Buffer => frame(HEADERS, END_HEADERS, id, block(given))

const u32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}
const setting = (id: number, value: number): Buffer => Buffer.concat([Buffer.from([0, id]), u32(value)])
const times = (count: number, one: Buffer): Buffer => Buffer.concat(Array<Buffer>(count).fill(one))

type Frames = (given: Ingredients) => readonly Buffer[]
type Row = readonly [name: string, frames: Frames, fate: Fate, ids?: readonly number[]]

/** What comes before or behind a request, and what it is made of. */
const ROWS: readonly Row[] = [
  [
    'padding',
    (g) => [frame(HEADERS, WHOLE | PADDED, 1, Buffer.concat([Buffer.from([5]), block(g), Buffer.alloc(5)]))],
    PASSES,
  ],
  [
    'padding that is not zeros',
    (g) => [
      frame(HEADERS, WHOLE | PADDED, 1, Buffer.concat([Buffer.from([5]), block(g), Buffer.alloc(5, 7)])),
    ],
    PASSES,
  ],
  [
    'padding beyond the frame',
    (g) => [frame(HEADERS, WHOLE | PADDED, 1, Buffer.concat([Buffer.from([255]), block(g).subarray(0, 20)]))],
    DEAD,
  ],
  [
    'a priority',
    (g) => [frame(HEADERS, WHOLE | WITH_PRIORITY, 1, Buffer.concat([u32(3), Buffer.from([7]), block(g)]))],
    PASSES,
  ],
  [
    'a dependency on itself',
    (g) => [frame(HEADERS, WHOLE | WITH_PRIORITY, 1, Buffer.concat([u32(1), Buffer.from([7]), block(g)]))],
    DEAD,
  ],
  ['unknown flags', (g) => [frame(HEADERS, WHOLE | 0xc2, 1, block(g))], PASSES],
  ['the reserved bit of the stream', (g) => [frame(HEADERS, WHOLE, 0x80000001, block(g))], PASSES],
  [
    'a frame for each byte of its fields',
    (g) => {
      const all = block(g)
      return [...all].map((_, i) =>
        frame(
          i === 0 ? HEADERS : CONTINUATION,
          (i === 0 ? END_STREAM : 0) | (i === all.length - 1 ? END_HEADERS : 0),
          1,
          all.subarray(i, i + 1),
        ),
      )
    },
    DEAD,
  ],
  [
    'its fields in five frames',
    (g) => {
      const all = block(g)
      const size = Math.ceil(all.length / 5)
      return [0, 1, 2, 3, 4].map((i) =>
        frame(
          i === 0 ? HEADERS : CONTINUATION,
          (i === 0 ? END_STREAM : 0) | (i === 4 ? END_HEADERS : 0),
          1,
          all.subarray(i * size, (i + 1) * size),
        ),
      )
    },
    PASSES,
  ],
  [
    'empty frames behind its fields',
    (g) => [frame(HEADERS, END_STREAM, 1, block(g)), times(1000, frame(CONTINUATION, 0, 1, Buffer.alloc(0)))],
    DEAD,
  ],
  [
    'fields that do not end',
    (g) => [
      frame(HEADERS, END_STREAM, 1, block(g)),
      times(200, frame(CONTINUATION, 0, 1, fieldBlock([['a', 'b'.repeat(10_000)]]))),
    ],
    DEAD,
  ],
  [
    'a frame amid its fields',
    (g) => [
      frame(HEADERS, END_STREAM, 1, block(g)),
      frame(PING, 0, 0, Buffer.alloc(8)),
      frame(CONTINUATION, END_HEADERS, 1, Buffer.alloc(0)),
    ],
    DEAD,
  ],
  [
    'fields of another amid its own',
    (g) => [frame(HEADERS, END_STREAM, 1, block(g)), frame(CONTINUATION, END_HEADERS, 3, Buffer.alloc(0))],
    DEAD,
  ],
  ['more fields of nothing', (g) => [frame(CONTINUATION, END_HEADERS, 1, block(g))], DEAD],
  ['an even stream', (g) => [good(g, 2)], DEAD],
  ['stream 0', (g) => [good(g, 0)], DEAD],
  ['the highest stream', (g) => [good(g, 0x7fffffff)], PASSES, [0x7fffffff]],
  ['data of stream 0', () => [frame(DATA, END_STREAM, 0, Buffer.from('{}'))], DEAD],
  ['data of a stream that is not open', () => [frame(DATA, END_STREAM, 1, Buffer.from('{}'))], DEAD],
  ['a reset of a stream that is not open', () => [frame(RST_STREAM, 0, 1, u32(8))], DEAD],
  ['a reset of stream 0', () => [frame(RST_STREAM, 0, 0, u32(8))], DEAD],
  [
    'a reset of the wrong length',
    (g) => [good(g), frame(RST_STREAM, 0, 1, Buffer.alloc(3))],
    broken('alice'),
  ],
  ['an unknown frame before', (g) => [frame(0xfa, 0xff, 0, Buffer.from('x')), good(g)], PASSES],
  ['an unknown frame of its stream before', (g) => [frame(0xfa, 0xff, 1, Buffer.from('x')), good(g)], PASSES],
  [
    'an ALTSVC and an ORIGIN of a client',
    (g) => [
      frame(0x0a, 0, 0, Buffer.from('\0\x01xh2=":1"')),
      frame(0x0c, 0, 0, Buffer.from('\0\x01x')),
      good(g),
    ],
    PASSES,
  ],
  [
    'a promise of a client',
    (g) => [frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([u32(2), block(g)]))],
    DEAD,
  ],
  [
    'a priority of a stream that is not open',
    (g) => [frame(PRIORITY, 0, 7, Buffer.concat([u32(0), Buffer.from([1])])), good(g)],
    PASSES,
  ],
  ['a priority of the wrong length', (g) => [frame(PRIORITY, 0, 7, Buffer.alloc(4)), good(g)], DEAD],
  ['a ping', (g) => [frame(PING, 0, 0, Buffer.alloc(8)), good(g)], PASSES],
  ['a ping of the wrong length', () => [frame(PING, 0, 0, Buffer.alloc(7))], DEAD],
  ['a ping of a stream', () => [frame(PING, 0, 1, Buffer.alloc(8))], DEAD],
  ['an answer to no ping', (g) => [frame(PING, 1, 0, Buffer.alloc(8)), good(g)], DEAD],
  ['a window of 0', (g) => [frame(WINDOW_UPDATE, 0, 0, u32(0)), good(g)], DEAD],
  ['a window beyond 2^31', (g) => [frame(WINDOW_UPDATE, 0, 0, u32(0x7fffffff)), good(g)], DEAD],
  ['a window of the wrong length', () => [frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))], DEAD],
  ['a window of a stream that is not open', () => [frame(WINDOW_UPDATE, 0, 1, u32(1))], DEAD],
  ['settings of the wrong length', () => [frame(SETTINGS, 0, 0, Buffer.alloc(5))], DEAD],
  ['settings of a stream', () => [frame(SETTINGS, 0, 1, Buffer.alloc(0))], DEAD],
  ['an answer to settings that says more', () => [frame(SETTINGS, 1, 0, setting(1, 0))], DEAD],
  ['a push of 2', () => [frame(SETTINGS, 0, 0, setting(2, 2))], DEAD],
  ['a window beyond 2^31 for all', () => [frame(SETTINGS, 0, 0, setting(4, 0x80000000))], DEAD],
  ['a frame size of 1', () => [frame(SETTINGS, 0, 0, setting(5, 1))], DEAD],
  ['an unknown setting', (g) => [frame(SETTINGS, 0, 0, setting(0xfa, 7)), good(g)], PASSES],
  ['extended CONNECT by a client', (g) => [frame(SETTINGS, 0, 0, setting(8, 1)), good(g)], PASSES],
  ['no list of fields allowed', (g) => [frame(SETTINGS, 0, 0, setting(6, 0)), good(g)], PASSES],
  ['the client goes', (g) => [good(g), frame(GOAWAY, 0, 0, Buffer.alloc(8))], broken('alice')],
  [
    'a frame that is too large',
    (g) => [good(g), frame(DATA, END_STREAM, 1, Buffer.alloc(16_385))],
    broken('alice'),
  ],
  ['data behind the end', (g) => [good(g), frame(DATA, END_STREAM, 1, Buffer.from('{}'))], broken('alice')],
  [
    'fields behind the end',
    (g) => [good(g), frame(HEADERS, WHOLE, 1, fieldBlock([['x-remote-user', 'root']]))],
    broken('alice'),
  ],
  [
    'trailers that end nothing',
    (g) => [
      opened(g),
      frame(DATA, 0, 1, Buffer.from('{}')),
      frame(HEADERS, END_HEADERS, 1, fieldBlock([['a', 'b']])),
    ],
    broken('alice'),
  ],
  [
    'a thousand empty frames of data',
    (g) => [
      opened(g),
      times(900, frame(DATA, 0, 1, Buffer.alloc(0))),
      frame(DATA, END_STREAM, 1, Buffer.from('{}')),
    ],
    broken('alice'),
  ],
  [
    'padded data',
    (g) => [opened(g), frame(DATA, END_STREAM | PADDED, 1, Buffer.from([3, 123, 125, 0, 0, 0]))],
    PASSES,
  ],
  [
    'data with padding beyond it',
    (g) => [good(g), frame(DATA, END_STREAM | PADDED, 1, Buffer.from([9, 123, 125]))],
    broken('alice'),
  ],
  [
    'a table that is too large',
    (g) => [frame(HEADERS, WHOLE, 1, Buffer.concat([Buffer.from([0x3f, 0xe1, 0xff, 0x7f]), block(g)]))],
    DEAD,
  ],
  [
    'a change of the table amid the fields',
    (g) => [frame(HEADERS, WHOLE, 1, Buffer.concat([block(g), Buffer.from([0x20])]))],
    DEAD,
  ],
  [
    'an index beyond the table',
    (g) => [frame(HEADERS, WHOLE, 1, Buffer.concat([block(g), Buffer.from([0xff, 0x7f])]))],
    DEAD,
  ],
  ['index 0', (g) => [frame(HEADERS, WHOLE, 1, Buffer.concat([block(g), Buffer.from([0x80])]))], DEAD],
  [
    'an index that does not end',
    (g) => [frame(HEADERS, WHOLE, 1, Buffer.concat([block(g), Buffer.alloc(12, 0xff)]))],
    DEAD,
  ],
  [
    'a length beyond the fields',
    (g) => [frame(HEADERS, WHOLE, 1, Buffer.concat([block(g), Buffer.from([0, 0x7f, 0xff, 0x10])]))],
    DEAD,
  ],
  [
    'a Huffman code of the end',
    (g) => [
      frame(
        HEADERS,
        WHOLE,
        1,
        Buffer.concat([
          block(g),
          Buffer.from([0]),
          literal('a'),
          Buffer.from([0x84, 0xff, 0xff, 0xff, 0xff]),
        ]),
      ),
    ],
    DEAD,
  ],
  [
    'Huffman padding of zeros',
    (g) => [
      frame(
        HEADERS,
        WHOLE,
        1,
        Buffer.concat([block(g), Buffer.from([0]), literal('a'), Buffer.from([0x81, 0x18])]),
      ),
    ],
    DEAD,
  ],
  [
    'a field that is never indexed',
    (g) => [
      frame(
        HEADERS,
        WHOLE,
        1,
        Buffer.concat([block(g), Buffer.from([0x10]), literal('x-remote-user'), literal('root')]),
      ),
    ],
    PASSES,
  ],
  [
    'an identity from the table',
    (g) => [
      frame(
        HEADERS,
        WHOLE,
        1,
        Buffer.concat([block(g), Buffer.from([0x40]), literal('x-remote-user'), literal('root')]),
      ),
    ],
    PASSES,
  ],
  [
    'the first 30 bytes of a preface',
    () => [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n').subarray(0, 10)],
    DEAD,
  ],
  ['a request of HTTP/1.1 within', (g) => [Buffer.from(`GET ${g.path()} HTTP/1.1\r\nHost: x\r\n\r\n`)], DEAD],
  ['2,000 settings', (g) => [frame(SETTINGS, 0, 0, times(2000, setting(4, 65_535))), good(g)], DEAD],
  ['500 pings', (g) => [times(500, frame(PING, 0, 0, Buffer.alloc(8))), good(g)], PASSES],
]

/** The table of a session is one: what one request puts there another may name, and it is no more than a header. */
function shared(given: Ingredients): Buffer {
  const first = Buffer.concat([
    fieldBlock(fields(given, 'a')),
    Buffer.from([0x40]),
    literal('authorization'),
    literal('Bearer bobtoken'),
  ])
  const second = Buffer.concat([fieldBlock(fields(given, 'b')), Buffer.from([0x80 | 62])])
  const third = fieldBlock(fields(given, 'c'))
  return Buffer.concat([
    PREFACE,
    ...[first, second, third].map((one, i) => frame(HEADERS, WHOLE, 2 * i + 1, one)),
  ])
}

export const http2Frames: Family = {
  family: 'frames of HTTP/2',
  cases: [
    ...ROWS.map(([name, frames, fate, ids = [1]]): HostileCase => ({
      name,
      frames: (given) => ({ bytes: Buffer.concat([PREFACE, ...frames(given)]), ids }),
      fates: [fate],
    })),
    {
      name: 'a reset of itself, and another behind it',
      frames: (given) => ({
        bytes: Buffer.concat([
          ...[PREFACE, opened(given), frame(RST_STREAM, 0, 1, u32(8))],
          frame(HEADERS, WHOLE, 3, fieldBlock(fields(given, 'n'))),
        ]),
        ids: [3],
      }),
      fates: [seen('alice', 'n'), late('alice', '')],
    },
    {
      name: 'no settings',
      frames: (given) => ({ bytes: Buffer.concat([MAGIC, good(given)]), ids: [1] }),
      fates: [DEAD],
    },
    {
      name: 'a preface that is wrong',
      frames: () => ({ bytes: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX'), ids: [1] }),
      fates: [DEAD],
    },
    {
      name: 'a token from the table',
      certificate: 'none',
      frames: (given) => ({ bytes: shared(given), ids: [1, 3, 5] }),
      fates: [seen('bob', 'a'), seen('bob', 'b'), seen('nobody', 'c')],
    },
    {
      name: 'streams that go down',
      frames: (given) => ({
        bytes: Buffer.concat([PREFACE, good(given, 3), frame(HEADERS, WHOLE, 1, block(given))]),
        ids: [3],
      }),
      fates: [broken('alice')],
    },
  ],
}
