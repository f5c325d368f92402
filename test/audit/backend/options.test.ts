import t from 'tap'
import type { AuditBackendOptions } from '../../../src/audit/backend/options.js'
import {
  defaultAuditBackendOptions,
  validateAuditBackendOptions,
} from '../../../src/audit/backend/options.js'

function enabled(): AuditBackendOptions {
  const options = defaultAuditBackendOptions()
  options.log.path = '/var/log/audit.log'
  options.webhook.configFile = '/etc/webhook.yaml'
  return options
}

void t.test('the defaults are valid', async () => {
  validateAuditBackendOptions(defaultAuditBackendOptions())
  validateAuditBackendOptions(enabled())
})

void t.test('each mistake names its flag', async (t) => {
  const table: [change: (options: AuditBackendOptions) => void, message: string][] = [
    [(o) => (o.log.maxage = -1), '--audit-log-maxage: found -1, expected a whole number of at least 0'],
    [
      (o) => (o.log.maxbackup = 0.5),
      '--audit-log-maxbackup: found 0.5, expected a whole number of at least 0',
    ],
    [(o) => (o.log.maxsize = NaN), '--audit-log-maxsize: found NaN, expected a whole number of at least 0'],
    [
      (o) => (o.log.format = 'xml' as 'json'),
      '--audit-log-format: found "xml", expected one of legacy, json',
    ],
    [
      (o) => (o.log.mode = 'sync' as 'batch'),
      '--audit-log-mode: found "sync", expected one of batch, blocking, blocking-strict',
    ],
    [
      (o) => (o.webhook.version = 'v1' as 'audit.k8s.io/v1'),
      '--audit-webhook-version: found "v1", expected one of audit.k8s.io/v1, audit.k8s.io/v1beta1, audit.k8s.io/v1alpha1',
    ],
    [
      (o) => (o.webhook.batch.bufferSize = 0),
      '--audit-webhook-batch-buffer-size: found 0, expected a whole number of at least 1',
    ],
    [
      (o) => (o.webhook.batch.maxSize = 0),
      '--audit-webhook-batch-max-size: found 0, expected a whole number of at least 1',
    ],
    [
      (o) => (o.webhook.batch.throttleQPS = 0),
      '--audit-webhook-batch-throttle-qps: found 0, expected a positive number',
    ],
    [
      (o) => (o.webhook.batch.throttleBurst = 0),
      '--audit-webhook-batch-throttle-burst: found 0, expected a whole number of at least 1',
    ],
    [
      (o) => (o.log.truncate.maxEventSize = 0),
      '--audit-log-truncate-max-event-size: found 0, expected a whole number of at least 1',
    ],
    [
      (o) => (o.log.truncate.maxBatchSize = 1000),
      '--audit-log-truncate-max-batch-size: found 1000, expected at least --audit-log-truncate-max-event-size (102400)',
    ],
    [
      (o) => {
        o.webhook.spool.directory = '/var/spool/audit'
        o.webhook.mode = 'blocking'
      },
      '--audit-webhook-mode: found blocking, expected batch with --audit-webhook-spool-directory',
    ],
    [
      (o) => (o.webhook.spool = { directory: '/var/spool/audit', maxBytes: 0 }),
      '--audit-webhook-spool-max-size: found 0, expected a whole number of at least 1',
    ],
  ]
  for (const [change, message] of table) {
    const options = enabled()
    change(options)
    t.throws(() => validateAuditBackendOptions(options), { name: 'ConfigError', message })
  }
})

void t.test('what is not used is not looked at', async () => {
  const off = defaultAuditBackendOptions()
  off.log.maxage = -1
  off.webhook.batch.bufferSize = 0
  validateAuditBackendOptions(off)
  const blocking = enabled()
  blocking.webhook.mode = 'blocking'
  blocking.webhook.batch.bufferSize = 0
  validateAuditBackendOptions(blocking)
  const unthrottled = enabled()
  Object.assign(unthrottled.webhook.batch, { throttleEnable: false, throttleQPS: 0 })
  validateAuditBackendOptions(unthrottled)
})
