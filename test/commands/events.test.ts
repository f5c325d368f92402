import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { runCommand } from '../support/command.js'
import { BIN } from '../support/proxy-process.js'

const RECORDED = fileURLToPath(new URL('../../../test/audit/events.jsonl', import.meta.url))
const text = readFileSync(RECORDED, 'utf8')
const recorded = text.split('\n').slice(0, -1)
const line = (n: number, more: object = {}) =>
  `${JSON.stringify({
    kind: 'Event',
    auditID: `id-${n}`,
    level: 'Metadata',
    stage: 'ResponseComplete',
    requestURI: `/path/${n}`,
    verb: 'get',
    user: { username: 'alice' },
    responseStatus: { code: 200 },
    requestReceivedTimestamp: `2026-01-31T10:15:${String(n).padStart(2, '0')}.000000Z`,
    stageTimestamp: `2026-01-31T10:15:${String(n).padStart(2, '0')}.500000Z`,
    ...more,
  })}\n`
const paths = (stdout: string) => [...stdout.matchAll(/\/path\/(\d+)/g)].map((match) => Number(match[1]))

void t.test('one line an event', async (t) => {
  const { code, stdout, stderr } = await runCommand(['events', RECORDED])
  t.same([code, stderr], [0, ''])
  t.equal(stdout.split('\n').length - 1, recorded.length)
  t.match(
    stdout,
    /^2026-11-21 02:12:06\.510 {2}ResponseComplete {2}Metadata +alice +list +secrets +403 +0\.5ms$/m,
  )
  const colored = await runCommand(['events', RECORDED, '--color=always'])
  t.match(colored.stdout, /\x1b\[/) // eslint-disable-line no-control-regex
})

void t.test('-o json prints the lines as they are', async (t) => {
  const { stdout } = await runCommand(['events', '-o', 'json', '--user=alice', '--code=403'], { input: text })
  const expected = recorded.filter((line) => {
    const event = JSON.parse(line)
    return event.user.username === 'alice' && event.responseStatus?.code === 403
  })
  t.equal(stdout, expected.map((line) => `${line}\n`).join(''))
  t.ok(expected.length > 0)
  // But for what a terminal obeys or hides.
  const hostile = line(1, { user: { username: 'bob\u009b31m\u202e\u{e0041}' }, verb: '\u00ad\ufff9' })
  const shown = await runCommand(['events', '-o', 'json'], { input: hostile })
  t.match(shown.stdout, /^\{[ -~]*"bob\\u009b31m\\u202e\\udb40\\udc41"[ -~]*\}\n$/)
  t.strictSame(JSON.parse(shown.stdout), JSON.parse(hostile))
})

void t.test('several files, gzip, rotated ones, time', async (t) => {
  const dir = t.testdir()
  const log = join(dir, 'audit.log')
  writeFileSync(join(dir, 'audit-2026-01-31T10-15-02.000.log.gz'), gzipSync(line(1) + line(2)))
  writeFileSync(join(dir, 'audit-2026-01-31T10-15-04.000.log'), line(3) + line(4))
  writeFileSync(join(dir, 'audit-2026-01-31T10-15-04.000.log.gz'), gzipSync(line(3) + line(4)))
  writeFileSync(join(dir, 'audit-notes.log'), line(9))
  writeFileSync(log, line(5))
  const shown = async (...args: string[]) => paths((await runCommand(['events', ...args])).stdout)
  t.same(await shown(log), [5])
  t.same(await shown('--backups', log), [1, 2, 3, 4, 5])
  t.same(await shown(join(dir, 'audit-2026-01-31T10-15-02.000.log.gz'), log), [1, 2, 5])
  t.same(
    await shown('--backups', log, '--since=2026-01-31T10:15:02.5Z', '--until=2026-01-31T12:15:04+02:00'),
    [2, 3],
  )
  t.same(await shown('--backups', log, '--since=1m'), [])
})

void t.test('what is no event is counted', async (t) => {
  const { code, stdout, stderr } = await runCommand(['events'], {
    input: `x\n${line(1)}\n{"kind":"Pod"}\n${line(2).trim()}`,
  })
  t.equal(code, 0)
  t.same(paths(stdout), [1, 2])
  t.equal(stderr, 'kube-audit-proxy: events: 2 lines that are no events were left out\n')
})

void t.test('a file that cannot be read does not stop the others', async (t) => {
  const dir = t.testdir({ 'b.log': line(2) })
  writeFileSync(join(dir, 'a.gz'), gzipSync(text.repeat(20)).subarray(0, 10_000))
  const { code, stdout, stderr } = await runCommand([
    'events',
    join(dir, 'none'),
    join(dir, 'a.gz'),
    join(dir, 'b.log'),
  ])
  t.equal(code, 1)
  t.same(paths(stdout), [2])
  t.match(stderr, /none: no such file\n.*a\.gz: damaged gzip: unexpected end of file\n$/)
})

void t.test('--summary', async (t) => {
  const { stdout } = await runCommand(['events', RECORDED, '--summary', '--user=alice'])
  t.match(stdout, /^Requests {2}4/m)
  const json = await runCommand(['events', RECORDED, '--summary', '-o=json'])
  t.match(JSON.parse(json.stdout), { events: 82, requests: 61, failed: 18 })
  const received = await runCommand(['events', RECORDED, '--summary', '-o=json', '--stage=RequestReceived'])
  t.match(JSON.parse(received.stdout), { events: 12, requests: 12 })
})

void t.test('a reader that goes away', async (t) => {
  const log = join(t.testdir(), 'audit.log')
  writeFileSync(log, text.repeat(200))
  const child = spawn(process.execPath, [BIN, 'events', log], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code] = await once(child, 'close')
  t.same([code, stderr], [0, ''])
})

void t.test('--follow, over a rotation and an emptied file', async (t) => {
  const dir = t.testdir()
  const log = join(dir, 'audit.log')
  writeFileSync(log, line(1) + line(2).slice(0, 20))
  const child = spawn(process.execPath, [BIN, 'events', '-f', log, '--user=alice'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => paths(String((await lines.next()).value))[0]
  // Nothing says when it has begun to follow, so its first event is offered until it is shown.
  appendFileSync(log, line(2).slice(20))
  const offer = setInterval(() => appendFileSync(log, line(3)), 100)
  t.equal(await next(), 3, 'not what was there before')
  clearInterval(offer)
  appendFileSync(log, line(4, { user: { username: 'bob' } }) + line(5).slice(0, 30))
  appendFileSync(log, line(5).slice(30))
  let found = await next()
  while (found === 3) found = await next()
  t.equal(found, 5)

  appendFileSync(log, line(6))
  renameSync(log, join(dir, 'audit-2026-01-31T10-15-02.000.log'))
  appendFileSync(join(dir, 'audit-2026-01-31T10-15-02.000.log'), line(7))
  writeFileSync(log, line(8, { annotations: { long: 'x'.repeat(2000) } }))
  t.same([await next(), await next(), await next()], [6, 7, 8])

  writeFileSync(log, '')
  appendFileSync(log, line(9)) // shorter than what was there, by which it is noticed
  t.equal(await next(), 9)
  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
})

void t.test('bad usage', async (t) => {
  const cases: [string[], RegExp][] = [
    [['--code=9'], /--code: found \["9"\], expected status codes such as/],
    [['--since=yesterday'], /--since: found "yesterday", expected a time/],
    [['--since=2026-01-02', '--until=2026-01-01'], /--since is later than --until/],
    [['--stage=Done'], /--stage: found .*expected only some of RequestReceived/],
    [['-f'], /--follow needs exactly one FILE/],
    [['-f', '/none/audit.log'], /\/none\/audit\.log: no such file/],
    [['-f', '--summary', RECORDED], /--follow and --summary/],
    [['-o', 'yaml'], /expected one of text, json/],
    [['--usr=x'], /unknown flag: --usr; did you mean --user\?/],
  ]
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await runCommand(['events', ...args])
    t.same([code, stdout], [2, ''], args.join(' '))
    t.match(stderr, expected)
  }
  t.match((await runCommand(['events', '--help'])).stdout, /^Filter flags:$/m)
})

void t.test('webhook bodies and the logs of containers, from files, gzip and standard input', async (t) => {
  const dir = t.testdir()
  const list = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[${line(1).trim()},${line(2).trim()}]}\n`
  const third = line(3).trim()
  const cri =
    `2026-01-01T00:00:00.0Z stderr F {"level":"info"}\n` +
    `2026-01-01T00:00:00.0Z stdout P ${third.slice(0, 50)}\n2026-01-01T00:00:00.0Z stdout F ${third.slice(50)}\n`
  const docker = `${JSON.stringify({ log: line(4), stream: 'stdout', time: '2026-01-01T00:00:00Z' })}\n`
  const files = { list, cri, docker }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(dir, name), text)
    writeFileSync(join(dir, `${name}.gz`), gzipSync(text))
  }
  for (const [name, text, want] of [
    ['list', list, [1, 2]],
    ['cri', cri, [3]],
    ['docker', docker, [4]],
  ] as const) {
    t.same(paths((await runCommand(['events', join(dir, name)])).stdout), want, name)
    t.same(paths((await runCommand(['events', join(dir, `${name}.gz`)])).stdout), want, `${name}.gz`)
    t.same(paths((await runCommand(['events'], { input: text })).stdout), want, `${name}, standard input`)
  }
  const { stdout, stderr } = await runCommand(['events', '-o', 'json', join(dir, 'cri')])
  t.equal(stdout, `${third}\n`)
  t.match(stderr, /1 line that is no event was left out/)
})

void t.test('-f with the log of a container', async (t) => {
  const log = join(t.testdir(), 'container.log')
  writeFileSync(log, '')
  const child = spawn(process.execPath, [BIN, 'events', '-f', '--since=1000000h', log])
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const third = line(3).trim()
  appendFileSync(log, `2026-01-01T00:00:00.0Z stdout P ${third.slice(0, 50)}\n`)
  appendFileSync(log, `2026-01-01T00:00:00.0Z stdout F ${third.slice(50)}\n`)
  t.same(paths(String((await lines.next()).value)), [3])
  appendFileSync(log, `{"kind":"EventList","items":[${line(4).trim()}]}\n`)
  t.same(paths(String((await lines.next()).value)), [4])
  child.kill('SIGINT')
  await once(child, 'exit')
})
