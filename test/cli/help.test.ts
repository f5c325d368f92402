import t from 'tap'
import { parseCommandLine } from '../../src/cli/commands.js'
import { PROXY_FLAGS } from '../../src/options.js'
import { FLAGS } from '../support/flags.js'
import { validateValue, type Flag } from '../../src/cli/flag.js'
import { flagSections, wrap } from '../../src/cli/help.js'

const flags: Flag[] = [
  { name: 'second', type: 'bool', default: true, help: 'On or off.', group: 'One' },
  { name: 'first', type: 'string', default: 'a"b', help: 'A name.', group: 'One', shorthand: 'f' },
  { name: 'wait', type: 'duration', default: 90_000, help: 'How long.', group: 'Two' },
  { name: 'zero', type: 'int', default: 0, help: 'How many.', group: 'Two' },
]

void t.test('sections as kube-apiserver prints them', (t) => {
  t.equal(
    flagSections(flags, 0),
    `One flags:

  -f, --first string   A name. (default "a\\"b")
      --second         On or off. (default true)

Two flags:

      --wait duration   How long. (default 1m30s)
      --zero int        How many.
`,
  )
  t.end()
})

void t.test('wrapping', (t) => {
  const text = 'The quick brown fox jumps over the lazy dog'
  t.equal(wrap(text, 4, 0), text)
  t.equal(wrap(text, 4, 34), 'The quick brown fox jumps\n    over the lazy dog')
  t.equal(
    wrap(text, 30, 40),
    '\n' + ' '.repeat(16) + 'The quick brown fox\n' + ' '.repeat(16) + 'jumps over the lazy dog',
  )
  t.equal(wrap(text, 30, 10), text)
  t.equal(wrap('x'.repeat(100), 4, 40), 'x'.repeat(100))
  t.end()
})

void t.test('--help names every flag once, and the commands', (t) => {
  const demo = { name: 'demo', summary: 'Show it.', run: () => Promise.resolve(0) }
  const context = { flags: PROXY_FLAGS, commands: [demo], version: '1', columns: 0 }
  for (const argv of [['--help'], ['-h'], ['help'], ['--secure-port=1', '--help', 'extra']]) {
    const line = parseCommandLine(argv, context)
    const text = line.kind === 'print' ? line.text : ''
    for (const { name } of FLAGS)
      t.equal(text.match(new RegExp(`^ {2}(?: {4}|-., )--${name} `, 'gm'))?.length, 1, name)
    t.match(text, /^ {2}demo {3}Show it\.$/m)
    t.match(text, /^Auditing flags:$/m)
  }
  const wrapped = parseCommandLine(['--help'], { ...context, columns: 120 })
  const longest =
    wrapped.kind === 'print' ? Math.max(...wrapped.text.split('\n').map((line) => line.length)) : 0
  t.ok(longest > 100 && longest <= 120, `longest line ${longest}`)
  t.end()
})

void t.test('the flag table', (t) => {
  const names = FLAGS.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  for (const flag of FLAGS) {
    t.match(flag.name, /^[a-z][a-z0-9-]*$/)
    t.notMatch(flag.help, /\n/)
    t.doesNotThrow(() => validateValue(flag, flag.default, flag.name), `${flag.name}: its default is valid`)
  }
  t.end()
})
