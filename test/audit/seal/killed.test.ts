import { fork } from 'node:child_process'
import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openSealed, problems, shown, TestKey, verified } from '../../support/sealed-log.js'
import { never } from '../../support/audit.js'

/** How often it is killed, for each kind of log: SEAL_KILLS=100 before a release. */
const KILLS = Number(process.env.SEAL_KILLS ?? 1)
const CHILD = fileURLToPath(new URL('../../support/seal-child.js', import.meta.url))

const KINDS: Record<string, string[]> = {
  'one file': ['log-maxsize=0', 'seal-interval=20ms'],
  'rotation, compression and retention': [
    'log-maxsize=1',
    'log-maxbackup=5',
    'log-compress',
    'seal-interval=50ms',
  ],
  ...(KILLS > 1 && {
    'rotation all the time': ['log-maxsize=1', 'seal-interval=50ms'],
    strict: ['log-maxsize=1', 'seal-strict'],
    batch: ['log-maxsize=1', 'log-mode=batch', 'seal-interval=10s'],
  }),
}

for (const [name, flags] of Object.entries(KINDS)) {
  void t.test(`killed under load: ${name}`, async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const key = new TestKey(t.testdirName)
    for (let i = 0; i < KILLS; i++) {
      const child = fork(CHILD, [path, key.file, ...flags])
      const exit = once(child, 'exit')
      await once(child, 'message')
      // Somewhere in the next tenths of a second: where does not matter, and has to be somewhere else each time.
      await sleep(Math.random() * 300)
      // As logrotate does where the proxy does not rotate.
      if (flags.includes('log-maxsize=0') && i % 3 === 1) renameSync(path, `${path}.${i}`)
      child.kill('SIGKILL')
      await exit
      const { backend, lines } = await openSealed(path, key, ...flags)
      await backend.shutdown(never)
      t.same(lines, [])
      const report = await verified(path, key)
      if (!report.whole) t.fail(`after ${i + 1}: ${shown(report)}`)
    }
    t.same(problems(await verified(path, key)), [])
  })
}

void t.test('what was answered in strict mode is under a checkpoint, whatever kills it', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  const child = fork(CHILD, [path, key.file, 'log-maxsize=0', 'seal-strict', 'seal-interval=1h'])
  const exit = once(child, 'exit')
  await once(child, 'message')
  child.kill('SIGKILL')
  await exit
  const report = await verified(path, key)
  t.ok(report.whole, shown(report))
  // 500 were handed over when it spoke, of which 20 were not answered.
  t.ok((report.files[0]?.sealedLines ?? 0) >= 480, shown(report))
})
