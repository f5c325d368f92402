// Gives the parsers inputs that nobody thought of, until the time is over or one of them fails.
// usage: npm run fuzz -- [--seconds=600] [--seed=N] [--only=TARGET]
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { fuzzTargets } from './targets.js'

/** Milliseconds that one input may take, which on any machine is far too long. */
const LIMIT = 10_000

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string', default: '' },
  },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed)
const { targets, remove } = fuzzTargets()
const chosen = targets.filter(({ name }) => name.includes(values.only))
if (!(seconds > 0) || !Number.isInteger(seed) || chosen.length === 0) {
  remove()
  console.error(
    `--seconds and --seed are numbers, --only a part of one of: ${targets.map(({ name }) => name).join(', ')}`,
  )
  process.exit(2)
}

let failures = 0
for (const { name, property } of chosen) {
  const details: fc.RunDetails<unknown> = await fc.check(property(LIMIT), {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: (seconds * 1000) / chosen.length,
    skipAllAfterTimeLimit: (seconds * 1000) / chosen.length,
    markInterruptAsFailure: false,
    maxSkipsPerRun: 1,
  })
  console.log(`${name}: ${details.numRuns} inputs, seed ${seed}`)
  if (!details.failed) continue
  failures++
  console.log(`  failed: ${String(details.errorInstance)}`)
  console.log(`  with ${fc.stringify(details.counterexample)} (path ${details.counterexamplePath})`)
}
remove()
process.exitCode = failures === 0 ? 0 : 1
