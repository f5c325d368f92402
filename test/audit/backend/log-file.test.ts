import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { truncateSync, writeFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import { ConfigError } from '../../../src/errors.js'
import { never } from '../../support/audit.js'
import { eventNumbers, logFiles, openLog, sendEvents, upTo } from '../../support/audit-backend.js'

const MB = 2 ** 20
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
const BACKUP = /^audit-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log(\.gz)?$/

void t.test('an event is in the file when its promise resolves', async (t) => {
  const path = join(t.testdir(), 'new', 'directory', 'audit.log')
  const { backend } = await openLog(path)
  t.same(await sendEvents(backend, 0, 1), [])
  t.same(eventNumbers([path]), [0])
  t.equal(mode(path), '600')
  t.equal(mode(dirname(path)), '750')
  await backend.shutdown(never)
})

for (const compress of [false, true]) {
  void t.test(`rotation under load, compress ${compress}: nothing is lost or doubled`, async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const { backend, lines } = await openLog(path, 'maxsize=1', `compress=${compress}`)
    t.same(await sendEvents(backend, 0, 20_000, { size: 700 }), [])
    await backend.shutdown(never)
    const files = logFiles(path)
    t.ok(files.length > 15, `${files.length} files`)
    t.same(eventNumbers(files), upTo(20_000))
    for (const file of files) {
      t.ok(statSync(file).size <= MB)
      t.equal(mode(file), '600')
      if (file !== path) t.match(basename(file), BACKUP)
    }
    t.equal(
      files.some((file) => file.endsWith('.gz')),
      compress,
    )
    t.same(lines, [])
  })
}

void t.test('a backup is named after the time of its rotation, in UTC', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const { backend } = await openLog(path, 'maxsize=1')
  const before = Date.now()
  await sendEvents(backend, 0, 3, { size: 0.6 * MB, concurrency: 1 })
  const after = Date.now()
  await backend.shutdown(never)
  const names = logFiles(path)
    .slice(0, -1)
    .map((file) => basename(file))
  t.equal(names.length, 2)
  for (const name of names) {
    const [, date, time] = /^audit-(.*)T(.*)\.log$/.exec(name)!
    const rotated = Date.parse(`${date}T${time!.replaceAll('-', ':')}Z`)
    t.ok(before <= rotated && rotated <= after, name)
  }
})

void t.test('the size of a file that is already there counts, and its permissions stay', async (t) => {
  const path = join(t.testdir({ 'audit.log': '{"auditID":"0"}\n'.repeat(MB / 16) }), 'audit.log')
  chmodSync(path, 0o640)
  const { backend } = await openLog(path, 'maxsize=1')
  await sendEvents(backend, 1, 2)
  await backend.shutdown(never)
  const files = logFiles(path)
  t.equal(files.length, 2)
  t.equal(statSync(files[0]!).size, MB)
  t.same(eventNumbers([path]), [1])
  t.equal(mode(path), '640')
})

void t.test('unless the flags say otherwise, a file of 100 MB is rotated', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  for (const [size, files] of [
    [100 * MB - 1000, 1],
    [100 * MB, 2],
  ] as const) {
    writeFileSync(path, '')
    truncateSync(path, size)
    const { backend } = await openLog(path)
    await sendEvents(backend, 0, 1)
    await backend.shutdown(never)
    t.equal(logFiles(path).length, files, `${size}`)
  }
})

void t.test('maxsize=0: the file grows, and what was rotated before is left alone', async (t) => {
  const old = ['audit-2020-01-01T00-00-00.000.log', 'audit-2020-01-02T00-00-00.000.log']
  const dir = t.testdir({ [old[0]!]: '{}\n', [old[1]!]: '{}\n', 'audit.log': '' })
  const path = join(dir, 'audit.log')
  truncateSync(path, 300 * MB)
  const { backend } = await openLog(path, 'maxsize=0', 'maxbackup=1', 'maxage=1', 'compress')
  t.same(await sendEvents(backend, 0, 10), [])
  await backend.shutdown(never)
  t.same(readdirSync(dir).sort(), [...old, 'audit.log'])
  t.ok(statSync(path).size > 300 * MB)
})

