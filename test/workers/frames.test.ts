import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { FRAME, FrameReader, FrameWriter, type Frame as AnyFrame } from '../../src/workers/frames.js'

type Frame = AnyFrame<string>

/** What is written with the writer, as the bytes that come out of the stream. */
function written(frames: readonly Frame[]): Buffer {
  const stream = new PassThrough({ highWaterMark: 64 << 20 })
  const writer = new FrameWriter(stream, 0)
  for (const frame of frames) writer.write(frame)
  writer.flush()
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0)
}

const number = fc.integer({ min: 0, max: 0xffffffff })
const frame = fc.record({
  kind: fc.integer({ min: 1, max: 7 }),
  id: number,
  request: number,
  payload: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.nat(200_000).map((n) => 'é'.repeat(n)),
  ),
})

void t.test('frames come out as they went in, however the bytes are cut', async () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), fc.array(fc.nat(70_000)), (frames, cuts) => {
      const bytes = written(frames)
      const read: Frame[] = []
      const reader = new FrameReader((one) => read.push({ ...one, payload: one.payload.toString('utf8') }))
      let start = 0
      for (const cut of cuts) {
        reader.push(bytes.subarray(start, start + cut))
        start += cut
      }
      reader.push(bytes.subarray(start))
      return JSON.stringify(read) === JSON.stringify(frames)
    }),
    { numRuns: 200 },
  )
})

void t.test('frames of one turn go out together, large ones at once', async (t) => {
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const writer = new FrameWriter(stream, 0)
  const small = { kind: FRAME.first, id: 0, request: 1, payload: 'x'.repeat(100) }
  for (let i = 0; i < 10; i++) writer.write(small)
  t.equal(writer.pending, 10 * 113)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(writer.pending, 0)
  t.equal(chunks.length, 1)
  t.equal(chunks[0]?.length, 10 * 113)

  writer.write({ ...small, payload: 'y'.repeat(40_000) })
  t.equal(chunks.length, 2, 'without a wait')
})

void t.test('a block is not written over while the stream has it', async (t) => {
  const stream = new PassThrough({ highWaterMark: 64 << 20 })
  const writer = new FrameWriter(stream, 1000)
  t.teardown(() => writer.flush())
  const texts = Array.from({ length: 500 }, (_, i) => `${i}-`.repeat(200))
  for (const [i, text] of texts.entries())
    writer.write({ kind: FRAME.next, id: i, request: i, payload: text })
  writer.flush()
  const read: string[] = []
  const reader = new FrameReader(({ payload }) => read.push(payload.toString('utf8')))
  for (let chunk = stream.read() as Buffer | null; chunk; chunk = stream.read() as Buffer | null) {
    reader.push(chunk)
  }
  t.strictSame(read, texts)
})
