import { notNegative } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'

/** How long the end may take. Milliseconds. */
export interface ShutdownOptions {
  /** To go on serving, but not ready, after it has begun. */
  readonly delayDuration: number
  /** After that, for requests under way and for buffered events. */
  readonly timeout: number
}

const GROUP = 'Generic'

export const SHUTDOWN_FLAGS = [
  {
    name: 'shutdown-delay-duration',
    type: 'duration',
    default: 0,
    group: GROUP,
    validate: notNegative,
    help: 'How long to go on serving after a signal to stop, while /readyz already fails, so that load balancers can turn away.',
  },
  {
    name: 'shutdown-timeout',
    type: 'duration',
    default: 60_000,
    group: GROUP,
    validate: notNegative,
    help: 'How long, after that, requests may take to end and events to be delivered.',
  },
] as const satisfies readonly Flag[]

export function readShutdownOptions(settings: Settings): ShutdownOptions {
  const values = new FlagValues(SHUTDOWN_FLAGS, settings)
  return { delayDuration: values.get('shutdown-delay-duration'), timeout: values.get('shutdown-timeout') }
}
