import type { Logger } from 'pino'
import { ConfigError, errorMessage } from '../../errors.js'
import type { Reloadable } from '../../live/reloadable.js'
import { RateLimitedLog } from '../../rate-limited-log.js'
import { encodeLegacy } from '../encode-legacy.js'
import { newLineEncoder, type EventVersion } from '../encode.js'
import type { Event } from '../event.js'
import type { AuditMetrics } from '../metrics.js'
import type { Backend } from './backend.js'
import { IgnoreErrorsBackend } from './blocking.js'
import { BUFFERED_PLUGIN, BufferedBackend, estimateBytes } from './buffered.js'
import { watchOutput, type DeliveryHealth } from './delivery-health.js'
import { EncodingBackend } from './encoding.js'
import { LiveWebhookClient } from './webhook/live-webhook-client.js'
import { Backups } from './log/backups.js'
import { LogFile } from './log/log-file.js'
import { standardOutput, type LogOutput } from './log/log-output.js'
import { LOG_PLUGIN, LogBackend } from './log/log-backend.js'
import { validateAuditBackendOptions } from './options.js'
import type { AuditBackendOptions, AuditLogOptions, AuditWebhookOptions } from './options.js'
import { PluginErrors } from './plugin-errors.js'
import { newSpooledWebhookBackend } from './webhook/spooled-webhook.js'
import { TokenBucket } from '../../token-bucket.js'
import { TRUNCATE_PLUGIN, TruncateBackend } from './truncate.js'
import { union } from './union.js'
import { WEBHOOK_PLUGIN } from './webhook/webhook-delivery.js'
import { newWebhookBackend } from './webhook/webhook-backend.js'

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

type PluginOptions = AuditLogOptions | AuditWebhookOptions

/** What V8 keeps of a Buffer besides its bytes. */
const LINE_OVERHEAD = 128
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

/** What the backends are handed, and how they read it. */
interface Form<E> {
  /** Makes an encoder of one event as one line, without its newline. */
  encoder(options: { readonly version: EventVersion; readonly format?: string }): (event: E) => Buffer
  /** What one event holds in memory, about, in bytes. */
  sizeOf(event: E): number
  /** The plugin behind the truncation that the options ask for. */
  truncated(plugin: Backend<E>, options: PluginOptions, encode: (event: E) => Buffer, deps: Deps): Backend<E>
}

const EVENTS: Form<Event> = {
  encoder: ({ version, format }) =>
    format === 'legacy' ? (event) => Buffer.from(encodeLegacy(event)) : newLineEncoder(version),
  sizeOf: estimateBytes,
  truncated(plugin, { truncate }, encode, { metrics, problems }) {
    if (!truncate.enabled) return plugin
    const errors = new PluginErrors(TRUNCATE_PLUGIN, metrics, problems, plugin.name)
    return new TruncateBackend(plugin, truncate, encode, errors, metrics)
  },
}

/** Lines, as an EncodingBackend makes them. */
const LINES: Form<Buffer> = {
  encoder: () => (line) => line,
  sizeOf: (line) => LINE_OVERHEAD + line.length,
  truncated: (plugin) => plugin,
}

/**
 * The audit backend that the options ask for, or undefined if they ask for none: the union of log and webhook, each
 * [buffered or ignoreErrors] of [truncate] of the plugin. kube-apiserver has truncate outside of buffered, where
 * max-batch-size never sees a batch. A spooled webhook is a buffer itself. Where all write the same lines, which is most
 * often, events are encoded once, before all of these.
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
  const version = commonVersion(options)
  if (version === undefined) return newBackends(options, EVENTS, all)
  const lines = await newBackends(options, LINES, all)
  const errors = new PluginErrors('encoding', deps.metrics, problems)
  return lines && new EncodingBackend(lines, version, errors)
}

/** The version of the lines that all plugins write; undefined where one needs the event itself, or other lines. */
function commonVersion({ log, webhook }: AuditBackendOptions): EventVersion | undefined {
  const plugins = [...(log.path === '' ? [] : [log]), ...(webhook.configFile === '' ? [] : [webhook])]
  if (plugins.some(({ truncate }) => truncate.enabled) || (log.path !== '' && log.format === 'legacy')) {
    return undefined
  }
  const versions = new Set(plugins.map(({ version }) => version))
  return versions.size === 1 ? plugins[0]?.version : undefined
}