void t.test('an event larger than a file may be has a file of its own', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const { backend } = await openLog(path, 'maxsize=1')
  await sendEvents(backend, 0, 1)
  t.same(await sendEvents(backend, 1, 3, { size: 2 * MB, concurrency: 2 }), [])
  await sendEvents(backend, 3, 4)
  await backend.shutdown(never)
  t.same(
    logFiles(path).map((file) => eventNumbers([file])),
    [[0], [1], [2], [3]],
  )
})

void t.test('half a line that a crash left is closed', async (t) => {
  const path = join(t.testdir({ 'audit.log': '{"auditID":"7"}\n{"audi' }), 'audit.log')
  const { backend } = await openLog(path)
  await sendEvents(backend, 8, 9)
  await backend.shutdown(never)
  t.match(readFileSync(path, 'utf8'), /^\{"auditID":"7"\}\n\{"audi\n\{.*"auditID":"8".*\}\n$/)
})

for (const create of [false, true]) {
  void t.test(
    `the file is moved away under load, ${create ? 'another put in its place' : 'none in its place'}`,
    async (t) => {
      const path = join(t.testdir(), 'audit.log')
      const { backend, lines } = await openLog(path)
      const moved = [1, 2, 3].map((i) => `${path}.${i}`)
      const each = (i: number) => {
        if (i % 1000 !== 0 || i === 0 || i > 3000) return
        renameSync(path, moved[i / 1000 - 1]!)
        if (create) writeFileSync(path, '', { mode: 0o640 })
      }
      t.same(await sendEvents(backend, 0, 4000, { each, concurrency: 5 }), [])
      await backend.shutdown(never)
      t.same(eventNumbers([...moved, path]), upTo(4000))
      for (const file of moved) t.ok(statSync(file).size > 0)
      t.equal(mode(path), create ? '640' : '600')
      t.same(lines, [])
    },
  )
}

for (const mode of ['blocking-strict', 'batch']) {
  void t.test(
    `${mode}: the file is deleted under load, and what is written from then on is in another`,
    async (t) => {
      const path = join(t.testdir(), 'audit.log')
      const { backend, lines } = await openLog(path, `mode=${mode}`)
      const deleted: { readonly fd: number; readonly size: number }[] = []
      const each = (i: number) => {
        if (i % 1000 !== 999 || !existsSync(path)) return
        const fd = openSync(path, 'r')
        rmSync(path)
        deleted.push({ fd, size: fstatSync(fd).size })
      }
      // Some at a time, so that batch mode has written some of them.
      for (let i = 0; i < 4000; i += 500) {
        t.same(await sendEvents(backend, i, i + 500, { each, concurrency: 5 }), [])
        await setImmediate()
      }
      await backend.shutdown(never)
      t.ok(deleted.length > 0)
      const kept = deleted.flatMap(({ fd, size }) => {
        // The write that was under way may have gone there, and is made again.
        const text = readFileSync(fd).toString('utf8', 0, size)
        closeSync(fd)
        return [...text.matchAll(/"auditID":"(\d+)"/g)].map(([, id]) => Number(id))
      })
      t.same([...kept, ...eventNumbers([path])], upTo(4000))
      t.match(lines, [{ msg: 'audit log: the log was deleted', reason: /with \d+ bytes of events/ }])
    },
  )
}

void t.test('a file moved away while nothing happens gets no more events', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const { backend } = await openLog(path)
  await sendEvents(backend, 0, 2)
  renameSync(path, `${path}.1`)
  await sendEvents(backend, 2, 4)
  rmSync(path)
  await sendEvents(backend, 4, 6)
  await backend.shutdown(never)
  t.same(eventNumbers([`${path}.1`]), [0, 1])
  t.same(eventNumbers([path]), [4, 5])
})

void t.test('a file emptied by logrotate goes on from its beginning', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const { backend, errors } = await openLog(path)
  await sendEvents(backend, 0, 10)
  truncateSync(path)
  t.same(await sendEvents(backend, 10, 12, { concurrency: 2 }), [])
  t.same(eventNumbers([path]), [10, 11])
  truncateSync(path)
  t.same(await sendEvents(backend, 12, 32, { concurrency: 20 }), [], 'with more than there was')
  await backend.shutdown(never)
  t.same(eventNumbers([path]), upTo(32).slice(12))
  t.equal(await errors('log'), 0)
})

