import t from 'tap'
import { fuzzFrames } from '../support/frame-fuzz.js'

// scripts/fuzz-session-frames.ts runs many more.
await t.test('frames that were damaged crash nothing, and nothing is kept of them', async (t) => {
  const { frames, refused, read } = fuzzFrames({ frames: 10_000, seed: 1 })
  t.equal(frames, 10_000)
  t.ok(refused > 0, 'some are refused')
  t.ok(read > 0, 'some are read')
})
