import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { mountSmallDisk } from '../../support/small-disk.js'
import { findings, problems, shown, TestKey, verified } from '../../support/sealed-log.js'
import { SealedLines } from '../../support/sealed-lines.js'

/** How many random runs: SEAL_RUNS=1000 before a release. */
const RUNS = Number(process.env.SEAL_RUNS ?? 30)

const line = (i: number) => `{"auditID":"${i}"}`
const types = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => (JSON.parse(text) as { type: string }).type)

/** What may happen to an honest log. */
const STEP = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('append' as const), lines: fc.integer({ min: 1, max: 30 }) }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'seal' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'tick' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'restart' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'die' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'change key' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'rotate from outside' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('set the clock' as const),
      by: fc.integer({ min: -9e6, max: 9e6 }),
    }),
  },
)

void t.test('no honest run is found to be anything else', async (t) => {
  let run = 0
  t.testdir()
  const setup = fc.record({
    maxSize: fc.integer({ min: 100, max: 2000 }),
    maxBackup: fc.constantFrom(0, 1, 3),
    compress: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(setup, fc.array(STEP, { minLength: 1, maxLength: 25 }), async (options, steps) => {
      const directory = t.testdir()
      const path = join(directory, 'audit.log')
      let key = new TestKey(directory, `seal.key`)
      let offset = 0
      let moved = 0
      const all = { ...options, now: () => Date.now() + offset }
      let log = await SealedLines.open(path, key, all)
      let next = 0
      for (const step of steps) {
        switch (step.do) {
          case 'append':
            await log.append(...Array.from({ length: step.lines }, () => line(next++)))
            break
          case 'seal':
            await log.seal()
            break
          case 'tick':
            log.timers.advance(10_000)
            await log.sealer.settled()
            break
          case 'restart':
            await log.close()
            log = await SealedLines.open(path, key, all)
            break
          case 'die':
            await log.die()
            log = await SealedLines.open(path, key, all)
            break
          case 'change key': {
            const before = key
            key = new TestKey(directory, `seal${++moved}.key`)
            if (moved % 2 === 0) log.sealer.setKey(key.key)
            else {
              await log.close()
              log = await SealedLines.open(path, key, { ...all, before: [before] })
            }
            break
          }
          case 'rotate from outside':
            // What retention takes of two files in one seal is not told apart.
            if (options.maxBackup === 0 && existsSync(path))
              renameSync(path, join(directory, `audit.log.${++moved}`))
            break
          case 'set the clock':
            offset += step.by
            break
        }
      }
      await log.close()
      t.same(log.failures, [])
      // Of the key of before the seal may be gone that says what came after it.
      const report = await verified(path, key)
      if (!report.whole) throw new Error(shown(report))
      run++
    }),
    { numRuns: RUNS, endOnFailure: true },
  )
  t.equal(run, RUNS)
})

void t.test('after a crash', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  let log = await SealedLines.open(path, key)
  await log.append(line(0), line(1))
  await log.seal()
  await log.append(line(2), line(3))
  await log.die()
  const between = await verified(path, key)
  t.ok(between.whole, 'what is not sealed yet is no problem')
  t.match(findings(between), [{ kind: 'unsealed', lines: [3, 4] }])
  // Half a line, and half a statement.
  appendFileSync(path, '{"auditI')
  appendFileSync(`${path}.seal`, '{"seal":1,"type":"checkp')
  t.same(problems(await verified(path, key)), ['cut-off'], 'a torn statement')
  log = await SealedLines.open(path, key)
  await log.append(line(5))
  await log.close()
  const report = await verified(path, key)
  t.same(problems(report), [], shown(report))
  t.match(findings(report), [{ kind: 'restarted', lines: [3, 5] }])
  t.same(types(`${path}.seal`), ['opened', 'checkpoint', 'restarted', 'opened', 'checkpoint', 'closed'])
})

void t.test('a log that was there before it was sealed', async (t) => {
  const path = join(t.testdir({ 'audit.log': `${line(0)}\n${line(1)}\n` }), 'audit.log')
  const key = new TestKey(t.testdirName)
  const log = await SealedLines.open(path, key)
  await log.append(line(2))
  await log.close()
  const report = await verified(path, key)
  t.same(problems(report), [], shown(report))
  t.match(findings(report), [{ kind: 'restarted', lines: [1, 2] }])
})

