import fc from 'fast-check'
import { acceptsJSON } from '../../src/request/accept.js'
import { BEARER_PROTOCOL, withoutBearerProtocol } from '../../src/request/bearer-protocol.js'
import { queryUnescape } from '../../src/request/escape.js'
import { unescapeExtraKey } from '../../src/request/extra-key.js'
import { nameInFieldSelector } from '../../src/request/field-selector.js'
import { canonicalIP } from '../../src/request/ip.js'
import { isValidLabelSelector } from '../../src/request/label-selector.js'
import { decodeListOptions, selectors } from '../../src/request/list-options.js'
import { isLongRunning } from '../../src/request/long-running.js'
import { newRequestInfo, RequestInfoError } from '../../src/request/request-info.js'
import { InvalidRequestTarget, parseRequestTarget } from '../../src/request/request-target.js'
import { MAX_FORWARDED_FOR, sourceIPs } from '../../src/request/source-ips.js'
import { invalidTimeout } from '../../src/request/timeout.js'
import { truncateUserAgent } from '../../src/request/user-agent.js'
import { quote } from '../../src/go-quote.js'
import { requestURIError } from '../../src/go-request-uri.js'
import { parseGoURL } from '../../src/go-url.js'
import { isIP } from 'node:net'
import { assert, mayRefuse, soup, target, type FuzzTarget } from './target.js'

const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY']
const PIECES = [
  '/',
  '/api',
  '/apis',
  '/v1',
  '/namespaces',
  '/pods',
  '/watch',
  '/proxy',
  '/x',
  '?',
  '&',
  '=',
  '#',
  ';',
  '%2f',
  '%2e',
  '..',
  '.',
  '%',
  '%zz',
  '%00',
  '%ff',
  '%F0%9F%98%80',
  'watch=1',
  'fieldSelector=metadata.name%3Da',
  'https://',
  'host',
  '@',
  ':',
  '//',
  '+',
  '*',
  '\\',
  '"',
]

const targets = target(
  'request targets',
  fc.tuple(
    fc.constantFrom(...METHODS),
    soup(PIECES).map((text) => latin1(`/${text}`)),
    fc.boolean(),
  ),
  ([method, path, bare]) => {
    const given = bare ? path.slice(1) : path
    const parsed = mayRefuse(InvalidRequestTarget, () => parseRequestTarget(given))
    if (parsed === undefined) return
    assert(given === '*' || given.endsWith(parsed.originForm.slice(1)), 'what goes upstream is not what came')
    assert(!/[\0-\x20\x7f]/.test(parsed.originForm), 'what goes upstream has a control character')
    const info = mayRefuse(RequestInfoError, () => newRequestInfo(method, parsed))
    if (info !== undefined) isLongRunning(info)
    decodeListOptions(parsed.rawQuery)
    selectors(parsed.rawQuery)
    invalidTimeout(parsed.rawQuery)
  },
)

const SELECTORS = [
  'metadata.name',
  '=',
  '==',
  '!=',
  ',',
  '\\',
  '\\,',
  'a',
  '/',
  'in',
  'notin',
  '(',
  ')',
  '!',
  ' ',
  '>',
  '<',
  '1',
  'é',
  '',
]
const selecting = target('selectors', soup(SELECTORS), (text) => {
  nameInFieldSelector(text)
  isValidLabelSelector(text)
  queryUnescape(latin1(text))
})

const texts = target(
  'texts of headers',
  fc.tuple(
    soup(['%2f', '%', '%zz', '%ff', '"', '\\', '\u2028', '\ud800', ' ', 'a']),
    soup(['application/json', 'as=Table', ';', ',', 'q=0', '*/*', '=', '"', ' ']),
  ),
  ([text, accept]) => {
    unescapeExtraKey(latin1(text))
    const cut = truncateUserAgent(text)
    assert(cut === undefined || cut.length <= 1024 + '...TRUNCATED'.length, 'a user agent is not cut')
    acceptsJSON(accept)
    assert(!/[\r\n]/.test(quote(text)), 'a quoted text has several lines')
    requestURIError(text)
    parseGoURL(text)
  },
)

const ADDRESSES = [
  '1',
  '10.0.0.1',
  '.',
  ':',
  '::',
  'ffff',
  '%eth0',
  '[',
  ']',
  ',',
  ' ',
  '\t',
  '0x7f',
  '256',
  '01',
  'g',
]
const addresses = target(
  'addresses',
  fc.tuple(soup(ADDRESSES, 200), soup(ADDRESSES, 10)),
  ([forwarded, real]) => {
    const ips = sourceIPs(forwarded, real, '::ffff:127.0.0.1')
    assert(ips.length <= MAX_FORWARDED_FOR + 2, 'more addresses than there may be')
    for (const ip of ips) {
      assert(isIP(ip) !== 0, `no address: ${ip}`)
      assert(canonicalIP(ip) === ip, `another form: ${ip}`)
    }
  },
)

const protocols = target(
  'protocols of WebSockets',
  soup([BEARER_PROTOCOL, 'YQ', ',', ' ', '\u00a0', 'v5.channel.k8s.io', '\t', '=']),
  (value) => {
    assert(withoutBearerProtocol(value)?.includes(BEARER_PROTOCOL) !== true, 'a token is left')
  },
)

export const requests: readonly FuzzTarget[] = [targets, selecting, texts, addresses, protocols]
