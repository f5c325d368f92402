import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CastFile } from '../../src/sessions/cast-file.js'

const HEADER = `{"version":2}${' '.repeat(20)}\n`

await t.test('who waits because much waits to be written is told when it is', async (t) => {
  const directory = t.testdir()
  const file = await CastFile.create(directory, '2026/01/31', 'full', HEADER)
  let lines = 0
  const line = `[0.1,"o","${'x'.repeat(60_000)}"]\n`
  // As output that comes faster than the disk takes it: each time it goes on to the limit.
  for (let round = 0; round < 8; round++) {
    const drained = new Promise<void>((resolve) =>
      file.observe({ drained: resolve, failed: () => t.fail('it cannot be written') }),
    )
    while (!file.full) {
      file.append(line)
      lines++
    }
    await drained
  }
  const { bytes, sha256 } = await file.finish()
  const written = readFileSync(join(directory, file.path))
  t.equal(bytes, HEADER.length + lines * line.length)
  t.equal(written.length, bytes)
  t.equal(createHash('sha256').update(written).digest('hex'), sha256)
})

await t.test('the header may change until something is written behind it', async (t) => {
  const directory = t.testdir()
  const file = await CastFile.create(directory, '2026/01/31', 'header', HEADER)
  const other = HEADER.replace('2', '3')
  file.replaceHeader(`${other} `)
  file.replaceHeader(other)
  file.append('[0,"o","x"]\n')
  const { sha256 } = await file.finish()
  const written = readFileSync(join(directory, file.path))
  t.equal(written.toString(), `${other}[0,"o","x"]\n`)
  t.equal(createHash('sha256').update(written).digest('hex'), sha256)
})

await t.test('no recording is written over', async (t) => {
  const directory = t.testdir()
  const make = (): Promise<CastFile> => CastFile.create(directory, '2026/01/31', 'same', HEADER)
  const first = await make()
  const second = await make()
  await first.finish()
  const third = await make()
  t.equal(new Set([first.path, second.path, third.path]).size, 3)
  await second.discard()
  await third.finish()
})
