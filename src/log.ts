import pino, { type Logger } from 'pino'
import type { LogOptions } from './log-options.js'
import { boundedError, boundedMessage, boundedValue } from './log-values.js'
import { printable, printableJSON, printableLines } from './printable.js'

/** Fields that could carry a credential, should an object with headers ever reach a log line. */
const REDACTED = [
  'authorization',
  'headers.authorization',
  'req.headers.authorization',
  'err.headers',
  'err.config',
  'token',
]

/**
 * The proxy's own log, on standard error, which is written synchronously so that the last words of a crash are in it. A
 * terminal may be what shows it, so nothing in it is hidden.
 */
export function newLogger({ level, format }: LogOptions): Logger {
  const stderr = pino.destination({ dest: 2, sync: true })
  const text = format === 'json' ? (line: string) => `${printableJSON(line.trimEnd())}\n` : textOf
  const destination = { write: (line: string) => void stderr.write(text(line)) }
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => boundedValue(fields) as Record<string, unknown>,
      },
      serializers: { err: boundedError },
      hooks: {
        logMethod(args, method) {
          method.apply(
            this,
            args.map((arg: unknown) => (typeof arg === 'string' ? boundedMessage(arg) : arg)) as typeof args,
          )
        },
      },
      redact: REDACTED,
    },
    destination,
  )
}

/** A line for people: time, level, message, then what else is known. */
function textOf(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const fields = Object.entries(rest)
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('')
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : ''
  const said = `${String(time)} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${fields}`
  return `${printable(said)}${printableLines(stack)}\n`
}
