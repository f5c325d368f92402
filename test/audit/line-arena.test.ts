import fc from 'fast-check'
import t from 'tap'
import { LineArena } from '../../src/audit/line-arena.js'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 2000 }),
  fc.nat(20_000).map((n) => 'é'.repeat(n)),
)

void t.test('lines stay what they were while others come', async () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 300 }), (texts) => {
      const arena = new LineArena()
      const lines = texts.map((one, i) => (i % 2 === 0 ? arena.encode(one) : arena.copy(Buffer.from(one))))
      return lines.every((line, i) => line.equals(Buffer.from(texts[i] as string)))
    }),
    { numRuns: 50 },
  )
})

void t.test('small lines share memory, a large one has its own', async (t) => {
  const arena = new LineArena()
  const [a, b] = [arena.encode('a'), arena.encode('b')]
  t.equal(a.buffer, b.buffer)
  const large = arena.copy(Buffer.alloc(100_000))
  t.not(large.buffer, a.buffer)
  t.equal(arena.encode('c').buffer, a.buffer)
})