void t.test('a directory that vanishes is made again', async (t) => {
  const directory = join(t.testdir(), 'logs')
  const path = join(directory, 'audit.log')
  const { backend } = await openLog(path)
  await sendEvents(backend, 0, 1)
  rmSync(directory, { recursive: true })
  t.same(await sendEvents(backend, 1, 3), [])
  t.same(eventNumbers([path]), [1, 2])
  await backend.shutdown(never)
})

void t.test(
  'while something is in the way events are refused and counted, and then taken again',
  async (t) => {
    const path = join(t.testdir(), 'logs', 'audit.log')
    const { backend, lines, errors } = await openLog(path)
    await sendEvents(backend, 0, 1)
    rmSync(dirname(path), { recursive: true })
    writeFileSync(dirname(path), 'a file, not a directory')
    t.same(await sendEvents(backend, 1, 6, { concurrency: 1 }), [1, 2, 3, 4, 5])
    t.equal(await errors('log'), 5)
    rmSync(dirname(path))
    t.same(await sendEvents(backend, 6, 8), [])
    await backend.shutdown(never)
    t.same(eventNumbers([path]), [6, 7])
    t.match(lines, [
      { msg: 'audit log: the log was deleted' },
      { plugin: 'log', count: 1, reason: /EEXIST|ENOTDIR/, msg: 'audit events could not be recorded' },
      { plugin: 'log', count: 4, suppressed: 4 },
    ])
  },
)

/** Runs f as somebody who is not root, so that permissions mean something. */
async function unprivileged(directory: string, f: () => Promise<void>): Promise<void> {
  if (process.geteuid!() !== 0) return f()
  for (const file of [directory, join(directory, 'audit.log')])
    if (existsSync(file)) chownSync(file, 65534, 65534)
  process.seteuid!(65534)
  try {
    await f()
  } finally {
    process.seteuid!(0)
  }
}

void t.test('a file that cannot be written stops the start with one line', async (t) => {
  const directory = t.testdir({ 'audit.log': '' })
  const path = join(directory, 'audit.log')
  chmodSync(path, 0o400)
  await unprivileged(directory, async () => {
    await t.rejects(
      openLog(path),
      new ConfigError(
        `--audit-log-path: EACCES: permission denied, open '${path}', expected a file that can be written`,
      ),
    )
  })
  await t.rejects(openLog(directory), { name: 'ConfigError', message: /^--audit-log-path: EISDIR/ })
})

void t.test('a file that cannot be rotated grows on', async (t) => {
  const directory = t.testdir({ 'audit.log': '' })
  const path = join(directory, 'audit.log')
  await unprivileged(directory, async () => {
    chmodSync(directory, 0o500)
    const { backend, lines, errors } = await openLog(path, 'maxsize=1')
    t.same(await sendEvents(backend, 0, 3000, { size: 700 }), [])
    t.ok(statSync(path).size > 2 * MB)
    t.equal(await errors('log'), 0)
    t.match(lines, [
      { msg: 'audit log: the log is not locked', reason: /EACCES/ },
      { msg: 'audit log: cannot rotate', reason: /EACCES/ },
    ])
    chmodSync(directory, 0o700)
    await backend.shutdown(never)
  })
  t.same(eventNumbers([path]), upTo(3000))
})

void t.test('a line that somebody else appends is kept', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const { backend, errors } = await openLog(path)
  await sendEvents(backend, 0, 2)
  appendFileSync(path, '{"auditID":"100"}\n')
  await sendEvents(backend, 2, 4, { concurrency: 1 })
  await backend.shutdown(never)
  t.same(eventNumbers([path]), [0, 1, 100, 2, 3])
  t.equal(await errors('log'), 0)
})
