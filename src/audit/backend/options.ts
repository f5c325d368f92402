import { ConfigError } from '../../errors.js'
import { EVENT_VERSIONS, type EventVersion } from '../encode.js'

/** --audit-log-format: k8s.io/apiserver/plugin/pkg/audit/log AllowedFormats. */
export const LOG_FORMATS = ['legacy', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** --audit-log-mode and --audit-webhook-mode: k8s.io/apiserver/pkg/server/options AllowedModes. */
export const MODES = ['batch', 'blocking', 'blocking-strict'] as const
export type Mode = (typeof MODES)[number]

/** --audit-{log,webhook}-batch-*: AuditBatchOptions. Only used in mode `batch`. */
export interface BatchOptions {
  /** How many events may wait to be delivered. */
  bufferSize: number
  /** How much memory they may hold, in bytes, estimated. Not one of kube-apiserver's. */
  bufferBytes: number
  /** How many events a batch has at most. */
  maxSize: number
  /** Milliseconds that an event waits for its batch to fill. */
  maxWait: number
  throttleEnable: boolean
  /** Batches per second. */
  throttleQPS: number
  throttleBurst: number
}

/** --audit-{log,webhook}-truncate-*: AuditTruncateOptions. Sizes in bytes. */
export interface TruncateOptions {
  enabled: boolean
  maxBatchSize: number
  maxEventSize: number
}

/** --audit-log-*: AuditLogOptions. */
export interface AuditLogOptions {
  /** Empty: no log. `-`: standard output. */
  path: string
  /** Days; 0 keeps rotated files whatever their age. */
  maxage: number
  /** Number of rotated files; 0 keeps all of them. */
  maxbackup: number
  /** Megabytes (of 2^20 bytes) before the file is rotated; 0 is 100, as for kube-apiserver. */
  maxsize: number
  compress: boolean
  format: LogFormat
  version: EventVersion
  mode: Mode
  batch: BatchOptions
  truncate: TruncateOptions
}

/** --audit-webhook-*: AuditWebhookOptions. */
export interface AuditWebhookOptions {
  /** A kubeconfig file. Empty: no webhook. */
  configFile: string
  /** Milliseconds before the first retry. */
  initialBackoff: number
  version: EventVersion
  mode: Mode
  batch: BatchOptions
  truncate: TruncateOptions
  /** Where events wait on disk for the webhook, in mode `batch`. Not one of kube-apiserver's. Empty directory: nowhere. */
  spool: { directory: string; maxBytes: number }
}

export interface AuditBackendOptions {
  log: AuditLogOptions
  webhook: AuditWebhookOptions
}

/** k8s.io/apiserver/pkg/server/options/audit.go NewAuditOptions. */
export function defaultAuditBackendOptions(): AuditBackendOptions {
  const bufferSize = 10_000
  const bufferBytes = 256 << 20
  return {
    log: {
      path: '',
      maxage: 0,
      maxbackup: 0,
      maxsize: 0,
      compress: false,
      format: 'json',
      version: 'audit.k8s.io/v1',
      mode: 'blocking',
      // The log writes together what arrives together: larger batches would not help it.
      batch: {
        bufferSize,
        bufferBytes,
        maxSize: 1,
        maxWait: 0,
        throttleEnable: false,
        throttleQPS: 0,
        throttleBurst: 0,
      },
      truncate: defaultTruncateOptions(),
    },
    webhook: {
      configFile: '',
      initialBackoff: 10_000,
      version: 'audit.k8s.io/v1',
      mode: 'batch',
      batch: {
        bufferSize,
        bufferBytes,
        maxSize: 400,
        maxWait: 30_000,
        throttleEnable: true,
        throttleQPS: 10,
        throttleBurst: 15,
      },
      truncate: defaultTruncateOptions(),
      spool: { directory: '', maxBytes: 1 << 30 },
    },
  }
}

/** k8s.io/apiserver/pkg/server/options/audit.go NewAuditTruncateOptions. */
function defaultTruncateOptions(): TruncateOptions {
  return { enabled: false, maxBatchSize: 10 << 20, maxEventSize: 100 << 10 }
}

/**
 * k8s.io/apiserver/pkg/server/options/audit.go Validate: options of a backend that is not in use may be anything.
 * @throws ConfigError that names the flag
 */
export function validateAuditBackendOptions({ log, webhook }: AuditBackendOptions): void {
  if (log.path !== '') {
    for (const name of ['maxage', 'maxbackup', 'maxsize'] as const) atLeast(`audit-log-${name}`, log[name], 0)
    oneOf('audit-log-format', log.format, LOG_FORMATS)
    validateDelivery('log', log)
  }
  if (webhook.configFile !== '') {
    atLeast('audit-webhook-initial-backoff', webhook.initialBackoff, 0)
    validateDelivery('webhook', webhook)
    const { directory, maxBytes } = webhook.spool
    if (directory !== '') {
      if (webhook.mode !== 'batch')
        fail('audit-webhook-mode', webhook.mode, 'batch with --audit-webhook-spool-directory')
      atLeast('audit-webhook-spool-max-size', maxBytes, 1)
    }
  }
}

function validateDelivery(plugin: string, options: AuditLogOptions | AuditWebhookOptions): void {
  const { mode, version, batch, truncate } = options
  oneOf(`audit-${plugin}-mode`, mode, MODES)
  oneOf(`audit-${plugin}-version`, version, EVENT_VERSIONS)
  if (mode === 'batch') {
    atLeast(`audit-${plugin}-batch-buffer-size`, batch.bufferSize, 1)
    atLeast(`audit-${plugin}-batch-buffer-bytes`, batch.bufferBytes, 1)
    atLeast(`audit-${plugin}-batch-max-size`, batch.maxSize, 1)
    atLeast(`audit-${plugin}-batch-max-wait`, batch.maxWait, 0)
    if (batch.throttleEnable) {
      if (!(batch.throttleQPS > 0))
        fail(`audit-${plugin}-batch-throttle-qps`, batch.throttleQPS, 'a positive number')
      atLeast(`audit-${plugin}-batch-throttle-burst`, batch.throttleBurst, 1)
    }
  }
  atLeast(`audit-${plugin}-truncate-max-event-size`, truncate.maxEventSize, 1)
  if (!(truncate.maxBatchSize >= truncate.maxEventSize)) {
    const least = `at least --audit-${plugin}-truncate-max-event-size (${truncate.maxEventSize})`
    fail(`audit-${plugin}-truncate-max-batch-size`, truncate.maxBatchSize, least)
  }
}

function oneOf(flag: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) fail(flag, JSON.stringify(value), `one of ${allowed.join(', ')}`)
}

function atLeast(flag: string, value: number, least: number): void {
  if (!(Number.isInteger(value) && value >= least)) fail(flag, value, `a whole number of at least ${least}`)
}

function fail(flag: string, value: string | number, expected: string): never {
  throw new ConfigError(`--${flag}: found ${value}, expected ${expected}`)
}