void t.test('what was added while it was closed', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  let log = await SealedLines.open(path, key)
  await log.append(line(0))
  await log.close()
  appendFileSync(path, `${line(1)}\n`)
  t.same(problems(await verified(path, key)), ['changed'])
  log = await SealedLines.open(path, key)
  await log.close()
  t.same(problems(await verified(path, key)), ['foreign'])
})

void t.test('what somebody else adds while it is open', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  const log = await SealedLines.open(path, key)
  await log.append(line(0))
  appendFileSync(path, `${line(1)}\n`)
  await log.append(line(2))
  await log.append(line(3))
  await log.close()
  const report = await verified(path, key)
  t.same(problems(report), ['foreign'], shown(report))
  t.match(findings(report), [{ kind: 'foreign', lines: [2, 3] }])
  t.equal(report.files[0]?.sealedLines, 4)
})

void t.test('logrotate', async (t) => {
  await t.test('rename', async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const key = new TestKey(t.testdirName)
    const log = await SealedLines.open(path, key)
    await log.append(line(0))
    renameSync(path, `${path}.1`)
    await log.append(line(1))
    renameSync(`${path}.1`, `${path}.2`)
    renameSync(path, `${path}.1`)
    renameSync(`${path}.seal`, `${path}.seal.1`)
    await log.append(line(2))
    await log.close()
    const report = await verified(path, key)
    t.same(problems(report), [], shown(report))
    t.equal(report.files.length, 3)
  })
  await t.test('copytruncate', async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const key = new TestKey(t.testdirName)
    const log = await SealedLines.open(path, key)
    await log.append(line(0), line(1))
    copyFileSync(path, `${path}.1`)
    truncateSync(path, 0)
    await log.append(line(2))
    await log.append(line(3))
    await log.close()
    const report = await verified(path, key)
    t.same(problems(report), [], shown(report))
    t.same(
      report.files.map(({ sealedLines }) => sealedLines),
      [2, 2],
    )
  })
  await t.test('copytruncate that loses what was written meanwhile', async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const key = new TestKey(t.testdirName)
    const log = await SealedLines.open(path, key)
    await log.append(line(0))
    await log.seal()
    copyFileSync(path, `${path}.1`)
    await log.append(line(1))
    truncateSync(path, 0)
    await log.append(line(2))
    await log.close()
    t.same(problems(await verified(path, key)), ['cut-off'])
  })
})

void t.test('a crash in the middle of a rotation', async (t) => {
  const steps: Record<string, (path: string, backup: string) => void> = {
    'the seal was not moved': (path, backup) => renameSync(path, backup),
    'nothing was said of it': (path, backup) => {
      renameSync(path, backup)
      renameSync(`${path}.seal`, `${backup}.seal`)
    },
    'lines came after it': (path, backup) => {
      renameSync(path, backup)
      writeFileSync(path, `${line(5)}\n`)
    },
  }
  for (const [name, rotate] of Object.entries(steps)) {
    for (const sealed of [true, false]) {
      await t.test(`${name}, ${sealed ? 'some' : 'no'} lines sealed`, async (t) => {
        const path = join(t.testdir(), 'audit.log')
        const key = new TestKey(t.testdirName)
        let log = await SealedLines.open(path, key)
        await log.append(line(0), line(1))
        if (sealed) await log.seal()
        await log.append(line(2))
        await log.die()
        const backup = join(t.testdirName, 'audit-2026-01-01T00-00-00.000.log')
        rotate(path, backup)
        log = await SealedLines.open(path, key)
        await log.append(line(6))
        await log.close()
        const report = await verified(path, key)
        t.same(problems(report), [], shown(report))
        t.ok(existsSync(`${backup}.seal`))
        t.equal(report.files.length, 2)
      })
    }
  }
})

