import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import t from 'tap'
import { replaceInvalidUTF8 } from '../../../src/audit/capture/json/utf8.js'

const replaced = (...bytes: number[]) => replaceInvalidUTF8(Buffer.from(bytes)).toString()

void t.test('every byte outside a sequence is one U+FFFD', (t) => {
  for (const [bytes, want] of [
    [[], ''],
    [[0x41, 0xff, 0x42], 'A\ufffdB'],
    [[0xe2, 0x82], '\ufffd\ufffd'],
    [[0xe2, 0x82, 0x41], '\ufffd\ufffdA'],
    [[0xed, 0x9f, 0xbf, 0xed, 0xa0, 0x80], '\ud7ff\ufffd\ufffd\ufffd'],
    [[0xe0, 0x9f, 0x80], '\ufffd\ufffd\ufffd'],
    [[0xf0, 0x8f, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
    [[0xf4, 0x8f, 0xbf, 0xbf, 0xf4, 0x90, 0x80, 0x80], '\u{10ffff}\ufffd\ufffd\ufffd\ufffd'],
    [[0xc1, 0x81, 0xc2, 0x80], '\ufffd\ufffd\u0080'],
  ] as const) {
    t.equal(replaced(...bytes), want)
  }
  t.end()
})

void t.test('text stays, and rubbish becomes text', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      (text) => replaceInvalidUTF8(Buffer.from(text)).toString() === text,
    ),
  )
  const bytes = fc.array(
    fc.oneof(fc.constantFrom(0x41, 0x80, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4), fc.nat(255)),
  )
  fc.assert(
    fc.property(bytes, (bytes) => {
      const buf = Buffer.from(bytes)
      const got = replaceInvalidUTF8(buf)
      return isUtf8(got) && got.equals(buf) === isUtf8(buf)
    }),
    { numRuns: 2000 },
  )
  t.end()
})
