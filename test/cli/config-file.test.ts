import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readConfig } from '../../src/cli/config-file.js'
import { FLAGS } from '../support/flags.js'

const file = join(t.testdir(), 'config.yaml')

function read(text: string) {
  writeFileSync(file, text)
  return Object.fromEntries([...readConfig(file, FLAGS)].map(([name, { value }]) => [name, value]))
}

void t.test('typed values', (t) => {
  const text = `
# A comment.
secure-port: 8443
bind-address: 127.0.0.1
audit-redact: false
shutdown-timeout: 1m30s
shutdown-delay-duration: 0
audit-webhook-batch-throttle-qps: 0.5
audit-webhook-batch-initial-backoff: 1s
tls-cipher-suites: [TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_GCM_SHA256]
audit_log_path: "-"
`
  t.same(read(text), {
    'secure-port': 8443,
    'bind-address': '127.0.0.1',
    'audit-redact': false,
    'shutdown-timeout': 90_000,
    'shutdown-delay-duration': 0,
    'audit-webhook-batch-throttle-qps': 0.5,
    'audit-webhook-initial-backoff': 1000,
    'tls-cipher-suites': ['TLS_AES_128_GCM_SHA256', 'TLS_RSA_WITH_AES_128_GCM_SHA256'],
    'audit-log-path': '-',
  })
  t.same(read(''), {})
  t.same(read('{"log-level": "debug"}'), { 'log-level': 'debug' })
  t.end()
})

void t.test('mistakes are one line with the file, the line and the key', (t) => {
  const cases: [string, string][] = [
    ['- a', 'expected a mapping with flags as keys'],
    [
      'log-level: info\naudit-log-paht: x',
      'line 2: unknown key: audit-log-paht; did you mean audit-log-path?',
    ],
    ['--secure-port: 1', 'line 1: unknown key: --secure-port; did you mean secure-port?'],
    ['\n\nconfig: x', 'line 3: config: can only be given on the command line'],
    ['1: 2', 'line 1: expected the name of a flag as key'],
    ['secure-port: "8443"', 'line 1: secure-port: found "8443", expected a whole number'],
    ['secure-port: 70000', 'line 1: secure-port: found 70000, expected a port from 0 to 65535'],
    ['secure-port: 1.5', 'line 1: secure-port: found 1.5, expected a whole number'],
    ['audit-redact: "false"', 'line 1: audit-redact: found "false", expected true or false'],
    ['audit-redact: no', 'line 1: audit-redact: found "no", expected true or false'],
    ['audit-log-path:', 'line 1: audit-log-path: found nothing, expected a string'],
    ['audit-log-path: 1', 'line 1: audit-log-path: found 1, expected a string'],
    ['audit-log-path: {a: b}', 'line 1: audit-log-path: found a mapping, expected a string'],
    ['shutdown-timeout: 60', 'line 1: shutdown-timeout: found 60, expected a duration such as 30s or 1m30s'],
    [
      'tls-cipher-suites: [1]',
      'line 1: tls-cipher-suites: found a list, expected a list, separated by commas',
    ],
    ['log-level: info\nlog-level: warn', 'line 2: log-level: is set twice'],
    ['audit-log-path: a\naudit_log_path: b', 'line 2: audit_log_path: is set twice'],
    [
      'log-level: chatty',
      'line 1: log-level: found "chatty", expected one of trace, debug, info, warn, error, fatal',
    ],
    ['secure-port: *x', 'line 1: secure-port: Unresolved alias (the anchor must be set before the alias): x'],
    [
      'secure-port: 1\n---\nlog-level: info',
      'line 2: Source contains multiple documents; please use YAML.parseAllDocuments()',
    ],
    ['a: b: c', 'line 1: Nested mappings are not allowed in compact mappings'],
  ]
  for (const [text, problem] of cases) {
    let message = ''
    try {
      read(text)
    } catch (err) {
      t.equal((err as Error).name, 'ConfigError')
      message = (err as Error).message
    }
    t.equal(message.replace(/ at line \d+, column \d+:?$/, ''), `${file}: ${problem}`)
  }
  t.throws(() => readConfig(`${file}.none`, FLAGS), { message: `--config: ${file}.none: no such file` })
  t.end()
})
