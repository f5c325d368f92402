const MAX_DATE_SECONDS = 8.64e12

/** The seconds of Go's zero time.Time, the first of January of the year 1. */
const ZERO_TIME = '-62135596800'

/**
 * metav1.Time in JSON: RFC 3339 in UTC, with whole seconds; null for Go's zero time. `seconds` is decimal and counts from
 * the Unix epoch. A time so far away that no Date can hold it is shown as these seconds behind an @.
 */
export function formatTime(seconds: string): string {
  return seconds === ZERO_TIME ? 'null' : rfc3339(seconds, '')
}

/** metav1.MicroTime in JSON: as formatTime, with six digits behind the seconds. */
export function formatMicroTime(seconds: string, nanoseconds: number): string {
  const microseconds = Math.trunc(nanoseconds / 1000)
  const carry = Math.floor(microseconds / 1e6)
  const fraction = String(microseconds - carry * 1e6).padStart(6, '0')
  const whole = carry === 0 ? seconds : String(BigInt(seconds) + BigInt(carry))
  return whole === ZERO_TIME && microseconds === 0 ? 'null' : rfc3339(whole, `.${fraction}`)
}

function rfc3339(seconds: string, fraction: string): string {
  const s = Number(seconds)
  if (Math.abs(s) > MAX_DATE_SECONDS) return `"@${seconds}"`
  const date = new Date(s * 1000)
  const year = date.getUTCFullYear()
  const yyyy = `${year < 0 ? '-' : ''}${String(Math.abs(year)).padStart(4, '0')}`
  return `"${yyyy}${date.toISOString().slice(-20, -5)}${fraction}Z"`
}

const SECOND = 1_000_000_000n
const UNITS = [
  ['ns', 1n],
  ['µs', 1_000n],
  ['ms', 1_000_000n],
] as const

/** Nanoseconds as Go's time.Duration String prints them: 1h2m3.5s, 1.5ms, 0s. */
export function formatDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s'
  const sign = nanoseconds < 0n ? '-' : ''
  const ns = nanoseconds < 0n ? -nanoseconds : nanoseconds
  if (ns < SECOND) {
    const [unit, size] = UNITS.findLast(([, size]) => ns >= size) ?? UNITS[0]
    return `${sign}${decimal(ns, size)}${unit}`
  }
  const minutes = ns / (60n * SECOND)
  const rest = `${decimal(ns % (60n * SECOND), SECOND)}s`
  if (minutes === 0n) return sign + rest
  const hours = minutes / 60n
  return hours === 0n ? `${sign}${minutes}m${rest}` : `${sign}${hours}h${minutes % 60n}m${rest}`
}

/** value / size, exactly; size is a power of ten. */
function decimal(value: bigint, size: bigint): string {
  const whole = String(value / size)
  const digits = String(size).length - 1
  const fraction = String(value % size)
    .padStart(digits, '0')
    .replace(/0+$/, '')
  return fraction === '' || digits === 0 ? whole : `${whole}.${fraction}`
}
