import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { findings, openSealed, problems, shown, TestKey, verified } from '../../support/sealed-log.js'
import { never } from '../../support/audit.js'
import { logFiles } from '../../support/audit-backend.js'

/** How often it is killed, for each kind of log: SEAL_KILLS=100 before a release. */
const KILLS = Number(process.env.SEAL_KILLS ?? 3)
const CHILD = fileURLToPath(new URL('../../support/seal-child.js', import.meta.url))

const KINDS: Record<string, string[]> = {
  'one file': ['log-maxsize=0', 'seal-interval=20ms'],
  'rotation all the time': ['log-maxsize=1', 'seal-interval=50ms'],
  'rotation, compression and retention': [
    'log-maxsize=1',
    'log-maxbackup=5',
    'log-compress',
    'seal-interval=50ms',
  ],
  strict: ['log-maxsize=1', 'seal-strict'],
  batch: ['log-maxsize=1', 'log-mode=batch', 'seal-interval=10s'],
}

for (const [name, flags] of Object.entries(KINDS)) {
  void t.test(`killed under load: ${name}`, async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const key = new TestKey(t.testdirName)
    let restarted = 0
    for (let i = 0; i < KILLS; i++) {
      const child = fork(CHILD, [path, key.file, ...flags])
      const exit = once(child, 'exit')
      await once(child, 'message')
      // Somewhere in the next tenths of a second: where does not matter, and has to be somewhere else each time.
      await sleep(Math.random() * 300)
      if (i % 3 === 1) renameSync(path, `${path}.${i}`)
      child.kill('SIGKILL')
      await exit
      const { backend, lines } = await openSealed(path, key, ...flags)
      await backend.shutdown(never)
      t.same(lines, [])
      const report = await verified(path, key)
      if (!report.whole) t.fail(`after ${i + 1}: ${shown(report)}`)
      restarted += findings(report).filter(({ kind }) => kind === 'restarted').length
    }
    t.same(problems(await verified(path, key)), [])
    t.type(restarted, 'number')
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

void t.test('the log is the same with and without a seal', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  const child = fork(CHILD, [path, key.file, 'log-maxsize=0'])
  const exit = once(child, 'exit')
  await once(child, 'message')
  child.send('stop')
  await exit
  t.same(
    logFiles(path).filter((file) => !file.includes('.seal')),
    [path],
  )
  for (const line of readFileSync(path, 'utf8').trimEnd().split('\n'))
    t.ok(line.startsWith('{"kind":"Event"') || t.fail(line))
  rmSync(path)
})
