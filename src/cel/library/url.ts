import { EvaluationError } from '../errors.js'
import { fn, method, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, list, map, STRING, struct } from '../types.js'
import { CelList, CelMap, Opaque, sizeOf, type Value } from '../values.js'

const URL_TYPE = struct('kubernetes.URL')

/** The parts of a URL, as Go's net/url takes it apart. */
class ParsedURL extends Opaque {
  readonly typeName = 'kubernetes.URL'

  constructor(
    readonly scheme: string,
    readonly host: string,
    readonly path: string,
    readonly query: string,
    private readonly text: string,
  ) {
    super()
  }

  equals(other: Value): boolean | undefined {
    return other instanceof ParsedURL ? this.text === other.text : undefined
  }

  /** Without brackets and port. */
  get hostname(): string {
    const bracketed = /^\[(.*)\]/.exec(this.host)
    return bracketed?.[1] ?? this.host.replace(/:\d*$/, '')
  }

  get port(): string {
    return /:(\d*)$/.exec(this.host.replace(/^\[.*\]/, ''))?.[1] ?? ''
  }
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/
/** What may stand in a host as it is, apart from what is not ASCII. */
const HOST = /^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]|[^\0-\x7f]|%[0-9a-fA-F]{2})*$/
const USER = /^(?:[A-Za-z0-9\-._:~!$&'()*+,;=%@])*$/

/**
 * An absolute URL or path: Go's url.ParseRequestURI, and then url.Parse, which knows fragments.
 *
 * @throws EvaluationError
 */
function parseURL(text: string): ParsedURL {
  // eslint-disable-next-line no-control-regex
  if (text === '' || /[\0-\x1f\x7f]/.test(text)) throw refused()
  const scheme = SCHEME.exec(text)?.[1] ?? ''
  if (scheme === '' && text.startsWith(':')) throw refused()
  const afterScheme = scheme === '' ? text : text.slice(scheme.length + 1)
  const [rest = ''] = afterScheme.split('#', 1)
  const question = rest.indexOf('?')
  const query = question < 0 ? '' : rest.slice(question + 1)
  const beforeQuery = question < 0 ? rest : rest.slice(0, question)
  if (!beforeQuery.startsWith('/')) {
    if (scheme === '' && text !== '*') throw refused()
    return new ParsedURL(scheme.toLowerCase(), '', scheme === '' ? text : '', query, text)
  }
  const hasAuthority = scheme !== '' && beforeQuery.startsWith('//')
  const [authority = ''] = hasAuthority ? beforeQuery.slice(2).split('/', 1) : ['']
  const path = hasAuthority ? beforeQuery.slice(2 + authority.length) : beforeQuery
  if (/%(?![0-9a-fA-F]{2})/.test(path)) throw refused()
  return new ParsedURL(scheme.toLowerCase(), hostOf(authority), path, query, text)
}

function hostOf(authority: string): string {
  const at = authority.lastIndexOf('@')
  if (at >= 0 && !USER.test(authority.slice(0, at))) throw refused()
  const host = authority.slice(at + 1)
  const port = host.startsWith('[') ? host.replace(/^\[[^\]]*\]/, '') : (/:.*$/.exec(host)?.[0] ?? '')
  if (!HOST.test(host) || !/^(:\d*)?$/.test(port) || (host.startsWith('[') && !host.includes(']')))
    throw refused()
  return host
}

function refused(): EvaluationError {
  return new EvaluationError('URL parse error during conversion from string')
}

/** Go's URL.EscapedPath: as it was, if that is a valid encoding. */
function escapedPath(path: string): string {
  if (/^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:@/[\]]|%[0-9a-fA-F]{2})*$/.test(path)) return path
  const bytes = Buffer.from(path)
  let escaped = ''
  for (let i = 0; i < bytes.length; i++) {
    const char = String.fromCharCode(bytes[i] as number)
    if (char === '%') escaped += reescaped(path, bytes, i)
    else escaped += KEPT.test(char) ? char : percent(bytes[i] as number)
    if (char === '%') i += 2
  }
  return escaped
}

const KEPT = /^[A-Za-z0-9\-_.~$&+,/:;=@]$/

function reescaped(_path: string, bytes: Buffer, at: number): string {
  const byte = Number.parseInt(bytes.toString('latin1', at + 1, at + 3), 16)
  const char = String.fromCharCode(byte)
  return KEPT.test(char) ? char : percent(byte)
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

/** Go's url.ParseQuery: pairs with a semicolon, or a broken escape, are left out. */
function parseQuery({ query }: ParsedURL): CelMap {
  const found = new Map<string, string[]>()
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';') || /%(?![0-9a-fA-F]{2})/.test(pair)) continue
    const equals = pair.indexOf('=')
    const key = unescape(equals < 0 ? pair : pair.slice(0, equals))
    const value = equals < 0 ? '' : unescape(pair.slice(equals + 1))
    found.set(key, [...(found.get(key) ?? []), value])
  }
  return new CelMap([...found].map(([key, values]) => [key, new CelList(values, true)] as const))
}

function unescape(text: string): string {
  const latin1 = Buffer.from(text.replaceAll('+', ' ')).toString('latin1')
  const bytes = latin1.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}

function isURL(_meter: Meter, text: string): boolean {
  try {
    parseURL(text)
    return true
  } catch (err) {
    if (err instanceof EvaluationError) return false
    throw err
  }
}

function part(name: string, get: (url: ParsedURL) => string): Overload {
  return method(name, [URL_TYPE], STRING, (_meter, url: ParsedURL) => get(url))
}

const parsing = { cost: (text: Value): number => Math.ceil(sizeOf(text) * TRAVERSAL) }

/** k8s.io/apiserver/pkg/cel/library urls. */
export const URLS: readonly Overload[] = [
  fn('url', [STRING], URL_TYPE, (_meter, text: string) => parseURL(text), parsing),
  fn('isURL', [STRING], BOOL, isURL),
  part('getScheme', ({ scheme }) => scheme),
  part('getHost', ({ host }) => host),
  part('getHostname', ({ hostname }) => hostname),
  part('getPort', ({ port }) => port),
  part('getEscapedPath', ({ path }) => escapedPath(path)),
  method('getQuery', [URL_TYPE], map(STRING, list(STRING)), (_meter, url: ParsedURL) => parseQuery(url)),
]
