/**
 * What a YAML scalar means, by the rules of gopkg.in/yaml.v2 (resolve.go), which kube-apiserver reads YAML with: mostly
 * YAML 1.1, where `yes` is true and `010` is 8, but without its numbers of base 60, and with `0o10`.
 */

/** A resolved scalar. A string that only looks like a timestamp is a string. */
export type Resolved =
  | { readonly kind: 'null' }
  | { readonly kind: 'bool'; readonly value: boolean }
  /** Between -2^63 and 2^64-1. */
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }

const NULL: Resolved = { kind: 'null' }
const TRUE: Resolved = { kind: 'bool', value: true }
const FALSE: Resolved = { kind: 'bool', value: false }

const WORDS: ReadonlyMap<string, Resolved> = new Map<string, Resolved>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(entry(TRUE)),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(entry(FALSE)),
  ...['', '~', 'null', 'Null', 'NULL'].map(entry(NULL)),
  ...['.nan', '.NaN', '.NAN'].map(entry({ kind: 'float', value: NaN })),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map(entry({ kind: 'float', value: Infinity })),
  ...['-.inf', '-.Inf', '-.INF'].map(entry({ kind: 'float', value: -Infinity })),
])

function entry(value: Resolved): (word: string) => [string, Resolved] {
  return (word) => [word, value]
}

const LONG_TAG = 'tag:yaml.org,2002:'

/**
 * Resolves a scalar with the tag `tag` (in its long form, undefined for none): a plain scalar, or one of any style that
 * has a tag. Undefined means that go-yaml refuses it: the tag does not fit the text.
 */
export function resolveScalar(text: string, tag: string | undefined): Resolved | undefined {
  if (tag === undefined) return resolvePlain(text)
  const short = tag.startsWith(LONG_TAG) ? tag.slice(LONG_TAG.length) : ''
  switch (short) {
    case 'binary':
      return decodeBinary(text)
    case 'bool':
    case 'int':
    case 'null': {
      const plain = resolvePlain(text)
      return plain.kind === short ? plain : undefined
    }
    case 'float': {
      const plain = resolvePlain(text)
      if (plain.kind === 'float') return plain
      // go-yaml does not make a float of what it had to read as a uint64.
      return plain.kind === 'int' && plain.value <= MAX_INT64
        ? { kind: 'float', value: Number(plain.value) }
        : undefined
    }
    case 'timestamp':
      return isTimestamp(text) ? { kind: 'string', value: text } : undefined
    default:
      return { kind: 'string', value: text }
  }
}

const MAX_INT64 = 2n ** 63n - 1n
const MAX_UINT64 = 2n ** 64n - 1n
const FIRST_OF_MEANING = /^[-+.0-9yYnNtTfFoO~]/
const FIRST_OF_NUMBER = /^[-+0-9]/
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/
const POINT_FLOAT = /^\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?$/

function resolvePlain(text: string): Resolved {
  if (text === '') return NULL
  if (!FIRST_OF_MEANING.test(text)) return { kind: 'string', value: text }
  const word = WORDS.get(text)
  if (word !== undefined) return word
  let number: Resolved | undefined
  if (FIRST_OF_NUMBER.test(text)) {
    const digits = text.replaceAll('_', '')
    number = parseInteger(digits) ?? parseFloat64(digits, FLOAT)
  } else if (text.startsWith('.')) {
    number = parseFloat64(text, POINT_FLOAT)
  }
  return number ?? { kind: 'string', value: text }
}

/** Sign, then the digits of base 16, 2, 8 or 10. */
const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/
/** go-yaml reads 0b1 itself when strconv.ParseInt did not, and so lets a sign stand after the prefix. */
const SIGNED_BINARY = /^0b([-+])([01]+)$/
/** More digits than this, without leading zeros, are more than 64 bits in any base. */
const MAX_DIGITS = 64

/** Go's strconv.ParseInt, then ParseUint, of base 0 and 64 bits. Undefined where both fail. */
function parseInteger(text: string): Resolved | undefined {
  let sign: string | undefined
  let literal: string
  const match = INTEGER.exec(text)
  if (match !== null) {
    const [, , hex, binary, octal, decimal] = match
    sign = match[1]
    if (hex !== undefined) literal = '0x' + significant(hex)
    else if (binary !== undefined) literal = '0b' + significant(binary)
    else if (octal !== undefined) literal = '0o' + significant(octal)
    else literal = decimal as string
  } else {
    const signed = SIGNED_BINARY.exec(text)
    if (signed === null) return undefined
    sign = signed[1]
    literal = '0b' + significant(signed[2] as string)
  }
  if (literal.length > MAX_DIGITS + 2) return undefined
  const value = sign === '-' ? -BigInt(literal) : BigInt(literal)
  const max = sign === '' ? MAX_UINT64 : MAX_INT64
  return value >= -MAX_INT64 - 1n && value <= max ? { kind: 'int', value } : undefined
}

function significant(digits: string): string {
  return digits.replace(/^0+(?=.)/, '')
}

/** Go's strconv.ParseFloat of what has the syntax `pattern`. It refuses what is too large. */
function parseFloat64(text: string, pattern: RegExp): Resolved | undefined {
  if (!pattern.test(text)) return undefined
  const value = Number(text.replaceAll('_', ''))
  return Number.isFinite(value) ? { kind: 'float', value } : undefined
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function decodeBinary(text: string): Resolved | undefined {
  const packed = text.replace(/[\r\n]+/g, '')
  return BASE64.test(packed) ? { kind: 'string', value: Buffer.from(packed, 'base64').toString() } : undefined
}

const TIMESTAMP =
  /^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(?:Z|[-+]([0-9]{2}):([0-9]{2}))| +([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?)?$/

/** Whether go-yaml takes it for a timestamp (resolve.go parseTimestamp). */
function isTimestamp(text: string): boolean {
  const match = TIMESTAMP.exec(text)
  if (match === null) return false
  const part = (i: number): number => Number(match[i] ?? 0)
  const days = new Date(Date.UTC(2000 + (part(1) % 400), part(2), 0)).getUTCDate()
  const [hour, minute, second] = [part(4) + part(9), part(5) + part(10), part(6) + part(11)]
  if (part(2) < 1 || part(2) > 12 || part(3) < 1 || part(3) > days) return false
  return hour < 24 && minute < 60 && second < 60 && part(7) <= 24 && part(8) < 60
}
