import fc from 'fast-check'
import t from 'tap'
import { fuzzTargets } from './targets.js'

const { targets, remove } = fuzzTargets()
t.teardown(remove)

/** The same inputs each time; `npm run fuzz` tries others. */
for (const { name, property } of targets) {
  void t.test(name, (t) => {
    const { failed, counterexample, errorInstance } = fc.check(property(Infinity), {
      seed: 1,
      numRuns: 200,
    }) as fc.RunDetails<unknown>
    t.notOk(failed, `${fc.stringify(counterexample)}: ${String(errorInstance)}`)
    t.end()
  })
}
