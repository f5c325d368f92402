import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { never } from '../../support/audit.js'
import { eventNumbers, openLog, sendEvents, upTo } from '../../support/audit-backend.js'

const CHILD = join(import.meta.dirname, '../../support/log-child.js')

void t.test('a log is for one process, by whatever name', async (t) => {
  const dir = t.testdir()
  const path = join(dir, 'audit.log')
  const { backend } = await openLog(path)
  mkdirSync(join(dir, 'other'))
  symlinkSync(dir, join(dir, 'same'))
  symlinkSync('../audit.log', join(dir, 'other', 'linked.log'))
  for (const name of ['audit.log', 'same/audit.log', 'other/linked.log', 'other/../audit.log']) {
    await t.rejects(openLog(join(dir, name)), {
      name: 'ConfigError',
      message: `--audit-log-path: ${join(dir, name)} is written by another process already; each needs a log of its own`,
    })
  }
  const beside = await openLog(join(dir, 'beside.log'))
  await beside.backend.shutdown(never)
  t.same(await sendEvents(backend, 0, 10), [])
  await backend.shutdown(never)
  t.same(eventNumbers([path]), upTo(10))

  const next = await openLog(path)
  await next.backend.shutdown(never)
  t.same(readdirSync(dir).sort(), ['audit.log', 'beside.log', 'other', 'same'], 'no lock is left')
})

void t.test(
  'a process that is killed leaves the log to the next, and one that is stopped does not',
  async (t) => {
    const dir = t.testdir()
    const path = join(dir, 'audit.log')
    const child = fork(CHILD, [path])
    await once(child, 'message')
    child.kill('SIGSTOP')
    await t.rejects(openLog(path), /is written by another process already/)
    child.kill('SIGKILL')
    await once(child, 'exit')
    t.equal(readdirSync(dir).length, 2, 'its socket is still there')
    const { backend } = await openLog(path)
    await sendEvents(backend, 1, 2)
    await backend.shutdown(never)
    t.same(eventNumbers([path]), [0, 1])
    t.same(readdirSync(dir), ['audit.log'])
  },
)

void t.test('of several that start at once, one has it', async (t) => {
  const path = join(t.testdir(), 'logs', 'audit.log')
  const started = await Promise.allSettled(upTo(6).map(() => openLog(path)))
  const opened = started.filter((result) => result.status === 'fulfilled')
  t.equal(opened.length, 1)
  for (const { value } of opened) await value.backend.shutdown(never)
})

void t.test('a long path', async (t) => {
  const path = join(t.testdir(), ...Array<string>(9).fill('a-long-name'), `${'x'.repeat(200)}.log`)
  const { backend } = await openLog(path)
  await t.rejects(openLog(path), /is written by another process already/)
  await backend.shutdown(never)
})
