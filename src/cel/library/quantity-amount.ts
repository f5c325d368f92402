import { EvaluationError } from '../errors.js'
import type { Meter } from '../meter.js'

/**
 * A quantity's number: value times ten to the power of exponent. kube-apiserver keeps some as an int64 and others as a decimal
 * of any length, which shows: only the first kind has an integer value.
 */
export interface Amount {
  readonly value: bigint
  readonly exponent: number
  readonly decimal: boolean
}

/** The smallest unit: what is finer is rounded away from zero. */
const NANO = -9
const MAX_INT64 = (1n << 63n) - 1n

export function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value
}

export function wholeAmount(value: bigint): Amount {
  return { value, exponent: 0, decimal: false }
}

function decimalAmount(value: bigint, exponent: number): Amount {
  return { value, exponent: exponent | 0, decimal: true }
}

/** Ten to that power, which may be more than anybody has the time for. */
function tenTo(meter: Meter, power: number): bigint {
  meter.size(power)
  countDigits(meter, power)
  return 10n ** BigInt(power)
}

/** What arithmetic with that many digits takes, which grows with their square. */
function countDigits(meter: Meter, digits: number): void {
  meter.work(Math.trunc(digits ** 2 / 1000))
}

/** What a suffix stands for: a power of ten, or of two. */
interface Unit {
  readonly base: 2 | 10
  readonly exponent: number
}

const UNITS: ReadonlyMap<string, Unit> = new Map<string, Unit>([
  ...['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'].map(
    (suffix, i) => [suffix, { base: 10, exponent: 3 * (i - 3) }] as const,
  ),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map(
    (suffix, i) => [suffix, { base: 2, exponent: 10 * (i + 1) }] as const,
  ),
])

function unitOf(suffix: string): Unit {
  const unit = UNITS.get(suffix)
  if (unit !== undefined) return unit
  if (!/^[eE][+-]?\d+$/.test(suffix) || suffix.length > 400) throw refused()
  const exponent = BigInt(suffix.slice(1).replace(/^\+/, ''))
  if (!isInt64(exponent)) throw refused()
  return { base: 10, exponent: Number(BigInt.asIntN(32, exponent)) }
}

function refused(): EvaluationError {
  return new EvaluationError('the text is no quantity')
}

/** From where on other characters than these follow. */
function skip(text: string, from: number, characters: string): number {
  let end = from
  while (end < text.length && characters.includes(text.charAt(end))) end++
  return end
}

const DIGITS = '0123456789'

/** k8s.io/apimachinery/pkg/api/resource parseQuantityString, which is content without any digit. */
function split(text: string): { negative: boolean; num: string; denom: string; suffix: string } {
  const signed = /^[+-]/.test(text) ? 1 : 0
  const zeros = skip(text, signed, '0')
  const point = skip(text, zeros, DIGITS)
  const fraction = text.charAt(point) === '.' ? point + 1 : point
  const denomEnd = fraction > point ? skip(text, fraction, DIGITS) : point
  const letters = skip(text, denomEnd, 'eEinumkKMGTP')
  const exponent = /[+-]/.test(text.charAt(letters)) ? letters + 1 : letters
  if (skip(text, exponent, DIGITS) !== text.length) throw refused()
  return {
    negative: text.startsWith('-'),
    num: text.slice(zeros, point),
    denom: text.slice(fraction, denomEnd),
    suffix: text.slice(denomEnd),
  }
}

/**
 * k8s.io/apimachinery/pkg/api/resource ParseQuantity.
 *
 * @throws EvaluationError
 */
export function parseAmount(meter: Meter, text: string): Amount {
  if (text === '') throw refused()
  const { negative, num, denom, suffix } = split(text)
  const unit = unitOf(suffix)
  const sign = negative ? -1n : 1n
  const small = smallAmount(num === '' ? '0' : num, denom, unit)
  if (small !== undefined) return { ...small, value: small.value * sign }
  // Without a digit there is no number to be read.
  if (!/\d/.test(text.slice(0, text.length - suffix.length))) throw refused()
  countDigits(meter, num.length + denom.length)
  const { value, exponent } = longAmount(meter, BigInt(`0${num}${denom}`), denom.length, unit)
  return decimalAmount(value * sign, exponent)
}

