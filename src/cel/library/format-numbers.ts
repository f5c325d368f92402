import type { Meter } from '../meter.js'
import { plain } from './conversion.js'

/** A Go program that is asked for this many digits or characters says that it has no verb. */
const NO_VERB = '%!(NOVERB)'
/** No double has more digits after the point. */
const MAX_FRACTION = 1074
const SCIENTIFIC_DIGITS = 7

/** golang.org/x/text/internal/format parsenum: whether it gives up on the number, which it does one digit late. */
function isTooLarge(number: number): boolean {
  return number >= 10 && Number(String(number).slice(0, -1)) > 1e6
}

/** Special values as they are written in English. */
function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return undefined
  return value > 0 ? '∞' : '-∞'
}

/**
 * `%.2f` with golang.org/x/text/message in English: grouped digits, halves to even. It keeps the precision in too few bits, so
 * that large ones come out as others.
 */
export function formatFixed(meter: Meter, value: number, precision: number): string {
  if (isTooLarge(precision)) return NO_VERB
  const name = special(value)
  if (name !== undefined) return name
  const most = (precision << 16) >> 16
  const least = precision & 0xff
  meter.work(1000)
  const size = Math.abs(value)
  const digits = most < 0 ? plain(size) : rounded(size, Math.min(most, MAX_FRACTION))
  const [whole = '', fraction = ''] = digits.split('.')
  const shown = fraction.replace(/0+$/, '').padEnd(least, '0')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return `${value < 0 ? '-' : ''}${grouped}${shown === '' ? '' : `.${shown}`}`
}

/** Go's own %.6f, which is how a double is written in a list. */
export function formatPlainFixed(value: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  return `${sign}${rounded(Math.abs(value), 6)}`
}

/** With so many digits after the point; of two that are as near, the even one. */
function rounded(value: number, places: number): string {
  const { mantissa, exponent } = parts(value)
  const scaled = mantissa * 10n ** BigInt(places)
  const whole = exponent >= 0 ? scaled << BigInt(exponent) : halfToEven(scaled, 1n << BigInt(-exponent))
  const digits = String(whole).padStart(places + 1, '0')
  return `${digits.slice(0, digits.length - places)}.${digits.slice(digits.length - places)}`
}

function halfToEven(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  const twice = (value % divisor) * 2n
  const up = twice > divisor || (twice === divisor && quotient % 2n === 1n)
  return up ? quotient + 1n : quotient
}

/** The integer and the power of two that a positive double is. */
function parts(value: number): { mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const exponent = Number(bits >> 52n)
  const fraction = bits & ((1n << 52n) - 1n)
  return exponent === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | (1n << 52n), exponent: exponent - 1075 }
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹'

/**
 * `%e` with golang.org/x/text/message in English: `1.500000×10⁰³`.
 *
 * @param width to which cel-go, that means a precision, fills it up with spaces
 */
export function formatScientific(meter: Meter, value: number, width: number): string {
  if (isTooLarge(width)) return NO_VERB
  const filled = width & 0xffff
  meter.size(filled)
  meter.work(1000)
  return (special(value) ?? scientific(value)).padStart(filled)
}

function scientific(value: number): string {
  const { digits, power } = significant(Math.abs(value))
  const exponent = [...String(Math.abs(power)).padStart(2, '0')].map((digit) =>
    SUPERSCRIPTS.charAt(Number(digit)),
  )
  const shown = `${digits.charAt(0)}.${digits.slice(1)}`
  return `${value < 0 ? '-' : ''}${shown}×10${power < 0 ? '⁻' : ''}${exponent.join('')}`
}

/** Seven digits, and the power of ten of the first. */
function significant(value: number): { digits: string; power: number } {
  if (value === 0) return { digits: '0'.repeat(SCIENTIFIC_DIGITS), power: 0 }
  const power = Number(value.toExponential().split('e')[1])
  const { mantissa, exponent } = parts(value)
  const shift = SCIENTIFIC_DIGITS - 1 - power
  const two = exponent >= 0 ? [1n << BigInt(exponent), 1n] : [1n, 1n << BigInt(-exponent)]
  const ten = shift >= 0 ? [10n ** BigInt(shift), 1n] : [1n, 10n ** BigInt(-shift)]
  const [above = 1n, below = 1n] = [0, 1].map((i) => (two[i] as bigint) * (ten[i] as bigint))
  const digits = String(halfToEven(mantissa * above, below))
  return digits.length > SCIENTIFIC_DIGITS
    ? { digits: digits.slice(0, SCIENTIFIC_DIGITS), power: power + 1 }
    : { digits, power }
}
