import { execFileSync } from 'node:child_process'
import t from 'tap'

/** What the proxy's own log writes of a line with hidden characters. */
function written(format: string): string {
  const log = new URL('../src/log.js', import.meta.url).href
  const script = `
    const { newLogger } = await import(${JSON.stringify(log)})
    const log = newLogger({ level: 'info', format: ${JSON.stringify(format)} })
    log.warn({ reason: 'a\\u009bb', err: new Error('c\\u202ed') }, 'e\\ufff9f')
    log.info('second')
  `
  const args = ['--input-type=module', '-e', script]
  return execFileSync('sh', ['-c', 'exec "$@" 2>&1', 'sh', process.execPath, ...args], { encoding: 'utf8' })
}

void t.test('a line of JSON has the same value', async (t) => {
  const text = written('json')
  t.match(text, /^[\n -~]*$/)
  const [first, second, rest] = text.split('\n')
  t.match(JSON.parse(first ?? ''), {
    level: 'warn',
    reason: 'a\u009bb',
    err: { message: 'c\u202ed' },
    msg: 'e\ufff9f',
  })
  t.match(JSON.parse(second ?? ''), { msg: 'second' })
  t.equal(rest, '')
})

void t.test('text, where only a stack has lines', async (t) => {
  const text = written('text')
  t.match(text, /^[\n -~]*$/)
  t.match(text, /WARN {2}e\\ufff9f reason=a\\u009bb\nError: c\\u202ed\n {4}at /)
  t.match(text, /INFO {2}second\n$/)
})
