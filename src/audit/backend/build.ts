import type { Logger } from 'pino'
import { ConfigError, errorMessage } from '../../errors.js'
import type { Reloadable } from '../../live/reloadable.js'
import { RateLimitedLog } from '../../rate-limited-log.js'
import { encodeLegacy } from '../encode-legacy.js'
import { newEventEncoder } from '../encode.js'
import type { Event } from '../event.js'
import type { AuditMetrics } from '../metrics.js'
import type { Backend } from './backend.js'
import { IgnoreErrorsBackend } from './blocking.js'
import { BUFFERED_PLUGIN, BufferedBackend } from './buffered.js'
import { watchOutput, type DeliveryHealth } from './delivery-health.js'
import { LiveWebhookClient } from './live-webhook-client.js'
import { Backups } from './log-backups.js'
import { LogFile } from './log-file.js'
import { standardOutput, type LogOutput } from './log-output.js'
import { LOG_PLUGIN, LogBackend } from './log.js'
import { validateAuditBackendOptions } from './options.js'
import type { AuditBackendOptions, AuditLogOptions, AuditWebhookOptions } from './options.js'
import { PluginErrors } from './plugin-errors.js'
import { newSpooledWebhookBackend } from './spooled-webhook.js'
import { TokenBucket } from '../../token-bucket.js'
import { TRUNCATE_PLUGIN, TruncateBackend } from './truncate.js'
import { union } from './union.js'
import { WEBHOOK_PLUGIN } from './webhook-delivery.js'
import { newWebhookBackend } from './webhook.js'

export interface AuditBackendDeps {
  readonly log: Logger
  readonly metrics: AuditMetrics
  /** The health of the plugin `log` or `webhook`, which the backend keeps up to date. */
  readonly health?: (plugin: string) => DeliveryHealth
  /** Told what of the backend is made of files and can be made again. */
  readonly onReloadable?: (reloadable: Reloadable) => void
}

interface Deps extends AuditBackendDeps {
  /** Where all plugins report; closed after them. */
  readonly problems: RateLimitedLog
}

type Encode = (event: Event) => string

/** lumberjack's default of MaxSize, in megabytes. */
const DEFAULT_MAXSIZE = 100
/** The log takes batches in the order in which it is handed them, and joins those that wait. */
const LOG_IN_FLIGHT = 1024
/**
 * With the default batches of 400 events this keeps up 4000 events a second, which is all that the default throttle
 * allows, as long as the receiver answers in 400 ms.
 */
const WEBHOOK_IN_FLIGHT = 4
/** Errors that pass when somebody makes room. They do not keep the proxy from starting. */
const FULL = new Set(['ENOSPC', 'EDQUOT'])

/**
 * The audit backend that the options ask for, or undefined if they ask for none: the union of log and webhook, each
 * [buffered or ignoreErrors] of [truncate] of the plugin. kube-apiserver has truncate outside of buffered, where
 * max-batch-size never sees a batch. A spooled webhook is a buffer itself.
 * @throws ConfigError for an option that makes no sense, a log that cannot be opened, a kubeconfig or spool that cannot
 * be used
 */
export async function newAuditBackend(
  options: AuditBackendOptions,
  deps: AuditBackendDeps,
): Promise<Backend | undefined> {
  validateAuditBackendOptions(options)
  const problems = new RateLimitedLog(deps.log)
  const all = { ...deps, problems }
  const backends: Backend[] = []
  try {
    if (options.log.path !== '') backends.push(await newLog(options.log, all))
    if (options.webhook.configFile !== '') backends.push(await newWebhook(options.webhook, all))
  } catch (err) {
    for (const backend of backends) await backend.shutdown(AbortSignal.abort())
    throw err
  }
  const [first, ...others] = backends
  return first && closing(union([first, ...others]), problems)
}

async function newLog(options: AuditLogOptions, deps: Deps): Promise<Backend> {
  const { path, format, version, mode } = options
  const encode: Encode = format === 'legacy' ? encodeLegacy : newEventEncoder(version)
  const errors = new PluginErrors(LOG_PLUGIN, deps.metrics, deps.problems)
  const output = path === '-' ? standardOutput() : await openLogFile(options, errors)
  // In batch mode the buffer bounds what waits.
  const maxPending = mode === 'batch' ? Infinity : undefined
  const health = deps.health?.(LOG_PLUGIN)
  const watched = health === undefined ? output : watchOutput(output, health)
  const log = new LogBackend(watched, encode, errors, deps.metrics, maxPending)
  return inMode(truncated(log, options, encode, deps), LOG_PLUGIN, options, LOG_IN_FLIGHT, deps)
}

