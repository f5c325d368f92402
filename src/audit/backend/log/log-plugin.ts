import { ConfigError } from '../../../errors.js'
import { encodeLegacy } from '../../encode-legacy.js'
import { newLineEncoder } from '../../encode.js'
import { PluginProblems } from '../plugin-problems.js'
import type { BackendPlugin, Form, OpenedBackend, PluginDeps } from '../plugin.js'
import { readSealOptions, SEAL_FLAGS, type SealOptions } from '../../seal/options.js'
import { LOG_PLUGIN, LogBackend } from './log-backend.js'
import { watchOutput } from './log-output.js'
import { openLogSeal } from './log-seal.js'
import { openLogOutput } from './open-log-output.js'
import { AUDIT_LOG_FLAGS, readAuditLogOptions, type AuditLogOptions } from './options.js'

/** The log takes batches in the order in which it is handed them, and joins those that wait. */
const IN_FLIGHT = 1024

/** The audit log: a file, standard output, a pipe (k8s.io/apiserver/plugin/pkg/audit/log). */
export const logPlugin: BackendPlugin = {
  name: LOG_PLUGIN,
  flags: [...AUDIT_LOG_FLAGS, ...SEAL_FLAGS],
  configure(settings) {
    const options = readAuditLogOptions(settings)
    const seal = readSealOptions(settings)
    if (seal !== undefined) checkSealed(options, seal)
    if (options === undefined) return undefined
    return {
      name: LOG_PLUGIN,
      where: options.where,
      delivery: options.delivery,
      takesLines: options.format === 'json',
      open: (form, deps) => open(options, seal, form, deps),
    }
  },
}

/** @throws ConfigError where there is nothing to seal, or nobody who could wait for it */
function checkSealed(options: AuditLogOptions | undefined, { where, strict }: SealOptions): void {
  if (options === undefined)
    throw new ConfigError(`${where} is set, expected --audit-log-path as well: the log is what is sealed`)
  if (strict && options.delivery.mode === 'batch')
    throw new ConfigError(
      '--audit-log-mode: found batch, expected blocking or blocking-strict with --audit-seal-strict',
    )
}

async function open<E>(
  options: AuditLogOptions,
  seal: SealOptions | undefined,
  form: Form<E>,
  deps: PluginDeps,
): Promise<OpenedBackend<E>> {
  const { metrics, problems, health } = deps
  const { format, delivery } = options
  const encode = form.encoder(
    format === 'legacy' ? (event) => Buffer.from(encodeLegacy(event)) : newLineEncoder(delivery.version),
  )
  const errors = new PluginProblems(LOG_PLUGIN, metrics, problems)
  const openSeal = seal && (() => openLogSeal(options.path, seal, errors, deps))
  const output = await openLogOutput(options, errors, openSeal)
  // In batch mode the buffer bounds what waits.
  const maxPending = delivery.mode === 'batch' ? Infinity : undefined
  const backend = new LogBackend(watchOutput(output, health), encode, errors, metrics, maxPending)
  return { backend, maxInFlight: IN_FLIGHT }
}
