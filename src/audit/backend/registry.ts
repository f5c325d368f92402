import type { Flag, Settings } from '../../cli/flag.js'
import { logPlugin } from './log/log-plugin.js'
import type { BackendPlugin, ConfiguredBackend } from './plugin.js'
import { webhookPlugin } from './webhook/webhook-plugin.js'

/** All kinds of backends. */
export const BACKENDS: readonly BackendPlugin[] = [logPlugin, webhookPlugin]

/** The flags of all of them. */
export const BACKEND_FLAGS: readonly Flag[] = BACKENDS.flatMap(({ flags }) => flags)

/**
 * The backends that the settings ask for.
 * @throws ConfigError
 */
export function configureBackends(
  settings: Settings,
  plugins: readonly BackendPlugin[] = BACKENDS,
): ConfiguredBackend[] {
  return plugins.flatMap((plugin) => plugin.configure(settings) ?? [])
}
