import { quote } from '../go-quote.js'
import type { Event } from './event.js'

/**
 * One event as the line of text of `--audit-log-format=legacy`, without its newline (k8s.io/apiserver/pkg/audit/format.go
 * EventString). Its time is in the local time zone, as there.
 */
export function encodeLegacy(event: Event): string {
  const { user, impersonatedUser, objectRef, responseStatus } = event
  const username = user.username || '<none>'
  const groups = user.username && user.groups?.length ? quoteList(user.groups) : '<none>'
  const as = impersonatedUser === undefined ? '<self>' : impersonatedUser.username
  const asGroups = impersonatedUser?.groups === undefined ? '<lookup>' : quoteList(impersonatedUser.groups)
  const namespace = objectRef?.namespace || '<none>'
  const response = responseStatus === undefined ? '<deferred>' : String(responseStatus.code ?? 0)
  return (
    `${formatLocal(event.requestReceivedTimestamp)} AUDIT: id=${quote(event.auditID)} stage=${quote(event.stage)}` +
    ` ip=${quote(event.sourceIPs[0] ?? '<unknown>')} method=${quote(event.verb)} user=${quote(username)}` +
    ` groups=${quote(groups)} as=${quote(as)} asgroups=${quote(asGroups)} namespace=${quote(namespace)}` +
    ` uri=${quote(event.requestURI)} response="${response}"`
  )
}

function quoteList(values: readonly string[]): string {
  return values.map(quote).join(',')
}

/** Go's time.RFC3339Nano in the local time zone: no decimals beyond the last that is not zero. */
function formatLocal(micros: number): string {
  const millis = Math.floor(micros / 1000)
  const offset = -new Date(millis).getTimezoneOffset()
  const second = new Date(millis + offset * 60_000).toISOString().slice(0, 19)
  const fraction = String(((micros % 1_000_000) + 1_000_000) % 1_000_000)
    .padStart(6, '0')
    .replace(/0+$/, '')
  return second + (fraction && `.${fraction}`) + formatOffset(offset)
}

/** A time zone's distance from UTC, given in minutes: `Z`, `+05:30`, `-08:00`. */
function formatOffset(minutes: number): string {
  if (minutes === 0) return 'Z'
  const abs = Math.abs(minutes)
  const pad = (n: number): string => String(n).padStart(2, '0')
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(abs / 60))}:${pad(abs % 60)}`
}
