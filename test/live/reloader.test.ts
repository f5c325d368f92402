import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { ConfigError } from '../../src/errors.js'
import { ReloadMetrics } from '../../src/live/metrics.js'
import { Reloader } from '../../src/live/reloader.js'
import type { Timers } from '../../src/timers.js'
import { ManualTimers } from '../support/audit.js'
import { memoryLog } from '../support/log.js'
import { Watch } from '../support/watch.js'

/** One file, which its reader has read before the reloader hears of it. */
function start(t: Test, begun: number, timers?: Timers) {
  const file = join(t.testdir(), 'file')
  writeFileSync(file, 'one')
  const { log, lines } = memoryLog()
  const reloader = new Reloader(log, new ReloadMetrics(new Registry()), begun, timers)
  // The reloader keeps no process alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => {
    clearInterval(alive)
    return reloader.close()
  })
  const read: string[] = []
  const watch = new Watch()
  const reload = () => {
    const content = readFileSync(file, 'utf8')
    if (content === 'bad') throw new ConfigError(`${file}: is bad`)
    read.push(content)
    watch.changed()
  }
  const add = () => reloader.add([{ name: 'some-file', files: () => [file], reload }])
  return { file, reloader, lines, read, watch, add }
}

const LATER = Date.now() + 3_600_000

await t.test('a file is read again when it has changed, and not otherwise', async (t) => {
  const { file, reloader, read, watch, add } = start(t, LATER)
  add()
  reloader.start()
  writeFileSync(file, 'two')
  await watch.until(() => read.length > 0)
  t.strictSame(read, ['two'])
})

await t.test('a change between the reading and add() is not missed', async (t) => {
  const { file, reloader, read, watch, add } = start(t, Date.now())
  writeFileSync(file, 'two')
  add()
  reloader.start()
  await watch.until(() => read.length > 0)
  t.strictSame(read, ['two'])
  await reloader.reloadAll()
  t.strictSame(read, ['two', 'two'], 'once, until somebody asks')
})

await t.test('a pipe among the files holds nobody up', async (t) => {
  const { reloader } = start(t, LATER)
  const pipe = join(t.testdirName, 'pipe')
  execFileSync('mkfifo', [pipe])
  let reloads = 0
  reloader.add([{ name: 'some-directory', files: () => [`${t.testdirName}/`], reload: () => void reloads++ }])
  await reloader.reloadAll()
  t.equal(reloads, 1)
})

await t.test('what is bad is said in one line and tried again when it has changed', async (t) => {
  const { file, reloader, lines, read, watch, add } = start(t, LATER)
  add()
  reloader.start()
  writeFileSync(file, 'bad')
  await reloader.reloadAll()
  await reloader.reloadAll()
  t.match(
    lines.map(({ level, msg }) => [level, msg]),
    [
      [50, `cannot reload, what was in force stays: ${file}: is bad`],
      [50, `cannot reload, what was in force stays: ${file}: is bad`],
    ],
  )
  writeFileSync(file, 'good')
  await watch.until(() => read.length > 0)
  t.strictSame(read, ['good'])
})

/** Lets what has been resolved go on. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

await t.test('a file is read when nobody has written to it for a second, on request as well', async (t) => {
  const timers = new ManualTimers()
  const { file, reloader, read, add } = start(t, LATER, timers)
  add()
  const done = reloader.reloadAll()
  for (const content of ['t', 'tw', 'two']) {
    timers.advance(999)
    writeFileSync(file, content)
    timers.advance(1)
    await settled()
    t.strictSame(read, [], content)
  }
  timers.advance(1000)
  await done
  t.strictSame(read, ['two'])
})

await t.test(
  'whoever writes the same again has not done either, and another file in its place is another',
  async (t) => {
    const timers = new ManualTimers()
    const { file, reloader, read, add } = start(t, LATER, timers)
    add()
    const done = reloader.reloadAll()
    writeFileSync(file, 'one')
    timers.advance(1000)
    await settled()
    writeFileSync(`${file}.new`, 'one')
    renameSync(`${file}.new`, file)
    timers.advance(1000)
    await settled()
    t.strictSame(read, [])
    timers.advance(1000)
    await done
    t.strictSame(read, ['one'])
  },
)

await t.test('what changes while it is read is read again', async (t) => {
  const timers = new ManualTimers()
  const { file, reloader, watch } = start(t, LATER, timers)
  const read: string[] = []
  const reload = () => {
    read.push(readFileSync(file, 'utf8'))
    if (read.length === 1) writeFileSync(file, 'three')
    watch.changed()
  }
  reloader.add([{ name: 'some-file', files: () => [file], reload }])
  const done = reloader.reloadAll()
  for (let count = 1; count <= 2; count++) {
    timers.advance(1000)
    await watch.until(() => read.length === count)
    await settled()
  }
  await done
  t.strictSame(read, ['one', 'three'])
})

await t.test('a file that is written without end is given up, and holds up no other', async (t) => {
  const timers = new ManualTimers()
  const { file, reloader, lines, read, add } = start(t, LATER, timers)
  const busy = join(t.testdirName, 'busy')
  const reload = () => void t.fail('it was never quiet')
  reloader.add([{ name: 'busy-file', files: () => [busy], reload }])
  add()
  writeFileSync(file, 'two')
  const done = reloader.reloadAll()
  for (let i = 0; i < 60; i++) {
    writeFileSync(busy, String(i))
    timers.advance(1000)
    await settled()
    if (i === 1) t.strictSame(read, ['two'])
  }
  await done
  t.match(lines.at(-1), {
    file: 'busy-file',
    msg: 'cannot reload, what was in force stays: somebody keeps writing to the file',
  })
})

await t.test('what a reload says of itself is in the log', async (t) => {
  const { file, reloader, lines } = start(t, LATER)
  const reload = () => ({ fields: { rules: 3 }, warning: 'look at this' })
  reloader.add([{ name: 'some-file', files: () => [file], reload }])
  await reloader.reloadAll()
  t.match(lines, [
    { level: 30, file: 'some-file', rules: 3, msg: 'configuration reloaded' },
    { level: 40, file: 'some-file', msg: 'look at this' },
  ])
})
