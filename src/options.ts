import { CAPTURE_FLAGS, readCaptureOptions } from './audit/capture/options.js'
import { BACKEND_FLAGS, configureBackends } from './audit/backend/registry.js'
import { readWebhookDelivery } from './audit/backend/webhook/options.js'
import { POLICY_FLAGS, readPolicyFile } from './audit/policy/options.js'
import { readSinkOptions, SINK_FLAGS } from './audit/sink/options.js'
import { AUTHENTICATION_FLAGS, readAuthenticationOptions } from './authentication/options.js'
import { parseCommandLine } from './cli/commands.js'
import type { Flag, Settings } from './cli/flag.js'
import { ConfigError } from './errors.js'
import { LOG_FLAGS, readLogOptions, type LogOptions } from './log-options.js'
import type { ProxyOptions } from './proxy/options.js'
import { readShutdownOptions, SHUTDOWN_FLAGS } from './proxy/shutdown-options.js'
import { readSessionOptions, SESSION_FLAGS } from './sessions/options.js'
import { readServingOptions, SERVING_FLAGS } from './server/options.js'
import { readStatusOptions, STATUS_FLAGS } from './server/status-options.js'
import { readUpstreamOptions, UPSTREAM_FLAGS } from './upstream/options.js'
import { readWorkers, WORKER_FLAGS } from './workers/options.js'

/** Everything that the flags say, checked. Durations are milliseconds, sizes bytes. */
export interface Options extends ProxyOptions {
  /** How many processes serve requests; with 1 there is no other process. */
  readonly workers: number
  readonly log: LogOptions
}

export interface OptionsContext {
  readonly env: NodeJS.ProcessEnv
  /** Whether standard error is one, where --log-format is not given. */
  readonly stderrIsTerminal: boolean
}

/** The flags of all rooms, in the order of the sections of `--help`. */
export const PROXY_FLAGS: readonly Flag[] = [
  ...SHUTDOWN_FLAGS,
  ...WORKER_FLAGS,
  ...SERVING_FLAGS,
  ...UPSTREAM_FLAGS,
  ...AUTHENTICATION_FLAGS,
  ...POLICY_FLAGS,
  ...BACKEND_FLAGS,
  ...SINK_FLAGS,
  ...CAPTURE_FLAGS,
  ...SESSION_FLAGS,
  ...STATUS_FLAGS,
  ...LOG_FLAGS,
]

/**
 * The options that the settings and the defaults of the others make, checked against each other and against the files
 * that they name: certificates and keys are read, kubeconfigs and the policy are not.
 *
 * @throws ConfigError
 */
export function readOptions(settings: Settings, { env, stderrIsTerminal }: OptionsContext): Options {
  const upstream = readUpstreamOptions(settings, env)
  const serving = readServingOptions(settings)
  const policyFile = readPolicyFile(settings)
  const backends = configureBackends(settings)
  const [first] = backends
  if (first !== undefined && policyFile === undefined) {
    throw new ConfigError(
      `${first.where} is set, expected --audit-policy-file as well: nothing is recorded without it`,
    )
  }
  const sinks = readSinkOptions(settings)
  return {
    serving,
    upstream,
    authentication: readAuthenticationOptions(settings),
    policyFile,
    capture: readCaptureOptions(settings),
    backends,
    sinks: sinks && { ...sinks, webhook: readWebhookDelivery(settings) },
    sessions: readSessionOptions(settings),
    status: readStatusOptions(settings),
    shutdown: readShutdownOptions(settings),
    workers: readWorkers(settings),
    log: readLogOptions(settings, stderrIsTerminal),
  }
}

/**
 * The options of a command line that runs the proxy, for those who start it inside of another program.
 * @throws ConfigError
 */
export function parseOptions(argv: readonly string[], context: OptionsContext): Options {
  const line = parseCommandLine(argv, { flags: PROXY_FLAGS, commands: [], version: '', columns: 0 })
  if (line.kind !== 'run') throw new ConfigError('expected flags to run the proxy with')
  return readOptions(line.settings, context)
}
