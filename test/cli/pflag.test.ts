import t from 'tap'
import type { Flag } from '../../src/cli/flag.js'
import { parseArguments } from '../../src/cli/pflag.js'

const group = 'Test'
const flags: Flag[] = [
  { name: 'file-name', type: 'string', default: '', help: '', group, shorthand: 'f' },
  { name: 'on', type: 'bool', default: false, help: '', group, shorthand: 'o' },
  { name: 'names', type: 'strings', default: ['x'], help: '', group },
  { name: 'wait', type: 'duration', default: 0, help: '', group, deprecatedName: 'delay' },
  {
    name: 'port',
    type: 'int',
    default: 0,
    help: '',
    group,
    validate: (value: number) => (value > 0 ? undefined : 'a positive number'),
  },
]

/** The values by name, and what is no flag. */
function parse(argv: string[]): [Record<string, unknown>, readonly string[]] {
  const { settings, args } = parseArguments(argv, flags)
  return [Object.fromEntries([...settings].map(([name, { value }]) => [name, value])), args]
}

void t.test('what Go’s pflag accepts', (t) => {
  const cases: [string[], Record<string, unknown>, string[]?][] = [
    [[], {}],
    [['--file-name', 'a'], { 'file-name': 'a' }],
    [['--file-name=a=b'], { 'file-name': 'a=b' }],
    [['--file-name='], { 'file-name': '' }],
    [['--file-name', '--on'], { 'file-name': '--on' }],
    [['--file_name=a'], { 'file-name': 'a' }],
    [['--file-name=a\nb'], { 'file-name': 'a\nb' }],
    [['-f', 'a'], { 'file-name': 'a' }],
    [['-fa'], { 'file-name': 'a' }],
    [['-f=a'], { 'file-name': 'a' }],
    [['-of', 'a'], { on: true, 'file-name': 'a' }],
    [['-o=false'], { on: false }],
    [['--on'], { on: true }],
    [['--on=F'], { on: false }],
    [['--on', 'false'], { on: true }, ['false']],
    [['--on', '--on=false'], { on: false }],
    [['--names=a,"b,c"', '--names', 'd'], { names: ['a', 'b,c', 'd'] }],
    [['--names='], { names: [] }],
    [['--wait=1m30s', '--port', '0x10'], { wait: 90_000, port: 16 }],
    [['--port=1', '--port=2'], { port: 2 }],
    [['one', '--on', '-', 'two'], { on: true }, ['one', '-', 'two']],
    [['--on', '--', '--port', '-f'], { on: true }, ['--port', '-f']],
  ]
  for (const [argv, values, args = []] of cases) t.same(parse(argv), [values, args], JSON.stringify(argv))
  t.end()
})

void t.test('what it refuses', (t) => {
  const cases: [string[], string][] = [
    [['--port'], 'flag needs an argument: --port'],
    [['-f'], "flag needs an argument: 'f' in -f"],
    [['-of'], "flag needs an argument: 'f' in -f"],
    [['-x'], "unknown shorthand flag: 'x' in -x"],
    [['-ox'], "unknown shorthand flag: 'x' in -x"],
    [['--=x'], 'bad flag syntax: --=x'],
    [['---port'], 'bad flag syntax: ---port'],
    [['--prot=1'], 'unknown flag: --prot; did you mean --port?'],
    [['--filename', 'x'], 'unknown flag: --filename; did you mean --file-name?'],
    [['--something-else'], 'unknown flag: --something-else'],
    [['--a\nb'], 'unknown flag: --a\\nb'],
    [['---a\rb'], 'bad flag syntax: ---a\\rb'],
    [['-\n'], "unknown shorthand flag: '\\n' in -\\n"],
    [['--no-on'], 'unknown flag: --no-on'],
    [['--port=1.5'], 'invalid argument "1.5" for "--port" flag: expected a whole number'],
    [['--on=yes'], 'invalid argument "yes" for "--on" flag: expected true or false'],
    [['--wait=5'], 'invalid argument "5" for "--wait" flag: expected a duration such as 30s or 1m30s'],
    [['--names=a"b'], 'invalid argument "a\\"b" for "--names" flag: expected a list, separated by commas'],
    [['--port=-1'], '--port: found -1, expected a positive number'],
  ]
  for (const [argv, message] of cases)
    t.throws(() => parse(argv), { name: 'ConfigError', message }, argv.join(' '))
  t.throws(() => parse([`--${'x'.repeat(1e6)}`]), { name: 'ConfigError' }, 'a hostile length costs nothing')
  t.end()
})

void t.test('a deprecated name works and is told', (t) => {
  const { settings, warnings } = parseArguments(['--delay=1s'], flags)
  t.same(settings.get('wait'), { value: 1000, where: '--delay' })
  t.same(warnings, ['Flag --delay has been deprecated, use --wait instead'])
  t.end()
})
