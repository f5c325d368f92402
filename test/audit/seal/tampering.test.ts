import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { SealKey } from '../../../src/audit/seal/keys.js'
import { sealPaths } from '../../../src/audit/seal/seal-file.js'
import { parseStatement, signStatement } from '../../../src/audit/seal/statement.js'
import type { Report } from '../../../src/audit/seal/verify/report.js'
import { logFiles } from '../../support/audit-backend.js'
import { findings, problems, shown, TestKey, verified } from '../../support/sealed-log.js'
import { SealedLines, type SealedLinesOptions } from '../../support/sealed-lines.js'

const LINES = Array.from({ length: 12 }, (_, i) => `{"auditID":"${i}"}`)
/** Lines under one checkpoint. */
const EACH = 3

/** A closed log with a checkpoint after every third line. */
async function sealedLog(t: Test, options: SealedLinesOptions & { name?: string; lines?: string[] } = {}) {
  const { name = 'a', lines = LINES } = options
  const directory = join(t.testdirName, name)
  mkdirSync(directory, { recursive: true })
  const path = join(directory, 'audit.log')
  const key = new TestKey(directory)
  const log = await SealedLines.open(path, key, options)
  for (let i = 0; i < lines.length; i += EACH) {
    await log.append(...lines.slice(i, i + EACH))
    await log.seal()
  }
  await log.close()
  t.same(log.failures, [])
  const honest = await verified(path, key)
  t.same(problems(honest), [], shown(honest))
  return { path, seal: `${path}.seal`, key, directory }
}

function lineRanges(report: Report): (readonly [number, number] | undefined)[] {
  return findings(report).flatMap(({ problem, lines }) => (problem ? [lines] : []))
}

function setLines(path: string, edit: (lines: string[]) => string[]): void {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  writeFileSync(
    path,
    edit(lines)
      .map((line) => `${line}\n`)
      .join(''),
  )
}

void t.test('each byte of the log', async (t) => {
  t.testdir()
  const { path, key } = await sealedLog(t)
  const honest = readFileSync(path)
  let line = 0
  for (const [i, byte] of honest.entries()) {
    const changed = Buffer.from(honest)
    changed[i] = byte ^ (1 << (i % 8))
    writeFileSync(path, changed)
    const report = await verified(path, key)
    const first = line - (line % EACH) + 1
    const [found] = lineRanges(report)
    if (report.whole || found?.[0] !== first || found[1] !== first + EACH - 1)
      t.fail(`byte ${i}: ${shown(report)}`)
    if (byte === 0x0a) line++
  }
  t.equal(line, LINES.length)
})

void t.test('each byte of the seal', async (t) => {
  t.testdir()
  const { path, seal, key } = await sealedLog(t, { lines: LINES.slice(0, 3) })
  const honest = readFileSync(seal)
  for (const [i, byte] of honest.entries()) {
    const changed = Buffer.from(honest)
    changed[i] = byte ^ (1 << (i % 8))
    writeFileSync(seal, changed)
    const report = await verified(path, key)
    if (report.whole || problems(report).length === 0) t.fail(`byte ${i}: ${shown(report)}`)
  }
  t.ok(honest.length > 1000)
})

void t.test('each length of the log', async (t) => {
  t.testdir()
  const { path, key } = await sealedLog(t)
  const honest = readFileSync(path)
  for (let length = 0; length < honest.length; length++) {
    writeFileSync(path, honest.subarray(0, length))
    const report = await verified(path, key)
    // Of a file without lines only its chain can say that they are missing.
    const kind = lineRanges(report).length === 0 ? 'missing' : 'cut-off'
    if (problems(report).join() !== kind) t.fail(`${length} bytes: ${shown(report)}`)
  }
  t.end()
})

