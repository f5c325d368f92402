import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BIN } from '../support/proxy-process.js'
import { runCommand } from '../support/command.js'

// Each command is a process.
t.setTimeout(120_000)

interface Made {
  readonly auditID: string
  readonly user?: string
  readonly pod?: string
  readonly subresource?: string
  readonly command?: string
  readonly timestamp?: number
  readonly end?: string
}

const DAY = '2026/01/31'
const T0 = Date.UTC(2026, 0, 31, 10) / 1000

function cast(made: Made, events: readonly (readonly [number, string, string])[]): string {
  const { auditID, user = 'alice', pod = 'web', subresource = 'exec', command = 'sh', timestamp = T0 } = made
  const metadata = {
    auditID,
    user,
    namespace: 'shop',
    pod,
    subresource,
    tty: true,
    stdin: true,
    input: false,
    pid: 1,
  }
  const header = { version: 2, width: 80, height: 24, timestamp, command, 'kube-audit-proxy': metadata }
  return [header, ...events].map((line) => `${JSON.stringify(line)}\n`).join('')
}

const end = (at: number, exitCode: number): [number, string, string][] => [
  [at, 'x', String(exitCode)],
  [at, 'n', JSON.stringify({ kind: 'end', exitCode, reason: 'Success' })],
]

/** A directory with a session of each state. */
function directory(t: Test): string {
  const dir = t.testdir()
  const folder = join(dir, DAY)
  mkdirSync(folder, { recursive: true })
  const hostile = 'sh -c "\x1b]0;owned\x07\x9b2J\u202e"'
  writeFileSync(
    join(folder, 'one.cast'),
    cast({ auditID: 'one' }, [
      [0.1, 'o', '\x1b[31mhello\x1b[0m\r\n'],
      [0.2, 'r', '90x30'],
      [1.5, 'o', 'bye\r\n'],
      ...end(2.5, 0),
    ]),
  )
  writeFileSync(
    join(folder, 'two.cast.gz'),
    gzipSync(
      cast({ auditID: 'two', user: 'bob', command: hostile, timestamp: T0 + 60 }, [
        [0.1, 'n', JSON.stringify({ kind: 'binary', stream: 'stdout', bytes: 7, sha256: 'abc' })],
        [0.2, 'n', JSON.stringify({ kind: 'stopped', reason: 'disk\x1b[2J' })],
        ...end(60, 3),
      ]),
    ),
  )
  const running = cast({ auditID: 'three', pod: 'db', subresource: 'attach', timestamp: T0 + 120 }, [
    [1, 'o', 'more'],
  ])
  writeFileSync(join(folder, 'three.cast.part'), running)
  return dir
}

// eslint-disable-next-line no-control-regex -- these are what must not be there
const NOTHING_RAW = /^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]*$/

await t.test('list', async (t) => {
  const dir = directory(t)
  const all = await runCommand(['sessions', 'list', dir])
  t.equal(all.code, 0, all.stderr)
  const lines = all.stdout.trimEnd().split('\n')
  t.match(lines[0], /^STARTED +USER +POD +DURATION +EXIT +AUDIT ID +COMMAND$/)
  t.match(lines[1], /^2026-01-31 10:00:00 +alice +shop\/web +2\.5s +0 +one +sh$/)
  t.match(lines[2], /^2026-01-31 10:01:00 +bob +shop\/web +1m0s +3! +two +sh -c/)
  t.match(lines[3], /^2026-01-31 10:02:00 +alice +shop\/db +1s +running +three/)
  t.match(all.stdout, NOTHING_RAW, 'no escape sequence of a session')
  const ids = async (...flags: string[]): Promise<string[]> => {
    const { stdout, stderr } = await runCommand(['sessions', 'list', dir, '-o', 'json', ...flags])
    t.match(stdout, NOTHING_RAW, stderr)
    return stdout
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { auditID: string }).auditID)
  }
  t.strictSame(await ids('--user=b*'), ['two'])
  t.strictSame(await ids('--name=db', '--namespace=shop'), ['three'])
  t.strictSame(await ids('--resource=pods/exec', '--since=2026-01-31T10:00:30Z'), ['two'])
  t.strictSame(await ids('--audit-id=one,three', '--until=2026-01-31T10:01:00Z'), ['one'])
})

await t.test('show, cat and export', async (t) => {
  const dir = directory(t)
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCommand(['sessions', ...args])
    t.equal(code, 0, stderr)
    return stdout
  }
  const shown = await run('show', dir, 'two')
  t.match(shown, NOTHING_RAW)
  t.match(shown, /^User: +bob$/m)
  t.match(shown, /^Exit code: +3$/m)
  t.match(shown, /^0\.100s +7 bytes of stdout that are no text, sha256 abc$/m)
  t.equal(await run('cat', join(dir, DAY, 'one.cast')), 'hello\nbye\n')
  const exported = (await run('export', dir, 'one'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown[])
  t.strictSame(
    exported.slice(1).map(([, code]) => code),
    ['o', 'r', 'o'],
  )
  t.match(exported[0], { version: 2, width: 80 })
})

await t.test('play: what was shown, as it was', async (t) => {
  const dir = directory(t)
  const { code, stdout, stderr } = await runCommand([
    'sessions',
    'play',
    dir,
    'one',
    '--speed=100',
    '--idle-time-limit=1s',
  ])
  t.equal(code, 0, stderr)
  t.equal(stdout, '\x1b[31mhello\x1b[0m\r\nbye\r\n')
})

await t.test('a session in progress is followed to its end', async (t) => {
  const dir = directory(t)
  const file = join(dir, DAY, 'three.cast.part')
  const child = spawn(process.execPath, [BIN, 'sessions', 'cat', '--follow', file])
  t.teardown(() => child.kill())
  const closed = once(child, 'close')
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  await once(child.stdout, 'data')
  writeFileSync(file, `[2,"o"," and more"]\n`, { flag: 'a' })
  await once(child.stdout, 'data')
  writeFileSync(
    file,
    end(3, 0)
      .map((line) => `${JSON.stringify(line)}\n`)
      .join(''),
    { flag: 'a' },
  )
  t.strictSame(await closed, [0, null])
  t.equal(text, 'more and more')
})

await t.test('what cannot be done is said in one line', async (t) => {
  const dir = directory(t)
  const table: [string[], RegExp][] = [
    [['sessions'], /expected one of list, show, play, cat, export/],
    [['sessions', 'list', join(dir, 'nosuch')], /no such file/],
    [['sessions', 'show', dir], /expected the AUDIT-ID/],
    [['sessions', 'show', dir, 'four'], /no recording of "four"/],
    [['sessions', 'play', dir, 'one', '--speed=0'], /--speed: found 0, expected more than 0/],
  ]
  for (const [args, expected] of table) {
    const { code, stderr } = await runCommand(args)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, expected)
    t.equal(stderr.trim().split('\n').length, 1)
  }
})
