import { isIPv6 } from 'node:net'
import { quote } from './go-quote.js'

// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x1f\x7f]/
const USER = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/
/** ASCII that may stand in a host as it is. */
const HOST = /[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]/
const PORT = /^(:\d*)?$/

/** Where in a URL a text is: what may be escaped differs. */
type Part = 'path' | 'user' | 'host' | 'zone'

/**
 * Go's url.ParseRequestURI: an absolute URL or path, where a # is no fragment.
 *
 * @returns what Go says is wrong with it; only why an address in brackets is none is said more shortly
 */
export function requestURIError(text: string): string | undefined {
  if (CONTROL.test(text)) return 'net/url: invalid control character in URL'
  if (text === '') return 'empty url'
  if (text === '*') return undefined
  if (text.startsWith(':')) return 'missing protocol scheme'
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]
  const rest = (scheme === undefined ? text : text.slice(scheme.length + 1)).split('?', 1)[0] as string
  if (!rest.startsWith('/')) return scheme === undefined ? 'invalid URI for request' : undefined
  if (scheme === undefined || !rest.startsWith('//')) return escapeError(rest, 'path')
  const authority = rest.slice(2).split('/', 1)[0] as string
  return (
    authorityError(scheme.toLowerCase(), authority) ?? escapeError(rest.slice(2 + authority.length), 'path')
  )
}

function authorityError(scheme: string, authority: string): string | undefined {
  const at = authority.lastIndexOf('@')
  const wrongHost = hostError(scheme, authority.slice(at + 1))
  if (wrongHost !== undefined || at < 0) return wrongHost
  const user = authority.slice(0, at)
  if (!USER.test(user)) return 'net/url: invalid userinfo'
  const colon = user.indexOf(':')
  if (colon < 0) return escapeError(user, 'user')
  return escapeError(user.slice(0, colon), 'user') ?? escapeError(user.slice(colon + 1), 'user')
}

function hostError(scheme: string, host: string): string | undefined {
  const open = host.lastIndexOf('[')
  if (open > 0) return 'invalid IP-literal'
  if (open === 0) return literalError(host)
  const strict = scheme === 'http' || scheme === 'https'
  const colon = strict ? host.indexOf(':') : host.lastIndexOf(':')
  const port = colon < 0 ? '' : host.slice(colon)
  return PORT.test(port) ? escapeError(host, 'host') : `invalid port ${quote(port)} after host`
}

/** An IPv6 address in brackets, maybe with a zone. */
function literalError(host: string): string | undefined {
  const close = host.lastIndexOf(']')
  if (close < 0) return "missing ']' in host"
  const port = host.slice(close + 1)
  if (!PORT.test(port)) return `invalid port ${quote(port)} after host`
  const name = host.slice(1, close)
  const percent = name.indexOf('%25')
  const address = percent < 0 ? name : name.slice(0, percent)
  const wrong =
    escapeError(address, 'host') ?? (percent < 0 ? undefined : escapeError(name.slice(percent), 'zone'))
  if (wrong !== undefined) return wrong
  if (isIPv6(address) && name.length !== percent + 3) return undefined
  return /^[\d.]+$/.test(address)
    ? 'invalid IP-literal'
    : `invalid host: ParseAddr(${quote(name)}): unable to parse IP`
}

/** Go's net/url unescape. */
function escapeError(text: string, part: Part): string | undefined {
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (char === '%') {
      const escape = text.slice(i, i + 3)
      if (!/^%[0-9a-fA-F]{2}$/.test(escape) || !mayEscape(escape, part))
        return `invalid URL escape ${quoteBytes(escape)}`
      i += 2
    } else if ((part === 'host' || part === 'zone') && char < '\x80' && !HOST.test(char)) {
      return `invalid character ${quote(char)} in host name`
    }
  }
  return undefined
}

/** The first three bytes in quotes, as Go shows them also where they end within a character. */
function quoteBytes(text: string): string {
  let shown = ''
  for (const char of text) if (Buffer.byteLength(shown + char) <= 3) shown += char
  const rest = Buffer.from(text).subarray(Buffer.byteLength(shown), 3)
  const hex = [...rest].map((byte) => `\\x${byte.toString(16)}`).join('')
  return `${quote(shown).slice(0, -1)}${hex}"`
}

function mayEscape(escape: string, part: Part): boolean {
  const byte = Number.parseInt(escape.slice(1), 16)
  if (part === 'host') return byte >= 0x80 || escape === '%25'
  if (part === 'zone') return escape === '%25' || byte === 0x20 || HOST.test(String.fromCharCode(byte))
  return true
}
