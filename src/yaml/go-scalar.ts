/**
 * Scalars as go.yaml.in/yaml/v2 resolves them (resolve.go), which is what kube-apiserver reads its files with: YAML 1.1
 * with exceptions. 1:30 is text and not base 60, a date is text, 09 is nine, and y is true.
 */

const TAG = 'tag:yaml.org,2002:'

type Word = readonly [text: string, { readonly tag: string; readonly value: boolean | number | null }]

const WORDS = new Map<string, Word[1]>([
  ...words('bool', true, ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']),
  ...words('bool', false, ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']),
  ...words('null', null, ['', '~', 'null', 'Null', 'NULL']),
  ...words('float', NaN, ['.nan', '.NaN', '.NAN']),
  ...words('float', Infinity, ['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF']),
  ...words('float', -Infinity, ['-.inf', '-.Inf', '-.INF']),
])

function words(tag: string, value: Word[1]['value'], texts: readonly string[]): Word[] {
  return texts.map((text) => [text, { tag, value }] as const)
}

/**
 * The value of a scalar.
 *
 * @param text without quotes and escapes
 * @param tag the long form of an explicit tag, undefined where there is none
 * @param plain whether it stands there without quotes and is no block
 * @returns undefined where the text cannot be what its tag says
 */
export function resolveScalar(
  text: string,
  tag: string | undefined,
  plain: boolean,
): string | number | boolean | null | undefined {
  if (tag === undefined) return plain ? guess(text).value : text
  const short = tag.startsWith(TAG) ? tag.slice(TAG.length) : ''
  switch (short) {
    case 'str':
      return text
    case 'binary':
      return fromBase64(text)
    case 'timestamp':
      return /^\d{4}-\d{1,2}-\d{1,2}([Tt ]|$)/.test(text) ? text : undefined
    case 'bool':
    case 'int':
    case 'null':
    case 'float': {
      const found = guess(text)
      return found.tag === short || (short === 'float' && found.tag === 'int') ? found.value : undefined
    }
    default:
      return text
  }
}

function guess(text: string): { readonly tag: string; readonly value: string | number | boolean | null } {
  const word = WORDS.get(text)
  if (word !== undefined) return word
  if (/^[-+0-9]/.test(text)) {
    const plain = text.replaceAll('_', '')
    const integer = parseInteger(plain)
    if (integer !== undefined) return { tag: 'int', value: integer }
    const float = parseFloat64(plain)
    if (float !== undefined) return { tag: 'float', value: float }
  } else if (text.startsWith('.')) {
    const float = parseFloat64(text)
    if (float !== undefined) return { tag: 'float', value: float }
  }
  return { tag: 'str', value: text }
}

const MAX_INT64 = 2n ** 63n - 1n
const MAX_UINT64 = 2n ** 64n - 1n

/** strconv.ParseInt and ParseUint with base 0. */
function parseInteger(text: string): number | undefined {
  const [, sign = '', prefix = '', digits = ''] =
    /^([-+]?)(0[xXbBoO]|0(?=.))?([0-9a-fA-F]+)$/.exec(text) ?? []
  if (digits === '') return undefined
  const base = prefix === '0' ? '0o' : prefix.toLowerCase()
  let value: bigint
  try {
    value = BigInt(base + digits)
  } catch {
    return undefined
  }
  if (value > (sign === '' ? MAX_UINT64 : sign === '-' ? MAX_INT64 + 1n : MAX_INT64)) return undefined
  return Number(sign === '-' ? -value : value)
}

function parseFloat64(text: string): number | undefined {
  if (!/^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

function fromBase64(text: string): string | undefined {
  const plain = text.replace(/[\r\n]/g, '')
  const valid = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(plain)
  return valid ? Buffer.from(plain, 'base64').toString('utf8') : undefined
}