async function newBackends<E>(
  { log, webhook }: AuditBackendOptions,
  form: Form<E>,
  deps: Deps,
): Promise<Backend<E> | undefined> {
  const backends: Backend<E>[] = []
  try {
    if (log.path !== '') backends.push(await newLog(log, form, deps))
    if (webhook.configFile !== '') backends.push(await newWebhook(webhook, form, deps))
  } catch (err) {
    for (const backend of backends) await backend.shutdown(AbortSignal.abort())
    throw err
  }
  const [first, ...others] = backends
  return first && closing(union([first, ...others]), deps.problems)
}

async function newLog<E>(options: AuditLogOptions, form: Form<E>, deps: Deps): Promise<Backend<E>> {
  const { path, mode } = options
  const encode = form.encoder(options)
  const errors = new PluginErrors(LOG_PLUGIN, deps.metrics, deps.problems)
  const output = path === '-' ? standardOutput() : await openLogFile(options, errors)
  // In batch mode the buffer bounds what waits.
  const maxPending = mode === 'batch' ? Infinity : undefined
  const health = deps.health?.(LOG_PLUGIN)
  const watched = health === undefined ? output : watchOutput(output, health)
  const log = new LogBackend(watched, encode, errors, deps.metrics, maxPending)
  const plugin = { name: LOG_PLUGIN, maxInFlight: LOG_IN_FLIGHT }
  return inMode(form.truncated(log, options, encode, deps), plugin, options, form, deps)
}

async function newWebhook<E>(options: AuditWebhookOptions, form: Form<E>, deps: Deps): Promise<Backend<E>> {
  const { configFile, initialBackoff, batch, truncate, spool } = options
  const { log, metrics } = deps
  const encode = form.encoder(options)
  const problems = new PluginErrors(WEBHOOK_PLUGIN, metrics, deps.problems)
  const health = deps.health?.(WEBHOOK_PLUGIN)
  const client = new LiveWebhookClient(configFile, log, {
    onAttempt: (attempt) => (attempt.delivered ? health?.succeeded() : health?.failed(attempt.reason)),
  })
  deps.onReloadable?.(client)
  const webhookDeps = { client, encode, problems, metrics }
  if (spool.directory === '') {
    const webhook = newWebhookBackend({ initialBackoff }, webhookDeps)
    const plugin = { name: WEBHOOK_PLUGIN, maxInFlight: WEBHOOK_IN_FLIGHT }
    return inMode(form.truncated(webhook, options, encode, deps), plugin, options, form, deps)
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
  return form.truncated(await newSpooledWebhookBackend(config, webhookDeps), options, encode, deps)
}

/** The delegate in the mode that the options ask for: AuditBatchOptions wrapBackend. */
function inMode<E>(
  delegate: Backend<E>,
  plugin: { readonly name: string; readonly maxInFlight: number },
  { mode, batch }: PluginOptions,
  form: Form<E>,
  { metrics, problems }: Deps,
): Backend<E> {
  switch (mode) {
    case 'blocking-strict':
      return delegate
    case 'blocking':
      return new IgnoreErrorsBackend(delegate)
    case 'batch': {
      const config = {
        plugin: plugin.name,
        bufferSize: batch.bufferSize,
        bufferBytes: batch.bufferBytes,
        maxBatchSize: batch.maxSize,
        maxBatchWait: batch.maxWait,
        throttle: batch.throttleEnable ? { qps: batch.throttleQPS, burst: batch.throttleBurst } : undefined,
        maxInFlight: plugin.maxInFlight,
      }
      const errors = new PluginErrors(BUFFERED_PLUGIN, metrics, problems, plugin.name)
      return new BufferedBackend(delegate, config, (event) => form.sizeOf(event), errors, metrics)
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
function closing<E>(backend: Backend<E>, problems: RateLimitedLog): Backend<E> {
  return {
    name: backend.name,
    processEvents: (events) => backend.processEvents(events),
    async shutdown(deadline) {
      await backend.shutdown(deadline)
      problems.close()
    },
  }
}
