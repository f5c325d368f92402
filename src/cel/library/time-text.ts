import { EvaluationError } from '../errors.js'
import type { Duration, Timestamp } from '../values.js'
import { duration, timestamp } from './arithmetic.js'
import { plain } from './conversion.js'

const SECOND = 1_000_000_000n
const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
}

/**
 * Go's time.ParseDuration: `1h30m`, `-1.5s`.
 *
 * @throws EvaluationError
 */
export function parseDuration(text: string): Duration {
  const found = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text)
  if (found === null || text.length > 200) throw refused('google.protobuf.Duration')
  let nanos = 0n
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(
    /(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g,
  )) {
    const scale = UNITS[unit] as bigint
    nanos += BigInt(whole === '' ? 0 : whole) * scale
    if (fraction !== '') nanos += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length)
  }
  try {
    return duration(found[1] === '-' ? -nanos : nanos)
  } catch {
    throw refused('google.protobuf.Duration')
  }
}

/** As cel-go: seconds, with as many digits as it takes. */
export function formatDuration({ nanos }: Duration): string {
  return `${plain(Number(nanos / SECOND) + Number(nanos % SECOND) / 1e9)}s`
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

/**
 * Go's time.Parse with RFC 3339.
 *
 * @throws EvaluationError
 */
export function parseTimestamp(text: string): Timestamp {
  const found = text.length > 100 ? null : RFC3339.exec(text)
  if (found === null) throw refused('google.protobuf.Timestamp')
  const [
    ,
    year,
    month,
    day,
    hour,
    minute,
    second,
    fraction = '',
    sign,
    offsetHour = '0',
    offsetMinute = '0',
  ] = found
  const [h, m, s] = [Number(hour), Number(minute), Number(second)]
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  const realDay = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
  const realOffset = Number(offsetHour) <= 24 && Number(offsetMinute) < 60
  if (!realDay || !realOffset || h > 23 || m > 59 || s > 59) throw refused('google.protobuf.Timestamp')
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60 * (sign === '-' ? -1 : 1)
  const seconds = BigInt(date.getTime() / 1000 + h * 3600 + m * 60 + s - offset)
  return timestamp(seconds * SECOND + BigInt(fraction.slice(0, 9).padEnd(9, '0')), offset)
}

/** RFC 3339 with as many digits of the second as it takes, in the zone that it was written in. */
export function formatTimestamp({ nanos, offset }: Timestamp): string {
  const local = nanos + BigInt(offset) * SECOND
  const rest = ((local % SECOND) + SECOND) % SECOND
  const time = new Date(Number((local - rest) / 1_000_000n)).toISOString().replace(/\.000Z$/, '')
  const fraction = rest === 0n ? '' : `.${String(rest).padStart(9, '0').replace(/0+$/, '')}`
  return `${time}${fraction}${zone(offset)}`
}

function zone(offset: number): string {
  if (offset === 0) return 'Z'
  const minutes = Math.abs(offset) / 60
  const two = (value: number): string => String(Math.trunc(value)).padStart(2, '0')
  return `${offset < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`
}

function refused(to: string): EvaluationError {
  return new EvaluationError(`type conversion error from 'string' to '${to}'`)
}
