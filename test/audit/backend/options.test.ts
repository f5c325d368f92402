import t from 'tap'
import { configureBackends } from '../../../src/audit/backend/registry.js'
import { settingsOf } from '../../support/flags.js'

const ENABLED = ['--audit-log-path=/var/log/audit.log', '--audit-webhook-config-file=/etc/webhook.yaml']
const configure = (...flags: string[]) =>
  configureBackends(settingsOf(flags.map((flag) => `--audit-${flag}`))).map(({ name }) => name)
const enabled = (...flags: string[]) => {
  const all = [...ENABLED, ...flags.map((flag) => `--audit-${flag}`)]
  return configureBackends(settingsOf(all)).map(({ name }) => name)
}

void t.test('the defaults are valid', async (t) => {
  t.same(configure(), [])
  t.same(enabled(), ['log', 'webhook'])
})

void t.test('each mistake names its flag', async (t) => {
  const table: [flags: string[], message: string][] = [
    [['log-maxage=-1'], '--audit-log-maxage: found -1, expected a whole number of at least 0'],
    [['log-format=xml'], '--audit-log-format: found "xml", expected one of legacy, json'],
    [['log-mode=sync'], '--audit-log-mode: found "sync", expected one of batch, blocking, blocking-strict'],
    [
      ['webhook-version=v1'],
      '--audit-webhook-version: found "v1", expected one of audit.k8s.io/v1, audit.k8s.io/v1beta1, audit.k8s.io/v1alpha1',
    ],
    [
      ['webhook-batch-buffer-size=0'],
      '--audit-webhook-batch-buffer-size: found 0, expected a whole number of at least 1',
    ],
    [
      ['webhook-batch-max-size=0'],
      '--audit-webhook-batch-max-size: found 0, expected a whole number of at least 1',
    ],
    [
      ['webhook-batch-throttle-qps=0'],
      '--audit-webhook-batch-throttle-qps: found 0, expected a positive number',
    ],
    [
      ['webhook-batch-throttle-burst=0'],
      '--audit-webhook-batch-throttle-burst: found 0, expected a whole number of at least 1',
    ],
    [
      ['log-truncate-max-event-size=0'],
      '--audit-log-truncate-max-event-size: found 0, expected a whole number of at least 1',
    ],
    [
      ['log-truncate-max-batch-size=1000'],
      '--audit-log-truncate-max-batch-size: found 1000, expected at least --audit-log-truncate-max-event-size (102400)',
    ],
    [
      ['webhook-spool-directory=/var/spool/audit', 'webhook-mode=blocking', 'webhook-batch-max-size=0'],
      '--audit-webhook-batch-max-size: found 0, expected a whole number of at least 1',
    ],
    [
      ['webhook-spool-directory=/var/spool/audit', 'webhook-spool-max-size=0'],
      '--audit-webhook-spool-max-size: found 0, expected a positive number',
    ],
  ]
  for (const [flags, message] of table) t.throws(() => enabled(...flags), { name: 'ConfigError', message })
})

void t.test('what is not used is not looked at', async (t) => {
  t.same(configure('log-maxage=-1', 'webhook-batch-buffer-size=0'), [])
  const both = ['log', 'webhook']
  t.same(enabled('webhook-mode=blocking', 'webhook-batch-buffer-size=0'), both)
  t.same(enabled('webhook-batch-throttle-enable=false', 'webhook-batch-throttle-qps=0'), both)
})
