import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { never } from '../../support/audit.js'
import { eventNumbers, logFiles, openLog, sendEvents, upTo } from '../../support/audit-backend.js'

/** Mounts a file system of one megabyte, and returns where; undefined if that is not permitted here. */
function mountSmallDisk(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'full-disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]).status === 0) return directory
  rmdirSync(directory)
  return undefined
}

function unmount(directory: string): void {
  execFileSync('umount', ['-l', directory])
  rmdirSync(directory)
}

/** A test with a small disk of its own. */
function onSmallDisk(name: string, test: (t: Test, disk: string) => Promise<void>): void {
  const disk = mountSmallDisk()
  if (disk === undefined) return void t.test(name, { skip: 'tmpfs cannot be mounted here' }, () => {})
  void t.test(name, async (t) => {
    t.teardown(() => unmount(disk))
    await test(t, disk)
  })
}

for (const concurrency of [1, 50]) {
  onSmallDisk(
    `a full disk, ${concurrency} at a time: what was refused is what is missing`,
    async (t, disk) => {
      const path = join(disk, 'audit.log')
      const ballast = join(disk, 'ballast')
      writeFileSync(ballast, Buffer.alloc(700_000))
      const { backend, errors, lines } = await openLog(path)

      const failed = await sendEvents(backend, 0, 1000, { size: 500, concurrency })
      t.ok(failed.length > 100, `${failed.length} refused`)
      const stored = eventNumbers([path])
      t.ok(stored.length > 100, `${stored.length} stored`)
      t.same(
        [...stored, ...failed].sort((a, b) => a - b),
        upTo(1000),
      )
      t.equal(await errors('log'), failed.length)
      t.match(lines, [{ plugin: 'log', reason: /ENOSPC|disk full/ }])

      rmSync(ballast)
      t.same(
        await sendEvents(backend, 1000, 1100, { size: 500, concurrency }),
        [],
        'goes on when there is room',
      )
      t.same(eventNumbers([path]), [...stored, ...upTo(1100).slice(1000)])
      await backend.shutdown(never)
      t.equal(await errors('log'), failed.length)
    },
  )
}

onSmallDisk('a disk that is full when a rotated file is to be compressed', async (t, disk) => {
  const path = join(disk, 'audit.log')
  const name = join(disk, 'audit-2026-01-31T10-15-00.000.log')
  // What gzip cannot make smaller.
  const random = Buffer.from(Array.from({ length: 600_000 }, () => Math.random() * 256))
  writeFileSync(name, random)
  const { backend, lines } = await openLog(path, 'compress')
  while (lines.length === 0) await sendEvents(backend, 0, 1)
  t.match(lines, [{ msg: 'audit log: cannot compress or remove rotated files', reason: /ENOSPC/ }])
  await backend.shutdown(never)
  t.same(readFileSync(name), random)
  t.same(logFiles(path), [name, path], 'what was begun is removed')
})

onSmallDisk('a file system that becomes read-only', async (t, disk) => {
  const path = join(disk, 'audit.log')
  const { backend, errors, lines } = await openLog(path)
  await sendEvents(backend, 0, 1)
  // Over it, another that is read-only.
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', disk])
  try {
    t.same(await sendEvents(backend, 1, 4, { concurrency: 1 }), [1, 2, 3])
    t.equal(await errors('log'), 3)
    t.match(lines, [{ reason: /EROFS/ }])
  } finally {
    execFileSync('umount', [disk])
  }
  t.same(await sendEvents(backend, 4, 6), [])
  t.same(eventNumbers([path]), [0, 4, 5])
  await backend.shutdown(never)
})

onSmallDisk('a disk that is full from the start does not keep the proxy from starting', async (t, disk) => {
  const path = join(disk, 'audit.log')
  const ballast = join(disk, 'ballast')
  writeFileSync(path, '{"auditID":"0"}\n{"aud')
  const full = spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4096']).stderr.toString()
  t.match(full, /No space left/)
  // The file's own last page still has room: nothing more than that.
  writeFileSync(path, Buffer.alloc(4096 - statSync(path).size, ' '), { flag: 'a' })
  const { backend, lines } = await openLog(path)
  t.match(lines, [{ msg: 'audit log: cannot open the log', reason: /ENOSPC/ }])
  t.same(await sendEvents(backend, 1, 2), [1])
  rmSync(ballast)
  t.same(await sendEvents(backend, 2, 3), [])
  await backend.shutdown(never)
  t.match(readFileSync(path, 'utf8'), /^\{"auditID":"0"\}\n\{"aud +\n\{.*"auditID":"2".*\}\n$/)
})
