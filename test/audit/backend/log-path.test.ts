import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, symlinkSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { makeEvent, never } from '../../support/audit.js'
import { eventNumbers, openLog, sendEvents, upTo } from '../../support/audit-backend.js'

const CHILD = join(import.meta.dirname, '../../support/stdout-child.js')
const GOOD = '0 refused, 0 counted\n'
const EVENTS = 3000

/** A folder as /dev is, with the symlinks of Linux. */
function makeDev(dir: string): string {
  const dev = join(dir, 'dev')
  mkdirSync(dev)
  symlinkSync('/proc/self/fd', join(dev, 'fd'))
  symlinkSync('fd/1', join(dev, 'stdout'))
  symlinkSync('/proc/self/fd/2', join(dev, 'stderr'))
  return dev
}

function run(path: string, stdout: 'pipe' | number = 'pipe', stderr: 'pipe' | number = 'pipe') {
  const stdio = ['ignore', stdout, stderr] as ['ignore', 'pipe' | number, 'pipe' | number]
  const child = spawnSync(process.execPath, [CHILD, String(EVENTS), path], { stdio, maxBuffer: 1 << 30 })
  return { stdout: String(child.stdout), stderr: String(child.stderr), status: child.status }
}

const numbers = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => Number((JSON.parse(line) as { auditID: string }).auditID))

void t.test('standard output and standard error by their paths', async (t) => {
  const dev = makeDev(t.testdir())
  for (const path of [join(dev, 'stdout'), '/proc/self/fd/1', '/dev/fd/1', join(dev, 'fd/1')]) {
    const { stdout, stderr } = run(path)
    t.same(numbers(stdout), upTo(EVENTS), path)
    t.equal(stderr, GOOD)
  }
  const { stdout, stderr } = run(join(dev, 'stderr'))
  t.equal(stdout, '')
  t.same(numbers(stderr), upTo(EVENTS))
  t.ok(stderr.endsWith(GOOD))
  t.same(readdirSync(dev).sort(), ['fd', 'stderr', 'stdout'])
})

void t.test('a regular file behind /dev/stdout is never rotated', async (t) => {
  const dir = t.testdir()
  const dev = makeDev(dir)
  const out = join(dir, 'out.log')
  const fd = openSync(out, 'a')
  t.equal(run(join(dev, 'stdout'), fd).stderr, GOOD)
  closeSync(fd)
  t.same(eventNumbers([out]), upTo(EVENTS), 'more than --audit-log-maxsize')
  t.ok(lstatSync(join(dev, 'stdout')).isSymbolicLink())
  t.same(readdirSync(dir).sort(), ['dev', 'out.log'])
})

void t.test("another descriptor's file is never rotated", async (t) => {
  const dir = t.testdir()
  const out = join(dir, 'out.log')
  const fd = openSync(out, 'a')
  const child = spawnSync(process.execPath, [CHILD, String(EVENTS), '/proc/self/fd/3'], {
    stdio: ['ignore', 'pipe', 'pipe', fd],
  })
  closeSync(fd)
  t.equal(String(child.stderr), GOOD)
  t.same(eventNumbers([out]), upTo(EVENTS))
  t.same(readdirSync(dir), ['out.log'])
})

void t.test('devices', async (t) => {
  t.equal(run('/dev/null').stderr, GOOD)
  t.equal(run('/dev/full').stderr, `${EVENTS} refused, ${EVENTS} counted\n`)
})

void t.test('what cannot be written to stops the start', async (t) => {
  const dir = t.testdir()
  await t.rejects(openLog(dir), { name: 'ConfigError', message: /^--audit-log-path: EISDIR/ })
  await t.rejects(openLog('/proc/self/fd/999'), { name: 'ConfigError' })
})

function makeFifo(t: Test): string {
  const path = join(t.testdir(), 'fifo')
  t.equal(spawnSync('mkfifo', [path]).status, 0)
  return path
}

/** Reads a FIFO until it is killed: it is a writer itself, so that there is no end for it when the other one goes. */
function readFifo(path: string) {
  const reader = spawn('sh', ['-c', 'exec cat <>"$0"', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: reader.stdout })[Symbol.asyncIterator]()
  return {
    next: async () => numbers((await lines.next()).value ?? '')[0],
    kill: async () => {
      reader.kill()
      await once(reader, 'exit')
    },
  }
}

void t.test('a FIFO that nobody reads yet', async (t) => {
  const path = makeFifo(t)
  const { backend, errors, lines } = await openLog(path)
  t.match(JSON.stringify(lines), /waits for a reader/)
  const sent = sendEvents(backend, 0, 100, { size: 1000 })
  const reader = readFifo(path)
  for (const i of upTo(100)) t.equal(await reader.next(), i)
  t.same(await sent, [])
  await reader.kill()

  const second = readFifo(path)
  // Nothing tells that a reader has gone until something is written: that much is lost with it, and said.
  const lost: number[] = []
  let i = 100
  while (!(await backend.processEvents([makeEvent(i)]))) lost.push(i++)
  t.equal(await second.next(), i)
  t.equal(await errors('log'), lost.length)
  await backend.shutdown(never)
  await second.kill()
})

void t.test('a FIFO that is never read', async (t) => {
  const { backend, errors } = await openLog(makeFifo(t))
  const stored = [0, 1, 2].map(async (i) => backend.processEvents([makeEvent(i)]))
  await backend.shutdown(AbortSignal.abort())
  t.same(await Promise.all(stored), [false, false, false])
  t.equal(await errors('log'), 3)
})

void t.test('a FIFO whose reader is slow takes what is sent', async (t) => {
  const path = makeFifo(t)
  const out = `${path}.copy`
  const reader = spawn('sh', ['-c', 'cat "$0" > "$1"', path, out])
  const { backend, errors } = await openLog(path)
  t.same(await sendEvents(backend, 0, EVENTS, { size: 1000 }), [])
  await backend.shutdown(never)
  await once(reader, 'exit')
  t.same(numbers(readFileSync(out, 'utf8')), upTo(EVENTS))
  t.equal(await errors('log'), 0)
})

for (const mode of ['blocking', 'batch']) {
  void t.test(`${mode}: a FIFO whose reader has stopped holds a bounded number of events`, async (t) => {
    const path = makeFifo(t)
    // It has the FIFO open, and never reads.
    const reader = spawn('sh', ['-c', 'exec sleep 600 <>"$0"', path])
    const { backend, errors } = await openLog(path, `mode=${mode}`)
    const EACH = 2 ** 20
    const TOTAL = 400
    const answers = upTo(TOTAL).map(async (i) =>
      backend.processEvents([
        makeEvent(i, { level: 'Request', requestObject: JSON.stringify('x'.repeat(EACH)) }),
      ]),
    )
    // Every turn of the event loop is one that it does not wait for the FIFO.
    for (let i = 0; i < 100; i++) await setImmediate()
    const refused = (await errors('log')) + (await errors('buffered'))
    t.ok(refused > TOTAL / 4 && refused < TOTAL, `${refused} of ${TOTAL} are given up`)
    await backend.shutdown(AbortSignal.abort())
    t.equal((await errors('log')) + (await errors('buffered')), TOTAL, 'and the rest at the end')
    await Promise.all(answers)
    reader.kill()
    await once(reader, 'exit')
  })
}
