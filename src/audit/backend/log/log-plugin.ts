import { encodeLegacy } from '../../encode-legacy.js'
import { newLineEncoder } from '../../encode.js'
import { PluginProblems } from '../plugin-problems.js'
import type { BackendPlugin, Form, OpenedBackend, PluginDeps } from '../plugin.js'
import { LOG_PLUGIN, LogBackend } from './log-backend.js'
import { watchOutput } from './log-output.js'
import { openLogOutput } from './open-log-output.js'
import { AUDIT_LOG_FLAGS, readAuditLogOptions, type AuditLogOptions } from './options.js'

/** The log takes batches in the order in which it is handed them, and joins those that wait. */
const IN_FLIGHT = 1024

/** The audit log: a file, standard output, a pipe (k8s.io/apiserver/plugin/pkg/audit/log). */
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
  const { format, delivery } = options
  const encode = form.encoder(
    format === 'legacy' ? (event) => Buffer.from(encodeLegacy(event)) : newLineEncoder(delivery.version),
  )
  const errors = new PluginProblems(LOG_PLUGIN, metrics, problems)
  const output = await openLogOutput(options, errors)
  // In batch mode the buffer bounds what waits.
  const maxPending = delivery.mode === 'batch' ? Infinity : undefined
  const backend = new LogBackend(watchOutput(output, health), encode, errors, metrics, maxPending)
  return { backend, maxInFlight: IN_FLIGHT }
}
