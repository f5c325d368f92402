import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { ConfigError } from '../../src/errors.js'
import { ReloadMetrics } from '../../src/live/metrics.js'
import { Reloader } from '../../src/live/reloader.js'
import { memoryLog } from '../support/log.js'
import { Watch } from '../support/watch.js'

/** One file, which its reader has read before the reloader hears of it. */
function start(t: Test, begun: number) {
  const file = join(t.testdir(), 'file')
  writeFileSync(file, 'one')
  const { log, lines } = memoryLog()
  const reloader = new Reloader(log, new ReloadMetrics(new Registry()), begun)
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
