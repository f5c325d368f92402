import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { gunzipSync } from 'node:zlib'
import { backupName, Backups, type BackupOptions } from '../../../src/audit/backend/log/backups.js'

const DAY_MS = 24 * 60 * 60 * 1000

void t.test('names', async (t) => {
  const time = new Date('2026-01-31T10:15:00Z')
  const table = [
    ['audit.log', 'audit-2026-01-31T10-15-00.000.log'],
    ['/var/log/kube/audit.log', 'audit-2026-01-31T10-15-00.000.log'],
    ['audit', 'audit-2026-01-31T10-15-00.000'],
    ['kube.audit.json', 'kube.audit-2026-01-31T10-15-00.000.json'],
  ] as const
  for (const [path, name] of table) t.equal(backupName(path, time), name)
})

/** Tidies a directory with these files, and returns the names that are left. */
async function tidy(
  t: Pick<Test, 'testdir'>,
  names: readonly string[],
  options: Partial<BackupOptions>,
): Promise<string[]> {
  const directory = t.testdir(Object.fromEntries(names.map((name) => [name, name])))
  const trouble: string[] = []
  const all = { maxAge: 0, maxBackup: 0, compress: false, ...options }
  const backups = new Backups(join(directory, 'audit.log'), all, (reason) => trouble.push(reason))
  backups.tidy()
  await backups.idle()
  await backups.close()
  if (trouble.length > 0) throw new Error(trouble.join())
  return readdirSync(directory).sort()
}

const daysAgo = (days: number) => backupName('audit.log', new Date(Date.now() - days * DAY_MS))
const others = [
  'audit.log',
  'audit-.log',
  'audit-2026-13-99T10-15-00.000.log',
  'audit-2026-01-31T10-15-00.000.log.bak',
  'audit-extra-2026-01-31T10-15-00.000.log',
  'other-2026-01-31T10-15-00.000.log',
].sort()

void t.test('the oldest are removed when there are too many, compressed or not', async (t) => {
  const names = [daysAgo(4), `${daysAgo(3)}.gz`, daysAgo(2), daysAgo(1)]
  t.same(await tidy(t, [...names, ...others], { maxBackup: 2 }), [...names.slice(2), ...others].sort())
  t.same(await tidy(t, names, { maxBackup: 0, maxAge: 0 }), [...names].sort())
})

void t.test('a file and its compressed form count as one', async (t) => {
  const [old, recent] = [daysAgo(2), daysAgo(1)]
  t.same(await tidy(t, [old, recent, `${recent}.gz`], { maxBackup: 2 }), [old, recent, `${recent}.gz`])
})

void t.test('those that are too old are removed, by the time in their names', async (t) => {
  const [old, justOld, notYet] = [`${daysAgo(40)}.gz`, daysAgo(7.01), daysAgo(6.99)]
  t.same(await tidy(t, [old, justOld, notYet, ...others], { maxAge: 7 }), [notYet, ...others].sort())
  t.same(await tidy(t, [old, justOld, notYet], { maxAge: 7, maxBackup: 5, compress: true }), [`${notYet}.gz`])
})

void t.test(
  'compression keeps the content and the permissions, and only touches rotated files',
  async (t) => {
    const name = daysAgo(1)
    const left = await tidy(t, [name, `${name}.gz.tmp`, ...others], { compress: true })
    t.same(left, [`${name}.gz`, ...others].sort())
    const file = join(t.testdirName, `${name}.gz`)
    t.equal(gunzipSync(readFileSync(file)).toString(), name)
    t.equal(statSync(file).mode & 0o777, statSync(join(t.testdirName, 'audit.log')).mode & 0o777)
  },
)

void t.test('an empty file is left alone: a rotation may be about to fill it', async (t) => {
  const name = daysAgo(1)
  const directory = t.testdir({ [name]: '' })
  const backups = new Backups(
    join(directory, 'audit.log'),
    { maxAge: 0, maxBackup: 0, compress: true },
    (reason) => void t.fail(reason),
  )
  backups.tidy()
  await backups.idle()
  t.same(readdirSync(directory), [name])
})

void t.test('close stops a compression and keeps the file', async (t) => {
  const name = daysAgo(1)
  const directory = t.testdir({ [name]: 'x'.repeat(50 << 20) })
  const backups = new Backups(
    join(directory, 'audit.log'),
    { maxAge: 0, maxBackup: 0, compress: true },
    (reason) => void t.fail(reason),
  )
  backups.tidy()
  while (!existsSync(join(directory, `${name}.gz.tmp`))) await new Promise((resolve) => setImmediate(resolve))
  await backups.close()
  t.same(readdirSync(directory), [name])
})
