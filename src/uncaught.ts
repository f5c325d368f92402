import type { Logger } from 'pino'
import { RateLimitedLog } from './rate-limited-log.js'

/**
 * Logs bugs outside of any request, and node's own warnings, instead of ending the process: nobody knows what state a bug
 * left behind, but other requests are not to blame for it. Lasts as long as the process.
 */
export function logUncaught(log: Logger): void {
  const errors = new RateLimitedLog({ warn: (fields, message) => log.error(fields, message) })
  process.on('uncaughtException', (err) => errors.warn('exception', { err }, 'uncaught exception'))
  process.on('unhandledRejection', (err) => errors.warn('rejection', { err }, 'unhandled rejection'))
  // Instead of node's own lines on standard error, which are not the log's.
  const warnings = new RateLimitedLog(log)
  process.removeAllListeners('warning')
  process.on('warning', ({ name, message }) => warnings.warn(name, { warning: name }, message))
}
