import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { COMMANDS } from '../../src/commands/registry.js'
import { usageError, USAGE_EXIT_CODE } from '../../src/cli/commands.js'
import { ConfigError } from '../../src/errors.js'
import { TestKey } from '../support/sealed-log.js'
import { SealedLines } from '../support/sealed-lines.js'

/** Runs a command in this process: there are many. */
async function runCommand([name, ...args]: readonly string[]) {
  const written = { stdout: '', stderr: '' }
  const real = {
    stdout: process.stdout.write.bind(process.stdout),
    stderr: process.stderr.write.bind(process.stderr),
  }
  const streams = ['stdout', 'stderr'] as const
  for (const stream of streams) process[stream].write = (text) => ((written[stream] += String(text)), true)
  try {
    const code = await COMMANDS.find((one) => one.name === name)!.run(args)
    return { code, ...written }
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err
    return { code: USAGE_EXIT_CODE, ...written, stderr: usageError(err) }
  } finally {
    for (const stream of streams) process[stream].write = real[stream]
  }
}

const dir = t.testdir()
const path = join(dir, 'audit.log')
const pub = join(dir, 'seal.pub')
const key = new TestKey(dir)
writeFileSync(pub, key.publicKey.toPEM())
const event = (id: string, more = '') =>
  `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"${id}","stage":"ResponseComplete","requestURI":"/x${more}","verb":"get","user":{"username":"alice"},"requestReceivedTimestamp":"2026-01-31T10:15:00.000000Z","stageTimestamp":"2026-01-31T10:15:00.000000Z"}`
const log = await SealedLines.open(path, key)
for (let i = 0; i < 7; i++) await log.append(event(`id-${i}`), event(`id-${i}`, '?a'))
await log.seal()
await log.append(event('id-7'))
const anchors = join(dir, 'anchors.jsonl')

await t.test('keys', async (t) => {
  const file = join(dir, 'new.key')
  const made = await runCommand(['seal', 'keygen', file])
  t.equal(made.code, 0, made.stderr)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(made.stdout, /^-----BEGIN PUBLIC KEY-----/)
  const printed = await runCommand(['seal', 'pubkey', file])
  t.same([printed.code, printed.stdout], [0, made.stdout])
  const again = await runCommand(['seal', 'keygen', file])
  t.equal(again.code, 2)
  t.match(again.stderr, /seal keygen: .*new.key: exists, expected a new file/)
})

await t.test('whole, with what is not sealed yet', async (t) => {
  const text = await runCommand(['verify', '--key', pub, path])
  t.equal(text.code, 0, text.stderr)
  t.match(text.stdout, /audit.log: whole: 14 lines/)
  t.match(text.stdout, /unsealed: 1 line, .* after line 14: not under a checkpoint yet/)
  t.equal(text.stderr, '')
  const json = await runCommand(['verify', '--key', pub, '-o', 'json', path])
  t.match(JSON.parse(json.stdout), {
    whole: true,
    files: [{ path, sealedLines: 14, findings: [{ kind: 'unsealed', lines: [15, 15] }] }],
  })
})

