import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { never } from '../../support/audit.js'
import { logFiles, sendEvents } from '../../support/audit-backend.js'
import { findings, openSealed, problems, shown, TestKey, verified } from '../../support/sealed-log.js'

void t.test('a sealed log is whole, and as it would be without a seal', async (t) => {
  const path = join(t.testdir(), 'audit.log')
  const key = new TestKey(t.testdirName)
  const { backend, lines } = await openSealed(path, key)
  await sendEvents(backend, 0, 25_000)
  await backend.shutdown(never)
  t.same(lines, [])
  const report = await verified(path, key)
  t.same(problems(report), [], shown(report))
  t.equal(report.files.length, 1)
  t.equal(report.files[0]?.sealedLines, 25_000)
  t.equal(statSync(`${path}.seal`).mode & 0o777, 0o600)
  const types = readFileSync(`${path}.seal`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).type)
  t.same(types, ['opened', 'checkpoint', 'checkpoint', 'checkpoint', 'closed'])
})

for (const compress of [false, true]) {
  void t.test(`rotation, retention, restarts, compress ${compress}`, async (t) => {
    const path = join(t.testdir(), 'audit.log')
    const key = new TestKey(t.testdirName)
    for (let round = 0; round < 3; round++) {
      const { backend, lines } = await openSealed(
        path,
        key,
        'log-maxsize=1',
        `log-compress=${compress}`,
        'log-maxbackup=4',
      )
      await sendEvents(backend, round * 4000, (round + 1) * 4000, { size: 700 })
      await backend.shutdown(never)
      t.same(lines, [])
      const report = await verified(path, key)
      t.same(problems(report), [], shown(report))
    }
    const report = await verified(path, key)
    t.ok(findings(report).some(({ kind }) => kind === 'removed'))
    t.equal(report.chains.length, 1)
    for (const file of logFiles(path).filter((file) => !file.includes('.seal')))
      t.ok(
        existsSync(`${file.replace(/\.gz$/, '')}.seal`) || existsSync(file.replace(/\.gz$/, '.seal.gz')),
        basename(file),
      )
  })
}
