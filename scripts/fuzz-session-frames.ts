// Hands a million damaged frames to the readers of sessions: node build/scripts/fuzz-session-frames.js [FRAMES [SEED]]
import { setImmediate } from 'node:timers/promises'
import { fuzzFrames } from '../test/support/frame-fuzz.js'

const SLICE = 20_000
const [frames = 1_000_000, seed = Date.now() & 0x7fffffff] = process.argv.slice(2).map(Number)
process.stdout.write(`seed ${seed}\n`)
const begin = performance.now()
let [done, refused, read, first, most] = [0, 0, 0, 0, 0]
while (done < frames) {
  const result = fuzzFrames({ frames: Math.min(SLICE, frames - done), seed: seed + done })
  done += result.frames
  refused += result.refused
  read += result.read
  // What zlib holds is given back between the turns of the event loop.
  await setImmediate()
  const { rss } = process.memoryUsage()
  first ||= rss
  most = Math.max(most, rss)
}
const seconds = ((performance.now() - begin) / 1000).toFixed(1)
const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)
process.stdout.write(
  `${done} frames in ${seconds} s: ${refused} streams refused, ${read} bytes read; ${mib(first)} MiB after ${SLICE} frames, ${mib(most)} at most\n`,
)