await t.test('a proof, which needs no log', async (t) => {
  const made = await runCommand(['verify', '--key', pub, '--prove', 'id-3', path])
  t.equal(made.code, 0, made.stderr)
  const proof = JSON.parse(made.stdout) as { lines: { line: string; path: string[] }[] }
  t.same(
    proof.lines.map(({ line }) => line),
    [event('id-3'), event('id-3', '?a')],
  )
  const alone = t.testdir({ 'proof.json': made.stdout, 'seal.pub': key.publicKey.toPEM() })
  const check = (name: string) =>
    runCommand(['verify', '--key', join(alone, 'seal.pub'), '--proof', join(alone, name)])
  const good = await check('proof.json')
  t.equal(good.code, 0, good.stderr)
  t.match(good.stdout, /proven: line 7 of audit.log, sealed at .*\(statement 1 of [0-9a-f]{32}\):\n\{"kind"/)
  const edits: Record<string, string> = {
    'another line': made.stdout.replace('alice', 'mallo'),
    'another place': made.stdout.replace('"index": 6', '"index": 5'),
    'another hash': made.stdout.replace(proof.lines[0]?.path[0] as string, '0'.repeat(64)),
    'another statement': made.stdout.replace('\\"lines\\":14', '\\"lines\\":15'),
  }
  for (const [name, text] of Object.entries(edits)) {
    t.not(text, made.stdout, name)
    writeFileSync(join(alone, 'bad.json'), text)
    const bad = await check('bad.json')
    t.equal(bad.code, 1, name)
    t.match(bad.stdout, /NOT PROVEN/)
  }
  writeFileSync(join(alone, 'bad.json'), '{}')
  t.equal((await check('bad.json')).code, 2)
  t.equal((await runCommand(['verify', '--key', pub, '--prove', 'id-7', path])).code, 1, 'not sealed yet')
  t.equal((await runCommand(['verify', '--key', pub, '--prove', 'nobody', path])).code, 1)
})

await t.test('events that are sealed, and seals that are no events', async (t) => {
  const all = await runCommand(['events', path, `${path}.seal`, '-o', 'json'])
  t.same([all.code, all.stdout.trimEnd().split('\n').length, all.stderr], [0, 15, ''])
  const some = await runCommand(['events', '--verified-only', '--key', pub, path, '-o', 'json'])
  t.same([some.code, some.stdout.trimEnd().split('\n').length, some.stderr], [0, 14, ''])
  const without = await runCommand(['events', '--verified-only', path])
  t.equal(without.code, 2)
  t.match(without.stderr, /events: --key is not set/)
})

await t.test('anchors', async (t) => {
  await log.close()
  const annotated = log.statements.map((line) =>
    JSON.stringify({ kind: 'EventList', items: [{ annotations: { 'kube-audit-proxy.io/seal': line } }] }),
  )
  for (const lines of [log.statements, annotated]) {
    writeFileSync(anchors, lines.join('\n'))
    const good = await runCommand(['verify', '--key', pub, '--anchors', anchors, path])
    t.equal(good.code, 0, good.stdout)
  }
  // The end of the seal is taken away: without anchors it is a log that goes on.
  const seal = readFileSync(`${path}.seal`, 'utf8')
  const honest = readFileSync(path)
  writeFileSync(`${path}.seal`, seal.split('\n').slice(0, 2).join('\n') + '\n')
  t.equal((await runCommand(['verify', '--key', pub, path])).code, 0)
  const cut = await runCommand(['verify', '--key', pub, '--anchors', anchors, path])
  t.equal(cut.code, 1)
  t.match(cut.stdout, /CUT-OFF: anchors.jsonl has statement 3 .*here the last one is 1/)
  // It is set back and goes on.
  writeFileSync(path, honest.subarray(0, honest.lastIndexOf('\n', honest.length - 2) + 1))
  const forked = await SealedLines.open(path, key)
  await forked.append(event('forged'))
  await forked.close()
  t.equal((await runCommand(['verify', '--key', pub, path])).code, 0)
  const rewritten = await runCommand(['verify', '--key', pub, '--anchors', anchors, path])
  t.equal(rewritten.code, 1)
  t.match(rewritten.stdout, /CHANGED: statement 2 is not the one in anchors.jsonl: the chain was rewritten/)
  const other = join(t.testdir(), 'audit.log')
  await (await SealedLines.open(other, key)).close()
  const gone = await runCommand(['verify', '--key', pub, '--anchors', anchors, other])
  t.match(gone.stdout, /MISSING: 4 statements of it anchored, and no file of it given/)
})

await t.test('bad usage', async (t) => {
  const cases: [string[], RegExp][] = [
    [['verify', path], /--key is not set/],
    [['verify', '--key', pub], /found no FILE/],
    [['verify', '--key', pub, join(dir, 'nothing')], /nothing: no such file/],
    [['verify', '--key', path, path], /no key found/],
    [['verify', '--key', pub, '--anchors', join(dir, 'nothing'), path], /--anchors: .*nothing: no such file/],
    [['verify', '--key', pub, '--proof', join(dir, 'nothing')], /--proof: .*nothing: no such file/],
    [['seal', 'kegen'], /did you mean keygen/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = await runCommand(args)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, message)
    t.equal(stderr.trimEnd().split('\n').length, 1)
  }
})
