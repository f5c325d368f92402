import { notNegative } from '../cli/checks.js'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'
import { formatDuration } from '../cli/values.js'

/** How long the end may take. Milliseconds. */
export interface ShutdownOptions {
  /** To go on serving, but not ready, after it has begun. */
  readonly delayDuration: number
  /** After that, for requests under way and for buffered events. */
  readonly timeout: number
  /** Whether whoever comes while the last requests are finished is told to come again later. */
  readonly sendRetryAfter: boolean
  /** In which watches are ended one after the other; 0: all at once. */
  readonly watchTerminationGracePeriod: number
}

/** How much of the timeout requests may take, where one process has to do with them: the rest is for their events. */
export const DRAIN_SHARE = 0.75

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
  {
    name: 'shutdown-send-retry-after',
    type: 'bool',
    default: false,
    group: GROUP,
    help: "Listen on, after --shutdown-delay-duration, until the requests under way have ended, and answer others with status 429 and the headers 'Retry-After: 5' and 'Connection: close'. Without it new connections are refused meanwhile.",
  },
  {
    name: 'shutdown-watch-termination-grace-period',
    type: 'duration',
    default: 0,
    group: GROUP,
    validate: notNegative,
    help: 'How long, after --shutdown-delay-duration, the watches under way may take to end. They are ended one after the other, 200 in a second or more, so that their clients do not all come back at once. 0 ends all of them at once. At most three quarters of --shutdown-timeout.',
  },
] as const satisfies readonly Flag[]

/** @throws ConfigError */
export function readShutdownOptions(settings: Settings): ShutdownOptions {
  const values = new FlagValues(SHUTDOWN_FLAGS, settings)
  const timeout = values.get('shutdown-timeout')
  const watchTerminationGracePeriod = values.get('shutdown-watch-termination-grace-period')
  const most = timeout * DRAIN_SHARE
  if (watchTerminationGracePeriod > most)
    values.fail(
      'shutdown-watch-termination-grace-period',
      formatDuration(watchTerminationGracePeriod),
      `at most ${formatDuration(most)}, three quarters of --shutdown-timeout`,
    )
  return {
    delayDuration: values.get('shutdown-delay-duration'),
    timeout,
    sendRetryAfter: values.get('shutdown-send-retry-after'),
    watchTerminationGracePeriod,
  }
}
