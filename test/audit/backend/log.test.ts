import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LogBackend } from '../../../src/audit/backend/log/log-backend.js'
import type { Appended, LogOutput } from '../../../src/audit/backend/log/log-output.js'
import { PluginProblems } from '../../../src/audit/backend/plugin-problems.js'
import type { Event } from '../../../src/audit/event.js'
import { makeEvent, never, Report } from '../../support/audit.js'
import { eventNumbers, openLog, sendEvents, upTo } from '../../support/audit-backend.js'

/** Answers each write when the test says so. */
class HeldOutput implements LogOutput {
  readonly writes: string[] = []
  #answer: (appended: Appended) => void = () => {}
  #written: () => void = () => {}
  closed = false

  append(lines: Buffer): Promise<Appended> {
    this.writes.push(lines.toString())
    this.#written()
    return new Promise((resolve) => (this.#answer = resolve))
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }

  /** Resolves when the n-th write has come. */
  async write(n: number): Promise<void> {
    while (this.writes.length < n) await new Promise<void>((resolve) => (this.#written = resolve))
  }

  answer(stored: number, error?: string): void {
    this.#answer(error === undefined ? { stored } : { stored, error })
  }
}

const all = (calls: (boolean | Promise<boolean>)[]) => Promise.all(calls.map(async (call) => call))

function setUp({ encode = (e: Event) => Buffer.from(e.auditID), maxPending = 1000 } = {}) {
  const output = new HeldOutput()
  const report = new Report()
  const errors = new PluginProblems('log', report.metrics, report.problems)
  const log = new LogBackend(output, encode, errors, report.metrics, maxPending)
  const send = (...ids: string[]) => log.processEvents(ids.map((id) => makeEvent(id)))
  const lost = () => report.value('apiserver_audit_error_total', { plugin: 'log' })
  return { output, report, log, send, lost }
}

void t.test('the events of one turn go out in one write, and so do those that wait for it', async (t) => {
  const { output, send, log } = setUp()
  const first = [send('a'), send('b', 'c')]
  await output.write(1)
  const second = [send('d'), send('e')]
  t.same(output.writes, ['a\nb\nc\n'])
  output.answer(6)
  t.same(await all(first), [true, true])
  await output.write(2)
  t.same(output.writes[1], 'd\ne\n')
  output.answer(4)
  t.same(await all(second), [true, true])
  await log.shutdown(never)
  t.ok(output.closed)
})

void t.test('each call learns what became of its own events', async (t) => {
  const { output, send, lost, report } = setUp()
  const calls = [send('a'), send('b', 'c'), send('d', 'e'), send('f')]
  await output.write(1)
  output.answer('a\nb\nc\nd\n'.length, 'ENOSPC')
  t.same(await all(calls), [true, true, false, false])
  t.equal(await lost(), 2, 'e and f')
  t.match(report.lines, [{ count: 2, reason: 'ENOSPC' }])
})

void t.test('what waits for a slow output is bounded', async (t) => {
  const { output, send, lost, log, report } = setUp({ maxPending: 10 })
  const large = send('larger than the bound')
  await output.write(1)
  t.equal(send('refused', 'too'), false, 'at once')
  t.equal(await lost(), 2)
  t.equal(await report.value('kube_audit_proxy_audit_dropped_events_total', { plugin: 'log' }), 2)
  output.answer(22)
  t.equal(await large, true, 'what is alone is taken, whatever its size')
  const next = [send('1234'), send('678')]
  await output.write(2)
  t.equal(send('0'), false)
  output.answer(9)
  t.same(await all(next), [true, true])
  await log.shutdown(never)
})

void t.test('an event that cannot be encoded does not take others with it', async (t) => {
  const encode = (e: Event) => {
    if (e.auditID === 'bad') throw new RangeError('Invalid string length')
    return Buffer.from(e.auditID)
  }
  const { output, send, lost } = setUp({ encode })
  const stored = send('a', 'bad', 'b')
  await output.write(1)
  t.same(output.writes, ['a\nb\n'])
  output.answer(4)
  t.equal(await stored, false)
  t.equal(send('bad'), false)
  t.equal(await lost(), 2)
})

void t.test('large amounts go out in several writes, in order', async (t) => {
  const { output, send } = setUp({ maxPending: Infinity })
  const half = 'x'.repeat(600_000)
  const calls = ['a', 'b', 'c'].map((id) => send(id + half))
  for (const [i, id] of ['a', 'b', 'c'].entries()) {
    await output.write(i + 1)
    t.equal(output.writes[i], `${id}${half}\n`)
    output.answer(output.writes[i]!.length)
  }
  t.same(await all(calls), [true, true, true])
})

void t.test('what the shutdown deadline leaves unwritten is refused and counted once', async (t) => {
  const { output, send, lost, log } = setUp()
  const first = send('a')
  await output.write(1)
  const second = send('b', 'c')
  const deadline = new AbortController()
  const done = log.shutdown(deadline.signal)
  deadline.abort()
  await done
  t.same([await first, await second], [false, false])
  t.equal(await lost(), 3)
  output.answer(0, 'too late')
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(await lost(), 3)
})

void t.test('formats and versions', async (t) => {
  const dir = t.testdir()
  const table = [
    ['json', 'audit.k8s.io/v1', /^\{"kind":"Event","apiVersion":"audit.k8s.io\/v1",.*\}\n$/],
    ['json', 'audit.k8s.io/v1beta1', /^\{"kind":"Event","apiVersion":"audit.k8s.io\/v1beta1",.*\}\n$/],
    ['json', 'audit.k8s.io/v1alpha1', /^\{"kind":"Event","apiVersion":"audit.k8s.io\/v1alpha1",.*\}\n$/],
    ['legacy', 'audit.k8s.io/v1', /^\S+ AUDIT: id="0" stage="ResponseComplete" .*\n$/],
  ] as const
  for (const [i, [format, version, expected]] of table.entries()) {
    const path = join(dir, `${i}.log`)
    const { backend } = await openLog(path, `format=${format}`, `version=${version}`)
    await sendEvents(backend, 0, 1)
    await backend.shutdown(never)
    t.match(readFileSync(path, 'utf8'), expected)
  }
})

void t.test('blocking does not say what blocking-strict does', async (t) => {
  const { backend, errors } = await openLog(join(t.testdir(), 'l', 'audit.log'), 'mode=blocking')
  rmSync(join(t.testdirName, 'l'), { recursive: true })
  writeFileSync(join(t.testdirName, 'l'), '')
  t.same(await sendEvents(backend, 0, 3), [])
  t.equal(await errors('log'), 3)
  await backend.shutdown(never)
})

void t.test('batch: shutdown writes each of 20,000 buffered events once', async (t) => {
  for (const maxSize of [1, 400]) {
    const path = join(t.testdir(), `${maxSize}.log`)
    const batch = [`max-size=${maxSize}`, 'buffer-size=20000', `buffer-bytes=${1 << 30}`, 'max-wait=30s']
    const { backend, errors } = await openLog(path, 'mode=batch', ...batch.map((flag) => `batch-${flag}`))
    t.ok(
      upTo(20_000).every((i) => backend.processEvents([makeEvent(i)]) === true),
      'no promise',
    )
    await backend.shutdown(never)
    t.same(eventNumbers([path]), upTo(20_000))
    t.equal(await errors('buffered'), 0)
  }
})

void t.test('standard output', async (t) => {
  const child = join(import.meta.dirname, '../../support/stdout-child.js')
  const run = (stdout: 'pipe' | number, command = [process.execPath, child, '5000']) =>
    spawnSync(command[0]!, command.slice(1), { stdio: ['ignore', stdout, 'pipe'], maxBuffer: 1 << 30 })
  const numbers = (text: string) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => Number((JSON.parse(line) as { auditID: string }).auditID))

  await t.test('a pipe', async (t) => {
    const { stdout, stderr } = run('pipe')
    t.same(numbers(stdout.toString()), upTo(5000))
    t.equal(stderr.toString(), '0 refused, 0 counted\n')
  })
  await t.test('a file', async (t) => {
    const path = join(t.testdir(), 'out')
    const fd = openSync(path, 'w')
    const { stderr } = run(fd)
    closeSync(fd)
    t.same(eventNumbers([path]), upTo(5000))
    t.equal(stderr.toString(), '0 refused, 0 counted\n')
  })
  await t.test('a full device', async (t) => {
    const fd = openSync('/dev/full', 'w')
    const { stderr } = run(fd)
    closeSync(fd)
    t.equal(stderr.toString(), '5000 refused, 5000 counted\n')
  })
  await t.test('a reader that goes away', async (t) => {
    const { stdout, stderr, status } = run('pipe', [
      'sh',
      '-c',
      `"$0" "$1" 5000 | head -n 1`,
      process.execPath,
      child,
    ])
    t.equal(status, 0)
    t.same(numbers(stdout.toString()), [0])
    const [, refused, counted] = /^(\d+) refused, (\d+) counted\n$/.exec(stderr.toString())!
    t.ok(Number(refused) > 0)
    t.equal(refused, counted)
  })
})
