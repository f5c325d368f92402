import { oneOf, unsetOrOneOf } from './cli/checks.js'
import { FlagValues } from './cli/flag-values.js'
import type { Flag, Settings } from './cli/flag.js'

/** pino's, least important first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
/** Of the proxy's own log. */
export const LOG_FORMATS = ['json', 'text'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** The proxy's own log, on standard error. */
export interface LogOptions {
  readonly level: LogLevel
  readonly format: LogFormat
}

const GROUP = 'Logs'

export const LOG_FLAGS = [
  {
    name: 'log-format',
    type: 'string',
    default: '',
    group: GROUP,
    validate: unsetOrOneOf(LOG_FORMATS),
    help: "Format of the proxy's own log on standard error: json or text. Where it is not set, text on a terminal and json otherwise.",
  },
  {
    name: 'log-level',
    type: 'string',
    default: 'info',
    group: GROUP,
    validate: oneOf(LOG_LEVELS),
    help: `Least important messages to log: ${LOG_LEVELS.join(', ')}.`,
  },
] as const satisfies readonly Flag[]

/** @param isTerminal whether standard error is one, where --log-format is not given */
export function readLogOptions(settings: Settings, isTerminal: boolean): LogOptions {
  const values = new FlagValues(LOG_FLAGS, settings)
  const byDefault = isTerminal ? 'text' : 'json'
  return {
    level: values.choice('log-level', LOG_LEVELS),
    format: values.text('log-format') === undefined ? byDefault : values.choice('log-format', LOG_FORMATS),
  }
}
