import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { runDemo, type DemoOptions } from '../../demo/demo.js'
import { ConfigError } from '../../src/errors.js'
import { startStandInProxy } from './stand-in-proxy.js'

/** Collects what is written, and tells when a text has come. */
class Output extends Writable {
  text = ''
  constructor(readonly isTTY: boolean) {
    super()
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void) {
    this.text += chunk.toString()
    this.emit('text')
    done()
  }
  async until(wanted: string) {
    while (!this.text.includes(wanted)) await once(this, 'text')
  }
}

/** Runs the demonstration with a temporary directory of its own. */
function start(t: Test, isTTY: boolean, options: Partial<DemoOptions> = {}) {
  const tmp = join(t.testdir({}), 'tmp')
  mkdirSync(tmp)
  const before = process.env.TMPDIR
  process.env.TMPDIR = tmp
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  const stdout = new Output(isTTY)
  const stderr = new Output(isTTY)
  const ending = new AbortController()
  const code = runDemo({
    args: [],
    startProxy: startStandInProxy,
    stdout,
    stderr,
    env: {},
    signal: ending.signal,
    ...options,
  })
  return { code, stdout, stderr, ending, tmp }
}

void t.test('tells the story and ends', async (t) => {
  const { code, stdout, stderr, tmp } = start(t, false)
  t.equal(await code, 0)
  t.equal(stderr.text, '')
  const lines = stdout.text.split('\n')
  const after = (narration: string) => lines[lines.indexOf(narration) + 1] ?? ''
  t.match(
    after('alice (administrator, with a client certificate) creates a namespace'),
    /ResponseComplete.*alice.*post.*201/,
  )
  t.match(after('What is recorded of that:'), /^ {2}\| recorded$/)
  t.match(after('bob reads the secret: refused'), /ResponseComplete.*bob.*secrets\/password.*403/)
  t.match(after('carol deletes the config map: refused'), /ResponseComplete.*token.*delete.*403/)
  t.match(after('alice looks at the pods as bob'), /alice as bob.*200/)
  t.match(after('carol watches deployments'), /ResponseStarted.*token/)
  t.match(after('carol saw that and ends the watch'), /ResponseComplete/)
  t.notMatch(stdout.text, 'leaves this one out')
  t.notMatch(stdout.text, 'correct horse')
  t.notOk(stdout.text.includes('\x1b'), 'no colours where there is no terminal')
  t.same(readdirSync(tmp), [], 'nothing is left behind')
})

void t.test('at a terminal it stays up until it is told to end', async (t) => {
  const { code, stdout, ending, tmp } = start(t, true)
  await stdout.until('In another terminal:')
  t.ok(stdout.text.includes('\x1b[33m403\x1b[0m'), 'colours')
  const files = [...stdout.text.matchAll(/kubectl --kubeconfig (\S+) get/g)].map((match) => match[1] ?? '')
  t.equal(files.length, 3)
  for (const file of files) {
    t.equal(statSync(file).mode & 0o777, 0o600, file)
    const { server } = parse(readFileSync(file, 'utf8')).clusters[0].cluster
    t.ok(stdout.text.includes(`stays up at ${server}`), 'it leads to the proxy')
  }
  const [directory = ''] = readdirSync(tmp)
  t.equal(statSync(join(tmp, directory)).mode & 0o777, 0o700)
  for (const name of readdirSync(join(tmp, directory))) {
    t.equal(statSync(join(tmp, directory, name)).mode & 0o077, 0, `${name} is private`)
  }
  ending.abort()
  t.equal(await code, 0)
  t.same(readdirSync(tmp), [])
})

void t.test('--once ends at a terminal too; NO_COLOR', async (t) => {
  const { code, stdout } = start(t, true, { args: ['--once'], env: { NO_COLOR: '1' } })
  t.equal(await code, 0)
  t.notOk(stdout.text.includes('\x1b'))
  t.notMatch(stdout.text, 'In another terminal')
})

void t.test('ended in the middle of the story', async (t) => {
  const { code, stdout, stderr, ending, tmp } = start(t, true)
  await stdout.until('creates a secret')
  ending.abort()
  t.equal(await code, 0)
  t.equal(stderr.text, '')
  t.notMatch(stdout.text, 'deletes the deployment')
  t.same(readdirSync(tmp), [])
})

void t.test('a proxy that does not start', async (t) => {
  const { code, stderr, tmp } = start(t, false, { startProxy: () => Promise.reject(new Error('no luck')) })
  t.equal(await code, 1)
  t.equal(stderr.text, 'demo: no luck\n')
  t.same(readdirSync(tmp), [])
})

void t.test('arguments', async (t) => {
  await t.rejects(
    start(t, false, { args: ['--twice'] }).code,
    new ConfigError('unknown argument "--twice": expected --once or --help'),
  )
  const { code, stdout } = start(t, false, { args: ['--help'] })
  t.equal(await code, 0)
  t.match(stdout.text, /--once/)
})

void t.test('signals end the process cleanly', async (t) => {
  const program = fileURLToPath(new URL('./demo-process.js', import.meta.url))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const tmp = t.testdir({})
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, TMPDIR: tmp },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = once(child, 'exit')
    const [first] = (await once(child.stdout, 'data')) as [Buffer]
    t.match(first.toString(), /--audit-log-path/)
    t.ok(existsSync(tmp) && readdirSync(tmp).length > 0, 'it has files')
    child.kill(signal)
    t.same(await ended, [0, null], signal)
    t.same(readdirSync(tmp), [], `${signal}: nothing is left behind`)
  }
})
