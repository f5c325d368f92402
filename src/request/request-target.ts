import { escapePath, unescapeBytes, utf8FromBytes } from './escape.js'

/** The request line's target, taken apart once for everybody who needs a piece of it. */
export interface RequestTarget {
  /** The path, decoded as Go decodes URL.Path: escapes are resolved, nothing is cleaned. */
  readonly path: string
  /** What follows the first `?`, as received, one character per byte. */
  readonly rawQuery: string
  /** What Go's URL.RequestURI() prints, which is what an audit event shows. */
  readonly requestURI: string
  /** Path and query, byte for byte as received, without a scheme and host: what goes upstream. */
  readonly originForm: string
}

/** A request target that net/http's server answers with 400 before any handler sees it: no event is written for it. */
export class InvalidRequestTarget extends Error {
  override name = 'InvalidRequestTarget'
}

// A path of characters that Go neither decodes nor encodes, and a query of ASCII: every part is the target itself.
const PLAIN = /^\/[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]/]*(?:\?[!-~]*)?$/
// net/url validEncoded in mode encodePath: a path that RequestURI() prints as it was received.
const VALID_ENCODED = /^[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]/%]*$/
const ABSOLUTE_FORM = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]%]*(?=[/?]|$)/
const VISIBLE = /^[!-~\x80-\xff]+$/

/**
 * Takes apart a request target as net/http's server does (net/url ParseRequestURI): origin form (`/path?query`),
 * absolute form (`https://host/path`, of which the path counts) and `*`. The authority form of CONNECT is not one that
 * kube-apiserver serves.
 *
 * @param target as received, one character per byte (Node's `req.url`, or `:path` of HTTP/2)
 * @throws InvalidRequestTarget for what Go refuses (broken escapes, control characters, neither of the forms above), and for
 *   spaces and rootless URLs (`http:path`), which cannot be sent on
 */
export function parseRequestTarget(target: string): RequestTarget {
  if (!PLAIN.test(target)) return parseUnusualTarget(target)
  const question = target.indexOf('?')
  return {
    path: question < 0 ? target : target.slice(0, question),
    rawQuery: question < 0 ? '' : target.slice(question + 1),
    requestURI: target,
    originForm: target,
  }
}

function parseUnusualTarget(target: string): RequestTarget {
  if (target === '*') return { path: '*', rawQuery: '', requestURI: '*', originForm: '*' }
  if (!VISIBLE.test(target)) {
    throw new InvalidRequestTarget('the request target is empty or has a space or a control character in it')
  }
  const received = target.startsWith('/') ? target : withoutAuthority(target)

  const question = received.indexOf('?')
  const rawPath = question < 0 ? received : received.slice(0, question)
  const query = question < 0 ? '' : received.slice(question)
  const path = unescapeBytes(rawPath, false)
  if (path === undefined) throw new InvalidRequestTarget('the path has an invalid percent-escape in it')

  const printedPath = VALID_ENCODED.test(rawPath) ? rawPath : escapePath(path)
  return {
    path: path.toString('utf8'),
    rawQuery: query.slice(1),
    requestURI: (printedPath || '/') + utf8FromBytes(query),
    originForm: rawPath === '' ? '/' + query : received,
  }
}

function withoutAuthority(target: string): string {
  const prefix = ABSOLUTE_FORM.exec(target)?.[0]
  if (prefix === undefined) {
    throw new InvalidRequestTarget('the request target is neither a path nor an absolute URL')
  }
  return target.slice(prefix.length)
}
