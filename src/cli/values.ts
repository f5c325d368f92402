import { isIP } from 'node:net'
import { NAMED_CERT_KEY, type NamedCertKey } from './named-cert-key.js'

/** What each type of flag holds. Durations are milliseconds. */
export interface FlagTypes {
  string: string
  strings: readonly string[]
  stringArray: readonly string[]
  bool: boolean
  int: number
  /** A whole number, or as many as there are of something. */
  count: number | 'auto'
  float32: number
  float64: number
  duration: number
  ip: string
  namedCertKey: readonly NamedCertKey[]
}

export type FlagType = keyof FlagTypes

/** How one type of flag is read and printed, as Go's pflag does it. */
export interface ValueType<T> {
  /** What `--help` shows behind the flag's name. */
  readonly label: string
  /** The value of a flag that is given without one; undefined where it needs one. */
  readonly noOptValue?: string
  /** What parse and fromYaml expect, for messages. */
  readonly expected: string
  /** The value that a text stands for, or undefined where it stands for none. */
  parse(text: string): T | undefined
  /** The value that a typed YAML value stands for, or undefined where it is of another type. */
  fromYaml(value: unknown): T | undefined
  /** The default as `--help` shows it; undefined where that is the type's zero value, which is not shown. */
  formatDefault(value: T): string | undefined
}

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}
/** Go's int64 nanoseconds end there: about 292 years. */
const MAX_NANOSECONDS = 2 ** 63

export const VALUE_TYPES: { readonly [T in FlagType]: ValueType<FlagTypes[T]> } = {
  string: {
    label: 'string',
    expected: 'a string',
    parse: (text) => text,
    fromYaml: (value) => (typeof value === 'string' ? value : undefined),
    formatDefault: (value) => (value === '' ? undefined : JSON.stringify(value)),
  },
  strings: {
    label: 'strings',
    expected: 'a list, separated by commas',
    parse: parseList,
    fromYaml(value) {
      if (typeof value === 'string') return parseList(value)
      return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value : undefined
    },
    formatDefault: (value) => (value.length === 0 ? undefined : `[${value.join(',')}]`),
  },
  stringArray: {
    label: 'stringArray',
    expected: 'a text, or in a file a list of them',
    parse: (text) => [text],
    fromYaml(value) {
      if (typeof value === 'string') return [value]
      return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value : undefined
    },
    formatDefault: (value) => (value.length === 0 ? undefined : `[${value.join(',')}]`),
  },
  bool: {
    label: '',
    noOptValue: 'true',
    expected: 'true or false',
    parse: parseBool,
    fromYaml: (value) => (typeof value === 'boolean' ? value : undefined),
    formatDefault: (value) => (value ? 'true' : undefined),
  },
  int: {
    label: 'int',
    expected: 'a whole number',
    parse: parseInteger,
    fromYaml: (value) => (Number.isSafeInteger(value) ? (value as number) : undefined),
    formatDefault: (value) => (value === 0 ? undefined : String(value)),
  },
  count: {
    label: 'int|auto',
    expected: 'a whole number or auto',
    parse: (text) => (text === 'auto' ? text : parseInteger(text)),
    fromYaml: (value) =>
      value === 'auto' || Number.isSafeInteger(value) ? (value as number | 'auto') : undefined,
    formatDefault: String,
  },
  float32: floatingPoint('float32', 3.4028234663852886e38),
  float64: floatingPoint('float', Number.MAX_VALUE),
  duration: {
    label: 'duration',
    expected: 'a duration such as 30s or 1m30s',
    parse: parseDuration,
    fromYaml: (value) => (typeof value === 'string' ? parseDuration(value) : value === 0 ? 0 : undefined),
    formatDefault: (value) => (value === 0 ? undefined : formatDuration(value)),
  },
  ip: {
    label: 'ip',
    expected: 'an IP address',
    parse: parseIP,
    fromYaml: (value) => (typeof value === 'string' ? parseIP(value) : undefined),
    formatDefault: (value) => (value === '' ? undefined : value),
  },
  namedCertKey: NAMED_CERT_KEY,
}

/**
 * A Go duration in milliseconds (time.ParseDuration): `1m30s`, `1.5h`, `-2ms`, `0`. Undefined where it is none.
 */
export function parseDuration(text: string): number | undefined {
  const [, sign, rest] = /^([-+]?)(.*)$/s.exec(text) as unknown as [string, string, string]
  if (rest === '0') return 0
  let nanoseconds = 0
  let end = 0
  for (const part of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy)) {
    nanoseconds += Number(part[1]) * (NANOSECONDS[part[2] as string] as number)
    end = part.index + part[0].length
  }
  if (end === 0 || end !== rest.length || nanoseconds >= MAX_NANOSECONDS) return undefined
  return ((sign === '-' ? -1 : 1) * Math.trunc(nanoseconds)) / 1e6
}

/** Milliseconds as Go prints them (time.Duration.String): `1m30s`, `1h0m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  const sign = milliseconds < 0 ? '-' : ''
  const value = Math.abs(milliseconds)
  if (value < 1e-3) return `${sign}${Math.round(value * 1e6)}ns`
  if (value < 1) return `${sign}${Math.round(value * 1e6) / 1e3}µs`
  if (value < 1000) return `${sign}${Math.round(value * 1e6) / 1e6}ms`
  const hours = Math.floor(value / 3_600_000)
  const minutes = Math.floor(value / 60_000) % 60
  const seconds = Math.round((value % 60_000) * 1e6) / 1e9
  return `${sign}${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`
}

/** strconv.ParseBool */
function parseBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  return undefined
}

/** strconv.ParseInt with base 0: 0x, 0o, 0b and 0 are prefixes, and underscores may stand between digits. */
function parseInteger(text: string): number | undefined {
  const match =
    /^([-+]?)(0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO]?(?:_?[0-7])+|0|[1-9](?:_?\d)*)$/.exec(text)
  if (match === null) return undefined
  const digits = (match[2] as string).replaceAll('_', '')
  const value = Number(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits)
  if (!Number.isSafeInteger(value)) return undefined
  return match[1] === '-' && value !== 0 ? -value : value
}

/**
 * One record of comma-separated values (encoding/csv): a field with a comma or a quote in it stands in double quotes, in
 * which a quote is written twice. Empty text is an empty list.
 */
function parseList(text: string): readonly string[] | undefined {
  const list: string[] = []
  if (text === '') return list
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|$)/gy
  let more = true
  while (more) {
    const match = field.exec(text)
    if (match === null) return undefined
    list.push(match[1] === undefined ? (match[2] as string) : match[1].replaceAll('""', '"'))
    more = match[3] === ','
  }
  return field.lastIndex === text.length ? list : undefined
}

/** net.ParseIP, which knows no zones. */
function parseIP(text: string): string | undefined {
  const trimmed = text.trim()
  return isIP(trimmed) !== 0 && !trimmed.includes('%') ? trimmed : undefined
}

/** strconv.ParseFloat, but for the forms that nobody writes: hexadecimal, infinite, not a number. */
function floatingPoint(label: string, largest: number): ValueType<number> {
  const within = (value: number) => (Math.abs(value) <= largest ? value : undefined)
  return {
    label,
    expected: 'a number',
    parse: (text) => (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? within(Number(text)) : undefined),
    fromYaml: (value) => (typeof value === 'number' ? within(value) : undefined),
    formatDefault: (value) => (value === 0 ? undefined : String(value)),
  }
}
