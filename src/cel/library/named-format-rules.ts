import { requestURIError } from '../../go-request-uri.js'
import { quote } from '../../go-quote.js'

/** @returns what is wrong with the text, in kube-apiserver's words */
export type Validate = (text: string) => string[]

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const DNS1035_LABEL = '[a-z]([-a-z0-9]*[a-z0-9])?'
const KEY = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const VALUE = `(${KEY})?`

const ALPHANUMERIC = 'must start and end with an alphanumeric character'

/** k8s.io/apimachinery/pkg/util/validation RegexError. */
function patternError(message: string, pattern: string, ...examples: string[]): string {
  const shown = examples.map((example) => `'${example}', `).join(' or ')
  return `${message} (e.g. ${shown}regex used for validation is '${pattern}')`
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern}$`).test(text)
}

function tooLong(text: string, most: number, unit: 'bytes' | 'characters'): string[] {
  return Buffer.byteLength(text) > most ? [`must be no more than ${most} ${unit}`] : []
}

export function dns1123Label(text: string): string[] {
  const wrong = tooLong(text, 63, 'characters')
  if (matches(LABEL, text)) return wrong
  const message = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and ${ALPHANUMERIC}`
  const why = matches(SUBDOMAIN, text)
    ? 'must not contain dots'
    : patternError(message, LABEL, 'my-name', '123-abc')
  return [...wrong, why]
}

export function dns1123Subdomain(text: string): string[] {
  return subdomain(text, 'characters')
}

function subdomain(text: string, unit: 'bytes' | 'characters'): string[] {
  const wrong = tooLong(text, 253, unit)
  if (matches(SUBDOMAIN, text)) return wrong
  const message = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and ${ALPHANUMERIC}`
  return [...wrong, patternError(message, SUBDOMAIN, 'example.com')]
}

export function dns1035Label(text: string): string[] {
  const wrong = tooLong(text, 63, 'characters')
  if (matches(DNS1035_LABEL, text)) return wrong
  const message =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, " +
    'and end with an alphanumeric character'
  return [...wrong, patternError(message, DNS1035_LABEL, 'my-name', 'abc-123')]
}

/** What something will be appended to may end with a dash (k8s.io/apimachinery/pkg/api/validation maskTrailingDash). */
export function prefixOf(validate: Validate): Validate {
  return (text) => {
    if (text.length <= 1 || !text.endsWith('-')) return validate(text)
    // There a byte goes with the dash. Of a longer character what remains is as wrong as the whole is.
    const before = text.charCodeAt(text.length - 2) < 0x80 ? text.slice(0, -2) : text.slice(0, -1)
    return validate(`${before}a`)
  }
}

/** k8s.io/apimachinery/pkg/api/validate/content IsLabelKey. */
export function qualifiedName(text: string): string[] {
  const message = `must consist of alphanumeric characters, '-', '_' or '.', and ${ALPHANUMERIC}`
  const pattern = patternError(message, KEY, 'MyName', 'my.name', '123-abc')
  const parts = text.split('/')
  if (parts.length > 2) {
    return [
      `a valid label key ${pattern} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const [name, prefix] = parts.reverse() as [string, string?]
  const wrong = prefix === '' ? ['must be non-empty'] : prefix === undefined ? [] : subdomain(prefix, 'bytes')
  const wrongName = name === '' ? ['must be non-empty'] : tooLong(name, 63, 'bytes')
  return [
    ...wrong.map((why) => `prefix part ${why}`),
    ...[...wrongName, ...(matches(KEY, name) ? [] : [pattern])].map((why) => `name part ${why}`),
  ]
}

/** k8s.io/apimachinery/pkg/api/validate/content IsLabelValue. */
export function labelValue(text: string): string[] {
  const wrong = tooLong(text, 63, 'bytes')
  if (matches(VALUE, text)) return wrong
  const message = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and ${ALPHANUMERIC}`
  return [...wrong, patternError(message, VALUE, 'MyValue', 'my_value', '12345')]
}

export function uri(text: string): string[] {
  const why = requestURIError(text)
  return why === undefined ? [] : [`parse ${quote(text)}: ${why}`]
}

function rule(holds: (text: string) => boolean, why: string): Validate {
  return (text) => (holds(text) ? [] : [why])
}

const HEX = '[0-9a-fA-F]'
const UUID = `${HEX}{8}-?${HEX}{4}-?${HEX}{4}-?${HEX}{4}-?${HEX}{12}`

/** k8s.io/kube-openapi/pkg/validation/strfmt: these four. */
export const uuid = rule((text) => matches(UUID, text), 'does not match the UUID format')

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})'
export const base64 = rule((text) => matches(BASE64, text), 'invalid base64')

export const date = rule(isDate, 'invalid date')
export const datetime = rule(isDateTime, 'invalid datetime')

/** Go's time.Parse with `2006-01-02`. */
function isDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text) ?? []
  const time = new Date(0)
  time.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  return time.getUTCMonth() === Number(month) - 1 && time.getUTCDate() === Number(day)
}

/** What comes after a second `t` is not looked at. */
function isDateTime(text: string): boolean {
  const [day = '', time = ''] = text.replaceAll('T', 't').split('t')
  const found = /^(\d\d):(\d\d):(\d\d)([^\n]\d+)?([zZ]|[+-]\d\d:\d\d)$/u.exec(time)
  const [, hour = '99', minute = '99', second = '99'] = found ?? []
  return isDate(day) && hour <= '23' && minute <= '59' && second <= '59'
}
