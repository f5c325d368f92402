import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { allFiles, findings, problems, shown, TestKey, verified } from '../../support/sealed-log.js'
import { SealedLines } from '../../support/sealed-lines.js'

const PATH = '2026/01/31/one.cast'

/** A log that is rotated with each write, of which one rotated file is kept, and a file beside it. */
function prepare(t: Test) {
  const directory = t.testdir()
  const recordings = join(directory, 'recordings')
  const file = join(recordings, PATH)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, 'what was recorded')
  const path = join(directory, 'audit.log')
  const key = new TestKey(directory)
  return {
    recordings,
    file,
    path,
    key,
    open: () => SealedLines.open(path, key, { maxSize: 30, maxBackup: 1, compress: true }),
    verify: () => verified([...allFiles(path), recordings], key),
    rotate: async (log: SealedLines, times: number) => {
      for (let i = 0; i < times; i++) {
        await log.append(`{"auditID":"number ${i}"}`)
        await log.seal()
      }
    },
  }
}

void t.test('what is said of a file outlives the rotated logs in whose seals it was said', async (t) => {
  const { recordings, file, open, verify, rotate } = prepare(t)
  let log = await open()
  t.equal(await log.sealer.wholeFiles.isSealed(PATH), false)
  t.equal(await log.sealer.wholeFiles.seal(PATH, file), true)
  await rotate(log, 5)
  await log.close()
  log = await open()
  // Not asked about any file.
  await rotate(log, 5)
  t.equal(await log.sealer.wholeFiles.isSealed(PATH), true)
  await log.close()
  t.same(log.failures, [])
  const report = await verify()
  t.same(problems(report), [], shown(report))
  t.ok(report.files.some((one) => one.path === join(recordings, PATH) && one.from !== undefined))

  writeFileSync(file, 'what was recorder')
  t.same(problems(await verify()), ['changed'])
  rmSync(file)
  t.same(problems(await verify()), ['missing'])
})

void t.test('what was removed is not said again', async (t) => {
  const { file, open, verify, rotate } = prepare(t)
  const log = await open()
  await log.sealer.wholeFiles.seal(PATH, file)
  await log.sealer.wholeFiles.removing(PATH)
  rmSync(file)
  t.same(problems(await verify()), [])
  await rotate(log, 5)
  await log.close()
  t.equal(log.statements.filter((line) => line.includes('"type":"file"')).length, 1)
  const report = await verify()
  t.same(problems(report), [], shown(report))
})

void t.test('verify says when it was given no recordings', async (t) => {
  const { file, path, key, open } = prepare(t)
  const log = await open()
  await log.sealer.wholeFiles.seal(PATH, file)
  await log.close()
  const report = await verified(path, key)
  t.ok(report.whole)
  t.match(findings(report), [{ kind: 'note', message: /^1 file sealed as a whole.*no directory/ }])
  t.equal(await log.sealer.wholeFiles.seal(PATH, file), false, 'nothing is sealed after the end')
})