void t.test('keys', async (t) => {
  await t.test('change while it runs, and while it does not', async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const keys = ['a', 'b', 'c'].map((name) => new TestKey(t.testdirName, name)) as [
      TestKey,
      TestKey,
      TestKey,
    ]
    const [a, b, c] = keys
    let log = await SealedLines.open(path, a)
    await log.append(line(0))
    log.sealer.setKey(b.key)
    await log.append(line(1))
    await log.close()
    await t.rejects(SealedLines.open(path, c), {
      message: /found another key than the one that .*audit.log.seal was signed with/,
    })
    log = await SealedLines.open(path, c, { before: [b] })
    await log.append(line(2))
    await log.close()
    for (const key of keys)
      t.ok((await verified(path, key)).whole, 'each vouches for what it signed and what was before')
    t.notOk((await verified(path, new TestKey(t.testdirName, 'd'))).whole)
  })
  await t.test('retention knows seals of keys of before', async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const [a, b] = [new TestKey(t.testdirName, 'a'), new TestKey(t.testdirName, 'b')]
    let log = await SealedLines.open(path, a, { maxSize: 20, maxBackup: 1 })
    await log.append(line(0))
    log.sealer.setKey(b.key)
    await log.append(line(1))
    await log.close()
    log = await SealedLines.open(path, b, { maxSize: 20, maxBackup: 1 })
    await log.append(line(2), line(3))
    await log.close()
    const report = await verified(path, b)
    t.ok(report.whole, shown(report))
    t.ok(findings(report).some(({ kind }) => kind === 'removed'))
  })
})

void t.test('a forged seal does not have its removal signed', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  const options = { maxSize: 20, maxBackup: 3 }
  const log = await SealedLines.open(path, key, options)
  await log.append(...Array.from({ length: 4 }, (_, i) => line(i)))
  await log.sealer.settled()
  const rotated = readdirSync(t.testdirName)
    .filter((name) => /^audit-.*\.log$/.test(name))
    .sort()
  const [oldest = '', second = ''] = rotated.map((name) => join(t.testdirName, name))
  // The second one goes, and its statements are put beside the oldest, which retention will take next.
  appendFileSync(
    `${oldest}.seal`,
    readFileSync(`${second}.seal`)
      .toString()
      .replace(/"root":"./g, '"root":"0'),
  )
  rmSync(second)
  rmSync(`${second}.seal`)
  await log.append(...Array.from({ length: 6 }, (_, i) => line(4 + i)))
  await log.close()
  t.notOk(existsSync(oldest))
  const report = await verified(path, key)
  t.same(problems(report), ['gap'], shown(report))
})

void t.test('a disk that is full for a while', async (t) => {
  const disk = mountSmallDisk(t, 256)
  if (disk === undefined) return
  const path = join(disk, 'audit.log')
  const key = new TestKey(t.testdir())
  const log = await SealedLines.open(path, key)
  await log.append(line(0))
  await log.seal()
  let i = 1
  try {
    for (; ; i++) await log.append(line(i).padEnd(1000))
  } catch {
    // It is full.
  }
  try {
    for (;;) appendFileSync(join(disk, 'ballast'), Buffer.alloc(4096))
  } catch {
    // All of it is.
  }
  for (let n = 0; n < 10 && log.failures.length === 0; n++) {
    log.timers.advance(10_000)
    await log.sealer.settled()
  }
  t.match(log.failures[0], /ENOSPC|disk full/)
  const full = await verified(path, key)
  t.ok(full.whole, shown(full))
  // Somebody makes room by moving the log away.
  copyFileSync(path, join(t.testdirName, 'audit.log.1'))
  rmSync(path)
  rmSync(join(disk, 'ballast'))
  await log.append(line(i))
  await log.seal()
  await log.close()
  const report = await verified([path, `${path}.seal`, join(t.testdirName, 'audit.log.1')], key)
  t.ok(report.whole, shown(report))
})

void t.test('idle, a checkpoint says so', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  const log = await SealedLines.open(path, key)
  await log.sealer.settled()
  for (let i = 0; i < 3; i++) {
    log.timers.advance(10_000)
    await log.sealer.settled()
  }
  await log.close()
  t.same(types(`${path}.seal`), ['opened', 'checkpoint', 'checkpoint', 'checkpoint', 'closed'])
  t.ok((await verified(path, key)).whole)
})