void t.test('lines that are taken out, put in, moved or doubled', async (t) => {
  t.testdir()
  const cases: Record<string, (lines: string[]) => string[]> = {
    'the first one': (lines) => lines.slice(1),
    'one in the middle': (lines) => lines.toSpliced(4, 1),
    'a whole checkpoint': (lines) => lines.toSpliced(3, 3),
    'one is put in': (lines) => lines.toSpliced(4, 0, '{"auditID":"x"}'),
    'an empty one is put in': (lines) => lines.toSpliced(4, 0, ''),
    'one is doubled': (lines) => lines.toSpliced(4, 0, lines[4] as string),
    'all are doubled': (lines) => [...lines, ...lines],
    'two are swapped': (lines) => lines.with(4, lines[5] as string).with(5, lines[4] as string),
    'two of different checkpoints are swapped': (lines) =>
      lines.with(1, lines[10] as string).with(10, lines[1] as string),
    'one is added at the end': (lines) => [...lines, '{"auditID":"x"}'],
  }
  for (const [name, edit] of Object.entries(cases)) {
    const { path, key } = await sealedLog(t, { name })
    setLines(path, edit)
    const report = await verified(path, key)
    t.notOk(report.whole, `${name}: ${shown(report)}`)
  }
  const { path, key } = await sealedLog(t, { name: 'located' })
  setLines(path, (lines) => lines.toSpliced(4, 1))
  const report = await verified(path, key)
  t.same(lineRanges(report), [[4, 6]], 'the lines after it are where they were, but for the place')
  t.equal(report.files[0]?.sealedLines, LINES.length - EACH)
})

/** A log of several rotated files. */
async function rotatedLog(t: Test, options: SealedLinesOptions & { name?: string } = {}) {
  t.testdir()
  const sealed = await sealedLog(t, { maxSize: 60, ...options })
  const files = logFiles(sealed.path).filter((file) => !file.includes('.seal'))
  t.ok(files.length >= 4, `${files.length} files`)
  return { ...sealed, files }
}

// The last compression may have been stopped between the two.
const sealOf = (log: string) => sealPaths(log).find((path) => existsSync(path)) ?? ''

for (const compress of [false, true]) {
  void t.test(`whole files, compress ${compress}`, async (t) => {
    t.testdir()
    await t.test('one is dropped', async (t) => {
      const { path, key, files } = await rotatedLog(t, { compress })
      rmSync(files[1] as string)
      const report = await verified(path, key)
      t.same(problems(report), ['missing'], shown(report))
    })
    await t.test('one is dropped with its seal', async (t) => {
      const { path, key, files } = await rotatedLog(t, { compress })
      for (const file of [files[1] as string, sealOf(files[1] as string)]) rmSync(file)
      const report = await verified(path, key)
      t.same(problems(report), ['gap'], shown(report))
      t.match(
        findings(report).find(({ problem }) => problem)?.message,
        /missing between statement \d+ \(\d.*\) and statement \d+ \(.*\), about 3 lines/,
      )
    })
    await t.test('the first one', async (t) => {
      const { path, key, files } = await rotatedLog(t, { compress })
      for (const file of [files[0] as string, sealOf(files[0] as string)]) rmSync(file)
      t.same(problems(await verified(path, key)), ['gap'])
    })
    await t.test('two are swapped', async (t) => {
      const { path, key, files, directory } = await rotatedLog(t, { compress })
      const [a = '', b = ''] = files
      renameSync(a, join(directory, 'x'))
      renameSync(b, a)
      renameSync(join(directory, 'x'), b)
      const report = await verified(path, key)
      t.same(problems(report), ['foreign', 'foreign'], shown(report))
    })
    await t.test('an old one stands in for a newer one, with its seal', async (t) => {
      const { path, key, files } = await rotatedLog(t, { compress })
      const [a = '', b = ''] = files
      copyFileSync(a, b)
      copyFileSync(sealOf(a), sealOf(b))
      const report = await verified(path, key)
      t.ok(problems(report).includes('gap'), shown(report))
    })
  })
}

