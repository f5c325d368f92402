import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { TestKey, verified } from '../support/sealed-log.js'
import { SealedLines } from '../support/sealed-lines.js'

const DOCUMENT = readFileSync(fileURLToPath(new URL('../../../docs/integrity.md', import.meta.url)), 'utf8')
const PROGRAM = /^```python\n(.*?)^```$/ms.exec(DOCUMENT)?.[1] ?? ''

function skip(): string | false {
  try {
    execFileSync('python3', ['--version'])
    // Ed25519 from a file needs openssl 3.
    return /^OpenSSL [3-9]/.test(execFileSync('openssl', ['version'], { encoding: 'utf8' }))
      ? false
      : 'no openssl 3'
  } catch {
    return 'there is no python3 or no openssl'
  }
}

void t.test('the verifier of the document is a short one', (t) => {
  const lines = PROGRAM.trimEnd().split('\n').length
  t.ok(lines > 30 && lines <= 60, `${lines} lines`)
  t.end()
})

void t.test('it finds what verify finds, with the files alone', { skip: skip() }, async (t) => {
  const directory = t.testdir()
  const path = join(directory, 'audit.log')
  const [first, key] = [new TestKey(directory, 'first.key'), new TestKey(directory)]
  const options = { maxSize: 90, maxBackup: 3, compress: true }
  let log = await SealedLines.open(path, first, options)
  for (let i = 0; i < 12; i++) {
    await log.append(`{"auditID":"${i}"}`, `{"auditID":"${i}"}`, '')
    if (i % 2 === 0) await log.seal()
    if (i === 8) log.sealer.setKey(key.key)
  }
  await log.die()
  log = await SealedLines.open(path, key, options)
  await log.append('{"auditID":"x"}')
  await log.close()

  const program = join(directory, 'verify.py')
  const pub = join(directory, 'seal.pub')
  writeFileSync(program, PROGRAM)
  writeFileSync(pub, key.publicKey.toPEM())
  const seals = readdirSync(directory)
    .filter((name) => name.includes('.seal'))
    .map((name) => join(directory, name))
    .filter((file) => file !== pub && !file.endsWith('.key'))
  t.ok(seals.length >= 4)
  const run = () => {
    const { status, stdout, stderr } = spawnSync('python3', [program, pub, ...seals], { encoding: 'utf8' })
    return { whole: status === 0, text: stdout + stderr }
  }
  t.ok((await verified(path, key)).whole)
  t.same(run(), { whole: true, text: '' })

  for (const file of [path, `${path}.seal`]) {
    const honest = readFileSync(file)
    for (const at of [10, honest.length >> 1, honest.length - 3]) {
      const changed = Buffer.from(honest)
      changed[at] = (changed[at] as number) ^ 1
      writeFileSync(file, changed)
      t.notOk((await verified(path, key)).whole)
      const { whole, text } = run()
      t.notOk(whole, text)
      t.match(text, 'NOT WHOLE')
      t.notMatch(text, 'Traceback')
    }
    writeFileSync(file, honest)
  }
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('more\n')]))
  t.match(run().text, 'added at its end')
})
