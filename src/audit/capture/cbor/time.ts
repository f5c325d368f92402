import { MalformedCBOR } from './reader.js'

/** The first second of the year 0 and the one behind the year 9999, since the Unix epoch: what Go prints as RFC 3339. */
const FIRST = -62167219200
const END = 253402300800

const RFC3339 = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:[.,](\d+))?(Z|[+-](\d{2}):(\d{2}))$/

/** The text of a tag 0 as Go's time.Time prints it again. Throws MalformedCBOR where Go would not read it. */
export function dateTime(text: string): string {
  const [, whole = '', fraction = '', zone = '', hours = '00', minutes = '00'] = RFC3339.exec(text) ?? []
  const date = new Date(`${whole}Z`)
  const isDate = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(whole)
  if (!isDate || Number(hours) > 23 || Number(minutes) > 59) throw new MalformedCBOR('a time that is none')
  return whole + decimals(fraction) + (zone === '+00:00' || zone === '-00:00' ? 'Z' : zone)
}

/** The seconds of a tag 1 in RFC 3339, with as many decimals as it has. Throws MalformedCBOR beyond the years 0 to 9999. */
export function epochTime(seconds: number): string {
  const whole = Math.trunc(seconds)
  const nanoseconds = Math.trunc((seconds - whole) * 1e9)
  const [s, ns] = nanoseconds < 0 ? [whole - 1, nanoseconds + 1e9] : [whole, nanoseconds]
  if (!(s >= FIRST && s < END)) throw new MalformedCBOR('a time beyond the year 9999')
  const text = new Date(s * 1000).toISOString().slice(0, 19)
  return `${text}${decimals(String(ns).padStart(9, '0'))}Z`
}

/** Up to nine decimals, without zeros at the end. */
function decimals(digits: string): string {
  const significant = digits.slice(0, 9).replace(/0+$/, '')
  return significant === '' ? '' : `.${significant}`
}