void t.test('files of two instances', async (t) => {
  t.testdir()
  const a = await sealedLog(t, { name: 'a' })
  const b = await sealedLog(t, { name: 'b', lines: LINES.map((line) => `${line} `) })
  const paths = [b.seal, a.path, a.seal, b.path]
  const mixed = await verified(paths, [a.key, b.key])
  t.ok(mixed.whole, shown(mixed))
  t.equal(mixed.chains.length, 2)
  const [one, other] = [readFileSync(a.path), readFileSync(b.path)]
  writeFileSync(a.path, other)
  writeFileSync(b.path, one)
  t.same(problems(await verified(paths, [a.key, b.key])), ['foreign', 'foreign'])
  const alone = await verified([a.path, a.seal], [a.key])
  t.notOk(alone.whole, shown(alone))
})

void t.test('gzipped by hand, under other names, in any order', async (t) => {
  t.testdir()
  const { directory, key, files } = await rotatedLog(t)
  const elsewhere = join(directory, 'archive')
  mkdirSync(elsewhere)
  const paths = files.flatMap((file, i) => {
    const [log, seal] = [join(elsewhere, `host-a.${i}.gz`), join(elsewhere, `host-a.seal.${i}.gz`)]
    writeFileSync(log, gzipSync(readFileSync(file)))
    writeFileSync(seal, gzipSync(readFileSync(`${file}.seal`)))
    return [log, seal]
  })
  const report = await verified(paths.reverse(), key)
  t.same(problems(report), [], shown(report))
  t.same(
    report.files.map(({ path }) => basename(path)),
    files.map((_, i) => `host-a.${i}.gz`),
  )
})

void t.test('edits of the seal', async (t) => {
  t.testdir()
  const edits: Record<string, (lines: string[]) => string[]> = {
    'a statement is taken out': (lines) => lines.toSpliced(2, 1),
    'the first one is taken out': (lines) => lines.slice(1),
    'two are swapped': (lines) => lines.with(1, lines[2] as string).with(2, lines[1] as string),
    'one is doubled': (lines) => lines.toSpliced(2, 0, lines[2] as string),
    'a line is put in': (lines) => lines.toSpliced(2, 0, 'x'),
    'all of it': () => [],
  }
  for (const [name, edit] of Object.entries(edits)) {
    const { path, seal, key } = await sealedLog(t, { name })
    setLines(seal, edit)
    const report = await verified(path, key)
    t.notOk(report.whole, `${name}: ${shown(report)}`)
  }
})

void t.test('another key', async (t) => {
  t.testdir()
  const { path, seal, key } = await sealedLog(t)
  const stranger = new TestKey(t.testdirName, 'stranger.key')
  t.ok(problems(await verified(path, stranger)).includes('foreign'), 'the one that verifies')
  // Somebody signs everything anew.
  const forger = SealKey.generate()
  let previous = ''
  setLines(seal, (lines) =>
    lines.map((line) => {
      const { statement } = parseStatement(Buffer.from(line))!
      const signed = signStatement(
        statement,
        { ...statement, previous: previous || statement.previous },
        forger,
      )
      previous = signed.hash
      return signed.line.toString()
    }),
  )
  const report = await verified(path, key)
  t.ok(problems(report).includes('foreign'), shown(report))
  t.equal(report.files[0]?.sealedLines, 0)
})

void t.test('what a crash leaves of a compression is not looked at', async (t) => {
  t.testdir()
  const { path, key } = await sealedLog(t)
  for (const file of [path, `${path}.seal`]) writeFileSync(`${file}.gz.tmp`, 'x')
  t.ok((await verified(path, key)).whole)
})

void t.test('a log that was never sealed', async (t) => {
  t.testdir()
  const { path, key } = await sealedLog(t)
  const other = join(t.testdirName, 'other.log')
  writeFileSync(other, '{"auditID":"x"}\n')
  t.same(problems(await verified([path, other], key)), ['foreign'])
})
