import t from 'tap'
import { StreamError } from '../../src/sessions/stream-error.js'
import { serverFrame, WebSocketReader } from '../../src/sessions/websocket-reader.js'
import { webSocketFrame } from '../support/session-frames.js'

/** Reads pieces of a stream; answers the messages. */
function read(pieces: readonly Buffer[], masked = false, fragments = true) {
  const messages: string[] = []
  let parts: Buffer[] = []
  const reader = new WebSocketReader(
    { masked, fragments },
    {
      begin: () => (parts = []),
      piece: (bytes) => parts.push(Buffer.from(bytes)),
      end: () => messages.push(Buffer.concat(parts).toString('latin1')),
    },
  )
  for (const piece of pieces) reader.push(piece)
  return { messages, reader }
}

/** Cut into pieces of that many bytes. */
function cut(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  )
}

await t.test('messages, however they are cut', async (t) => {
  for (const masked of [false, true]) {
    const sent = ['', 'a', 'b'.repeat(125), 'c'.repeat(126), 'd'.repeat(65_535), 'e'.repeat(70_000)]
    const bytes = Buffer.concat(sent.map((message) => webSocketFrame(message, { masked })))
    for (const size of [1, 2, 7, 4096, bytes.length]) {
      t.strictSame(read(cut(bytes, size), masked).messages, sent, `masked ${masked}, pieces of ${size}`)
    }
  }
})

await t.test('fragments, with control frames between them', async (t) => {
  const bytes = Buffer.concat([
    webSocketFrame('one ', { fin: false }),
    webSocketFrame('ping', { opcode: 9 }),
    webSocketFrame('two ', { opcode: 0, fin: false }),
    webSocketFrame('', { opcode: 10 }),
    webSocketFrame('three', { opcode: 0 }),
    webSocketFrame('next', { opcode: 1 }),
  ])
  for (const size of [1, 3, bytes.length])
    t.strictSame(read(cut(bytes, size)).messages, ['one two three', 'next'])
})

await t.test('where last bytes may be put in', async (t) => {
  const frame = webSocketFrame('hello')
  const { reader } = read([])
  reader.push(frame)
  t.equal(reader.boundary, frame.length, 'behind a whole message')
  reader.push(frame.subarray(0, 4))
  t.equal(reader.boundary, 0, 'before one that has begun')
  reader.push(frame.subarray(4, 5))
  t.equal(reader.boundary, -1, 'nowhere inside of one')
  reader.push(Buffer.concat([frame.subarray(5), frame, frame.subarray(0, 1)]))
  t.equal(reader.boundary, frame.length - 5 + frame.length)
  const fragment = webSocketFrame('x', { fin: false })
  reader.push(frame.subarray(1))
  reader.push(fragment)
  t.equal(reader.boundary, 0, 'not between the frames of one message')
})

await t.test('what follows a close frame means nothing', async (t) => {
  const { messages, reader } = read([
    Buffer.concat([
      webSocketFrame('a'),
      serverFrame('close', Buffer.from([3, 232])),
      Buffer.from('\xff\xff\xff'),
    ]),
  ])
  t.strictSame(messages, ['a'])
  t.ok(reader.closed)
})

await t.test('what is no WebSocket, or is read otherwise by others', async (t) => {
  const long = Buffer.from([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 5])
  const bad: Record<string, [Buffer, boolean?, boolean?]> = {
    'reserved bits': [webSocketFrame('a', { reserved: 0x40 })],
    'the last reserved bit': [webSocketFrame('a', { reserved: 0x10 })],
    'a first bit of a length': [long],
    'a length beyond what numbers hold': [Buffer.from([0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0])],
    'an unknown opcode for data': [webSocketFrame('a', { opcode: 3 })],
    'an unknown opcode for control': [webSocketFrame('a', { opcode: 11 })],
    'a server that masks': [webSocketFrame('a', { masked: true })],
    'a client that does not': [webSocketFrame('a'), true],
    'a long control frame': [webSocketFrame('a'.repeat(126), { opcode: 9 })],
    'a control frame in pieces': [webSocketFrame('a', { opcode: 9, fin: false })],
    'a message that goes on and has not begun': [webSocketFrame('a', { opcode: 0 })],
    'a message inside of another': [
      Buffer.concat([webSocketFrame('a', { fin: false }), webSocketFrame('b')]),
    ],
    'fragments where there may be none': [webSocketFrame('a', { fin: false }), false, false],
  }
  for (const [name, [bytes, masked, fragments]] of Object.entries(bad)) {
    for (const size of [1, bytes.length])
      t.throws(() => read(cut(bytes, size), masked, fragments), StreamError, name)
  }
})
