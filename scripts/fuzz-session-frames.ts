// Hands a million damaged frames to the readers of sessions: node build/scripts/fuzz-session-frames.js [FRAMES [SEED]]
import { fuzzFrames } from '../test/support/frame-fuzz.js'

const [frames = 1_000_000, seed = Date.now() & 0x7fffffff] = process.argv.slice(2).map(Number)
process.stdout.write(`seed ${seed}\n`)
const begin = performance.now()
const before = process.memoryUsage().rss
const result = fuzzFrames({ frames, seed })
const seconds = ((performance.now() - begin) / 1000).toFixed(1)
const grown = ((process.memoryUsage().rss - before) / 2 ** 20).toFixed(0)
process.stdout.write(
  `${result.frames} frames in ${seconds} s: ${result.refused} streams refused, ${result.read} bytes read, ${grown} MiB grown\n`,
)