/** Of up to 18 digits and no finer than a nano: what is kept as an int64. */
function smallAmount(num: string, denom: string, { base, exponent }: Unit): Amount | undefined {
  const digits = num.length + denom.length
  if (base === 2) {
    if (denom !== '' || 15 - num.length - (3 * exponent) / 10 - 1 < 0) return undefined
    return wholeAmount(BigInt(num) << BigInt(exponent))
  }
  const scale = (exponent - denom.length) | 0
  if (digits > 18 || scale < NANO) return undefined
  return { value: BigInt(num + denom), exponent: scale, decimal: false }
}

function longAmount(meter: Meter, digits: bigint, places: number, { base, exponent }: Unit): Amount {
  const unscaled = base === 2 ? digits << BigInt(exponent) : digits
  const rounded = roundUp(meter, unscaled, base === 2 ? -places : (exponent - places) | 0)
  if (base === 2 && compareAmounts(meter, rounded, wholeAmount(MAX_INT64)) > 0) {
    return decimalAmount(MAX_INT64, 0)
  }
  return rounded
}

/** In whole nanos. */
function roundUp(meter: Meter, value: bigint, exponent: number): Amount {
  if (value === 0n) return decimalAmount(value, exponent)
  if (exponent >= NANO) return decimalAmount(value * tenTo(meter, exponent - NANO), NANO)
  // Less than any part of a nano.
  if (NANO - exponent > value.toString(16).length * 2) return decimalAmount(1n, NANO)
  const divisor = tenTo(meter, NANO - exponent)
  return decimalAmount((value + divisor - 1n) / divisor, NANO)
}

export function signOf({ value }: Amount): number {
  return value > 0n ? 1 : value < 0n ? -1 : 0
}

/** @returns -1, 0 or 1 */
export function compareAmounts(meter: Meter, a: Amount, b: Amount): number {
  if (signOf(a) !== signOf(b) || signOf(a) === 0) return Math.sign(signOf(a) - signOf(b))
  const [left, right] = aligned(meter, a, b)
  return left < right ? -1 : left > right ? 1 : 0
}

/** Both values with the lesser exponent. */
function aligned(meter: Meter, a: Amount, b: Amount): readonly [bigint, bigint] {
  const least = Math.min(a.exponent, b.exponent)
  const scaled = ({ value, exponent }: Amount): bigint =>
    exponent === least ? value : value * tenTo(meter, exponent - least)
  return [scaled(a), scaled(b)]
}

/** An int64 where both are and the sum is one. */
export function addAmounts(meter: Meter, a: Amount, b: Amount): Amount {
  if (!a.decimal && !b.decimal) {
    if (b.value === 0n) return a
    if (a.value === 0n) return b
    // Any more digits are no int64.
    if (Math.abs(a.exponent - b.exponent) < 20) {
      const [left, right] = aligned(meter, a, b)
      const sum = left + right
      const exponent = Math.min(a.exponent, b.exponent)
      if (isInt64(left) && isInt64(right) && isInt64(sum)) return { value: sum, exponent, decimal: false }
    }
  }
  const [left, right] = aligned(meter, a, b)
  return decimalAmount(left + right, Math.min(a.exponent, b.exponent))
}

/** Go negates the least int64 to itself. */
export function subtractAmounts(meter: Meter, a: Amount, b: Amount): Amount {
  if (a.decimal || b.decimal) return addAmounts(meter, a, { ...b, value: -b.value })
  const sum = addAmounts(meter, a, { ...b, value: BigInt.asIntN(64, -b.value) })
  return sum.decimal ? addAmounts(meter, { ...a, decimal: true }, { ...b, value: -b.value }) : sum
}

/** @returns undefined where kube-apiserver has no int64 of it */
export function integerOf({ value, exponent, decimal }: Amount): bigint | undefined {
  if (decimal || exponent < 0) return undefined
  if (value === 0n || exponent === 0) return value
  if (exponent > 19) return undefined
  const scaled = value * 10n ** BigInt(exponent)
  return isInt64(scaled) ? scaled : undefined
}

export function approximateFloat({ value, exponent }: Amount): number {
  return exponent === 0 ? Number(value) : Number(value) * pow10(exponent)
}

/** Go's math.Pow10, which multiplies two entries of tables. */
function pow10(exponent: number): number {
  const size = Math.abs(exponent)
  const [rest, tens] = [Number(`1e${size % 32}`), size - (size % 32)]
  if (exponent >= 0) return exponent > 308 ? Infinity : Number(`1e${tens}`) * rest
  return exponent < -323 ? 0 : Number(`1e-${tens}`) / rest
}
