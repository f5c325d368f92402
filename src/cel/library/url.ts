import { requestURIError } from '../../go-request-uri.js'
import { type GoURL, parseGoURL } from '../../go-url.js'
import { EvaluationError } from '../errors.js'
import { fn, method, type Overload, TRAVERSAL } from '../functions.js'
import type { Meter } from '../meter.js'
import { BOOL, list, map, STRING, struct } from '../types.js'
import { CelList, CelMap, Opaque, sizeOf, type Value } from '../values.js'

const URL_TYPE = struct('kubernetes.URL')

class URLValue extends Opaque {
  readonly typeName = 'kubernetes.URL'

  readonly #text: string

  constructor(
    readonly parts: GoURL,
    text: string,
  ) {
    super()
    this.#text = text
  }

  equals(other: Value): boolean | undefined {
    return other instanceof URLValue ? this.#text === other.#text : undefined
  }
}

/** @throws EvaluationError */
function toURL(_meter: Meter, text: string): URLValue {
  const parts = requestURIError(text) === undefined ? parseGoURL(text) : undefined
  if (parts === undefined) throw new EvaluationError('URL parse error during conversion from string')
  return new URLValue(parts, text)
}

/** Go's URL.Hostname: without brackets and port. */
function hostname({ host }: GoURL): string {
  return /^\[(.*)\]/.exec(host)?.[1] ?? host.replace(/:\d*$/, '')
}

/** Go's URL.Port */
function port({ host }: GoURL): string {
  return /:(\d*)$/.exec(host.replace(/^\[.*\]/, ''))?.[1] ?? ''
}

/** What Go does not escape in a path. */
const KEPT = /^[A-Za-z0-9\-_.~$&+,/:;=@]$/

/** Go's URL.EscapedPath: as it was, if that is a valid encoding. */
function escapedPath({ path }: GoURL): string {
  if (/^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:@/[\]]|%[0-9a-fA-F]{2})*$/.test(path)) return path
  const bytes = unescapeBytes(Buffer.from(path).toString('latin1'))
  return [...bytes].map((char) => (KEPT.test(char) ? char : percent(char.charCodeAt(0)))).join('')
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

/** @param latin1 bytes, a character each */
function unescapeBytes(latin1: string): string {
  return latin1.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

/** Go's url.ParseQuery: pairs with a semicolon, or a broken escape, are left out. */
function parseQuery({ query }: GoURL): CelMap {
  const found = new Map<string, string[]>()
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';') || /%(?![0-9a-fA-F]{2})/.test(pair)) continue
    const equals = pair.indexOf('=')
    const key = queryText(equals < 0 ? pair : pair.slice(0, equals))
    const values = found.get(key)
    const value = equals < 0 ? '' : queryText(pair.slice(equals + 1))
    if (values === undefined) found.set(key, [value])
    else values.push(value)
  }
  return new CelMap([...found].map(([key, values]) => [key, new CelList(values, 'texts')] as const))
}

function queryText(text: string): string {
  const bytes = unescapeBytes(Buffer.from(text.replaceAll('+', ' ')).toString('latin1'))
  return Buffer.from(bytes, 'latin1').toString()
}

function part(name: string, get: (url: GoURL) => string): Overload {
  return method(name, [URL_TYPE], STRING, (_meter, { parts }: URLValue) => get(parts))
}

const parsing = { cost: (text: Value): number => Math.ceil(sizeOf(text) * TRAVERSAL) }

/** k8s.io/apiserver/pkg/cel/library urls. */
export const URLS: readonly Overload[] = [
  fn('url', [STRING], URL_TYPE, toURL, parsing),
  fn('isURL', [STRING], BOOL, (_meter, text: string) => requestURIError(text) === undefined),
  part('getScheme', ({ scheme }) => scheme),
  part('getHost', ({ host }) => host),
  part('getHostname', hostname),
  part('getPort', port),
  part('getEscapedPath', escapedPath),
  method('getQuery', [URL_TYPE], map(STRING, list(STRING)), (_meter, { parts }: URLValue) =>
    parseQuery(parts),
  ),
]
