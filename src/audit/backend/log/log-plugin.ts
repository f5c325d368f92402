import { ConfigError, errorMessage } from '../../../errors.js'
import { encodeLegacy } from '../../encode-legacy.js'
import { newLineEncoder } from '../../encode.js'
import { PluginProblems } from '../plugin-problems.js'
import type { BackendPlugin, Form, OpenedBackend, PluginDeps } from '../plugin.js'
import { Backups, type BackupOptions } from './backups.js'
import { LOG_PLUGIN, LogBackend } from './log-backend.js'
import { LogFile } from './log-file.js'
import { standardOutput, watchOutput, type LogOutput } from './log-output.js'
import { AUDIT_LOG_FLAGS, readAuditLogOptions, type AuditLogOptions } from './options.js'

const MEGABYTE = 2 ** 20
/** Without rotation kube-apiserver has a plain file and no lumberjack (AuditLogOptions.getWriter), which alone looks after rotated files. */
const ALONE: BackupOptions = { maxAge: 0, maxBackup: 0, compress: false }
/** The log takes batches in the order in which it is handed them, and joins those that wait. */
const IN_FLIGHT = 1024
/** Errors that pass when somebody makes room. They do not keep the proxy from starting. */
const FULL = new Set(['ENOSPC', 'EDQUOT'])

/** The audit log: a file, or standard output (k8s.io/apiserver/plugin/pkg/audit/log). */
export const logPlugin: BackendPlugin = {
  name: LOG_PLUGIN,
  flags: AUDIT_LOG_FLAGS,
  configure(settings) {
    const options = readAuditLogOptions(settings)
    if (options === undefined) return undefined
    return {
      name: LOG_PLUGIN,
      where: options.where,
      delivery: options.delivery,
      takesLines: options.format === 'json',
      open: (form, deps) => open(options, form, deps),
    }
  },
}

async function open<E>(
  options: AuditLogOptions,
  form: Form<E>,
  { metrics, problems, health }: PluginDeps,
): Promise<OpenedBackend<E>> {
  const { path, format, delivery } = options
  const encode = form.encoder(
    format === 'legacy' ? (event) => Buffer.from(encodeLegacy(event)) : newLineEncoder(delivery.version),
  )
  const errors = new PluginProblems(LOG_PLUGIN, metrics, problems)
  const output = path === '-' ? standardOutput() : await openLogFile(options, errors)
  // In batch mode the buffer bounds what waits.
  const maxPending = delivery.mode === 'batch' ? Infinity : undefined
  const backend = new LogBackend(watchOutput(output, health), encode, errors, metrics, maxPending)
  return { backend, maxInFlight: IN_FLIGHT }
}

async function openLogFile(options: AuditLogOptions, errors: PluginProblems): Promise<LogOutput> {
  const { path, maxage, maxbackup, maxsize, compress } = options
  const rotates = maxsize > 0
  const backups = new Backups(
    path,
    rotates ? { maxAge: maxage, maxBackup: maxbackup, compress } : ALONE,
    (reason) => errors.trouble('cannot compress or remove rotated files', reason),
  )
  const file = new LogFile(path, rotates ? maxsize * MEGABYTE : Infinity, backups, (reason) =>
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
