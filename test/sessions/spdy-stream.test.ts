import { constants, deflateSync } from 'node:zlib'
import t from 'tap'
import { SPDY_DICTIONARY } from '../../src/sessions/spdy-headers.js'
import { SPDYStream } from '../../src/sessions/spdy-stream.js'
import { StreamError } from '../../src/sessions/stream-error.js'
import { spdyControl, spdyData, SPDYOpener } from '../support/session-frames.js'

function newStream(version = 4) {
  const seen: [string, string][] = []
  const stream = new SPDYStream(version, {
    data(channel, bytes) {
      const last = seen.at(-1)
      if (last?.[0] === channel) last[1] += bytes.toString('latin1')
      else seen.push([channel, bytes.toString('latin1')])
    },
  })
  return { seen, stream }
}

/** Opens the five streams of a session. */
function opened(opener = new SPDYOpener()): Buffer {
  return Buffer.concat(
    ['error', 'stdin', 'stdout', 'stderr', 'resize'].map((streamtype, i) =>
      opener.open(2 * i + 1, { streamtype, port: '0' }),
    ),
  )
}

function push(bytes: Buffer, size: number, to: (chunk: Buffer) => void): void {
  for (let at = 0; at < bytes.length; at += size) to(bytes.subarray(at, at + size))
}

await t.test(
  'interleaved streams, however they are cut; data before SYN_REPLY; RST and GOAWAY',
  async (t) => {
    for (const size of [1, 5, 100_000]) {
      const { seen, stream } = newStream()
      push(opened(), size, (chunk) => stream.fromClient(chunk))
      push(spdyData(3, 'ls\n'), size, (chunk) => stream.fromClient(chunk))
      const reply = Buffer.alloc(4)
      reply.writeUInt32BE(5)
      const goAway = Buffer.alloc(8)
      const rst = Buffer.alloc(8)
      const server = Buffer.concat([
        spdyData(5, 'before the reply'),
        spdyControl(2, reply),
        spdyControl(6, Buffer.alloc(4)),
        spdyData(7, 'err'),
        spdyData(5, 'x'.repeat(70_000), true),
        spdyControl(4, Buffer.alloc(4)),
        spdyControl(9, Buffer.alloc(8)),
        spdyControl(3, rst),
        spdyData(1, '{"status":"Success"}', true),
        spdyControl(7, goAway),
      ])
      push(server, size, (chunk) => stream.fromUpstream(chunk))
      t.strictSame(seen, [
        ['stdin', 'ls\n'],
        ['stdout', 'before the reply'],
        ['stderr', 'err'],
        ['stdout', 'x'.repeat(70_000)],
        ['error', '{"status":"Success"}'],
      ])
    }
  },
)

await t.test('streams that are of no channel, and the second of a number', async (t) => {
  const { seen, stream } = newStream()
  const opener = new SPDYOpener()
  stream.fromClient(opener.open(1, { streamtype: 'stdout' }))
  stream.fromClient(opener.open(1, { streamtype: 'stdin' }))
  stream.fromClient(opener.open(3, { streamtype: 'other' }))
  stream.fromUpstream(Buffer.concat([spdyData(1, 'seen'), spdyData(3, 'not')]))
  t.strictSame(seen, [['stdout', 'seen']])
})

await t.test('a HEADERS frame is part of the same zlib stream', async (t) => {
  const { seen, stream } = newStream()
  const opener = new SPDYOpener()
  const id = Buffer.alloc(4)
  stream.fromClient(opener.open(1, { streamtype: 'stdout' }))
  stream.fromClient(spdyControl(8, Buffer.concat([id, opener.block({ more: 'x' })])))
  stream.fromClient(opener.open(3, { streamtype: 'stderr' }))
  stream.fromUpstream(spdyData(3, 'err'))
  t.strictSame(seen, [['stderr', 'err']])
})

await t.test('what ends a session', async (t) => {
  for (const version of [1, 4]) {
    const { stream } = newStream(version)
    stream.fromClient(opened())
    const last = stream.farewell('bye', { json: '{}', message: 'words' })
    t.strictSame(
      last,
      Buffer.concat([
        spdyData(5, '', true),
        spdyData(7, 'bye', true),
        spdyData(1, version === 4 ? '{}' : 'words', true),
      ]),
    )
  }
})

await t.test('what nobody can read', async (t) => {
  const compress = (bytes: Buffer): Buffer =>
    deflateSync(bytes, { dictionary: SPDY_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH })
  const syn = (block: Buffer): Buffer => spdyControl(1, Buffer.concat([Buffer.alloc(10), block]))
  const number = (value: number): Buffer => {
    const buffer = Buffer.alloc(4)
    buffer.writeUInt32BE(value)
    return buffer
  }
  const streams = new SPDYOpener()
  const bad: Record<string, Buffer> = {
    'another version': spdyControl(6, Buffer.alloc(4), 0, 2),
    'an unknown type': spdyControl(5, Buffer.alloc(4)),
    'a control frame too short': spdyControl(1, Buffer.alloc(9)),
    'a control frame too long': spdyControl(1, Buffer.alloc(100_000)),
    'headers that are not compressed': syn(Buffer.from('streamtype: stdout')),
    'headers that inflate to too much': syn(compress(Buffer.alloc(10_000_000))),
    'more headers than there are bytes': syn(compress(number(1_000_000))),
    'a name longer than the block': syn(compress(Buffer.concat([number(1), number(2 ** 31)]))),
    'the same header twice': syn(
      compress(
        Buffer.concat([
          number(2),
          ...Array<Buffer>(2).fill(Buffer.concat([number(1), Buffer.from('a'), number(0)])),
        ]),
      ),
    ),
    'too many streams': Buffer.concat(
      Array.from({ length: 100 }, (_, i) => streams.open(2 * i + 1, { streamtype: 'stdout' })),
    ),
    'data of a stream that nobody has opened': spdyData(9, 'x'),
  }
  for (const [name, bytes] of Object.entries(bad)) {
    for (const size of [3, bytes.length]) {
      const { stream } = newStream()
      t.throws(() => push(bytes, size, (chunk) => stream.fromClient(chunk)), StreamError, name)
    }
  }
  t.throws(
    () => newStream().stream.fromUpstream(new SPDYOpener().open(2, {})),
    StreamError,
    'a server that opens one',
  )
})