async function newWebhook(options: AuditWebhookOptions, deps: Deps): Promise<Backend> {
  const { configFile, initialBackoff, version, batch, truncate, spool } = options
  const { log, metrics } = deps
  const encode: Encode = newEventEncoder(version)
  const problems = new PluginErrors(WEBHOOK_PLUGIN, metrics, deps.problems)
  const health = deps.health?.(WEBHOOK_PLUGIN)
  const client = new LiveWebhookClient(configFile, log, {
    onAttempt: (attempt) => (attempt.delivered ? health?.succeeded() : health?.failed(attempt.reason)),
  })
  deps.onReloadable?.(client)
  const webhookDeps = { client, encode, problems, metrics }
  if (spool.directory === '') {
    const webhook = newWebhookBackend({ initialBackoff }, webhookDeps)
    return inMode(truncated(webhook, options, encode, deps), WEBHOOK_PLUGIN, options, WEBHOOK_IN_FLIGHT, deps)
  }
  const { bufferSize, bufferBytes, maxSize, maxWait } = batch
  const config = {
    initialBackoff,
    bufferSize,
    bufferBytes,
    maxBatchSize: maxSize,
    maxBatchBytes: truncate.maxBatchSize,
    maxBatchWait: maxWait,
    throttle: batch.throttleEnable
      ? new TokenBucket(batch.throttleQPS, batch.throttleBurst, performance.now())
      : undefined,
    spool: { directory: spool.directory, maxSize: spool.maxBytes },
  }
  return truncated(await newSpooledWebhookBackend(config, webhookDeps), options, encode, deps)
}

/** The plugin behind the truncation that the options ask for. */
function truncated(
  plugin: Backend,
  { truncate }: AuditLogOptions | AuditWebhookOptions,
  encode: Encode,
  { metrics, problems }: Deps,
): Backend {
  if (!truncate.enabled) return plugin
  const errors = new PluginErrors(TRUNCATE_PLUGIN, metrics, problems, plugin.name)
  return new TruncateBackend(plugin, truncate, encode, errors, metrics)
}

/** The delegate in the mode that the options ask for: AuditBatchOptions wrapBackend. */
function inMode(
  delegate: Backend,
  plugin: string,
  { mode, batch }: AuditLogOptions | AuditWebhookOptions,
  maxInFlight: number,
  { metrics, problems }: Deps,
): Backend {
  switch (mode) {
    case 'blocking-strict':
      return delegate
    case 'blocking':
      return new IgnoreErrorsBackend(delegate)
    case 'batch': {
      const config = {
        plugin,
        bufferSize: batch.bufferSize,
        bufferBytes: batch.bufferBytes,
        maxBatchSize: batch.maxSize,
        maxBatchWait: batch.maxWait,
        throttle: batch.throttleEnable ? { qps: batch.throttleQPS, burst: batch.throttleBurst } : undefined,
        maxInFlight,
      }
      return new BufferedBackend(
        delegate,
        config,
        new PluginErrors(BUFFERED_PLUGIN, metrics, problems, plugin),
        metrics,
      )
    }
  }
}

async function openLogFile(options: AuditLogOptions, errors: PluginErrors): Promise<LogOutput> {
  const { path, maxsize } = options
  const backups = new Backups(
    path,
    { maxAge: options.maxage, maxBackup: options.maxbackup, compress: options.compress },
    (reason) => errors.trouble('cannot compress or remove rotated files', reason),
  )
  const file = new LogFile(path, (maxsize || DEFAULT_MAXSIZE) * 2 ** 20, backups, (reason) =>
    errors.trouble('cannot rotate', reason),
  )
  try {
    await file.open()
  } catch (err) {
    if (!(err instanceof Error && 'code' in err && FULL.has(String(err.code)))) {
      throw new ConfigError(`--audit-log-path: ${errorMessage(err)}, expected a file that can be written`)
    }
    errors.trouble('cannot open the log', errorMessage(err))
  }
  return file
}

/** The backend, with what was held back in the log of its problems written at the end. */
function closing(backend: Backend, problems: RateLimitedLog): Backend {
  return {
    name: backend.name,
    processEvents: (events) => backend.processEvents(events),
    async shutdown(deadline) {
      await backend.shutdown(deadline)
      problems.close()
    },
  }
}
