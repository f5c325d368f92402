import type { Logger } from 'pino'
import { ConfigError, errorMessage } from '../../errors.js'
import { RateLimitedLog } from '../../rate-limited-log.js'
import { encodeLegacy } from '../encode-legacy.js'
import { encodeEvent } from '../encode.js'
import type { Event } from '../event.js'
import type { AuditMetrics } from '../metrics.js'
import type { Backend } from './backend.js'
import { IgnoreErrorsBackend } from './blocking.js'
import { BUFFERED_PLUGIN, BufferedBackend } from './buffered.js'
import { Backups } from './log-backups.js'
import { LogFile } from './log-file.js'
import { standardOutput, type LogOutput } from './log-output.js'
import { LOG_PLUGIN, LogBackend } from './log.js'
import { validateAuditBackendOptions } from './options.js'
import type { AuditBackendOptions, AuditLogOptions, AuditWebhookOptions } from './options.js'
import { PluginErrors } from './plugin-errors.js'
import { TRUNCATE_PLUGIN, TruncateBackend } from './truncate.js'
import { union } from './union.js'

export interface AuditBackendDeps {
  readonly log: Logger
  readonly metrics: AuditMetrics
  readonly newWebhookBackend: (options: AuditWebhookOptions, deps: WebhookDeps) => Promise<Backend>
}

/** What a backend reports to. */
export interface ReportDeps {
  readonly metrics: AuditMetrics
  /** Closed after the backends. */
  readonly problems: RateLimitedLog
}

export interface WebhookDeps extends ReportDeps {
  readonly log: Logger
  /** An event as one line of JSON in the webhook's version. */
  readonly encode: (event: Event) => string
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
 * max-batch-size never sees a batch.
 * @throws ConfigError for an option that makes no sense or a log that cannot be opened
 */
export async function newAuditBackend(
  options: AuditBackendOptions,
  deps: AuditBackendDeps,
): Promise<Backend | undefined> {
  validateAuditBackendOptions(options)
  const problems = new RateLimitedLog(deps.log)
  const report = { metrics: deps.metrics, problems }
  const backends: Backend[] = []
  try {
    if (options.webhook.configFile !== '')
      backends.push(await newWebhook(options.webhook, { ...deps, ...report }))
    if (options.log.path !== '') backends.unshift(await newLog(options.log, report))
  } catch (err) {
    for (const backend of backends) await backend.shutdown(AbortSignal.abort())
    throw err
  }
  const [first, ...others] = backends
  return first && closing(union([first, ...others]), problems)
}

async function newLog(options: AuditLogOptions, report: ReportDeps): Promise<Backend> {
  const { format, version, mode } = options
  const encode: Encode = format === 'legacy' ? encodeLegacy : (event) => encodeEvent(event, version)
  const errors = new PluginErrors(LOG_PLUGIN, report.metrics, report.problems)
  const output = options.path === '-' ? standardOutput() : await openLogFile(options, errors)
  // In batch mode the buffer bounds what waits.
  const maxPending = mode === 'batch' ? Infinity : undefined
  return inMode(
    new LogBackend(output, encode, errors, report.metrics, maxPending),
    options,
    LOG_IN_FLIGHT,
    encode,
    report,
  )
}

async function newWebhook(
  options: AuditWebhookOptions,
  deps: ReportDeps & Pick<AuditBackendDeps, 'log' | 'newWebhookBackend'>,
): Promise<Backend> {
  const { log, metrics, problems } = deps
  const encode: Encode = (event) => encodeEvent(event, options.version)
  const webhook = await deps.newWebhookBackend(options, { log, metrics, problems, encode })
  return inMode(webhook, options, WEBHOOK_IN_FLIGHT, encode, deps)
}

/** The plugin with the truncation and in the mode that the options ask for. */
function inMode(
  plugin: Backend,
  { mode, batch, truncate }: AuditLogOptions | AuditWebhookOptions,
  maxInFlight: number,
  encode: Encode,
  { metrics, problems }: ReportDeps,
): Backend {
  const errors = (name: string) => new PluginErrors(name, metrics, problems, plugin.name)
  const delegate = truncate.enabled
    ? new TruncateBackend(plugin, truncate, encode, errors(TRUNCATE_PLUGIN), metrics)
    : plugin
  switch (mode) {
    case 'blocking-strict':
      return delegate
    case 'blocking':
      return new IgnoreErrorsBackend(delegate)
    case 'batch': {
      const { bufferSize, bufferBytes, maxSize, maxWait, throttleEnable, throttleQPS, throttleBurst } = batch
      const throttle = throttleEnable ? { qps: throttleQPS, burst: throttleBurst } : undefined
      const config = {
        plugin: plugin.name,
        bufferSize,
        bufferBytes,
        maxBatchSize: maxSize,
        maxBatchWait: maxWait,
        throttle,
        maxInFlight,
      }
      return new BufferedBackend(delegate, config, errors(BUFFERED_PLUGIN), metrics)
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
