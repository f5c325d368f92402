import { utf8FromBytes } from './escape.js'
import { X_REMOTE, type IdentityHeaders } from './identity-headers.js'

/**
 * The client's headers as the rest of the proxy may trust them: in the order and spelling that were received, without
 * those that belong to the connection (RFC 9110 section 7.6.1) and without every header that asserts an identity
 * (X-Remote-*), as only a trusted front proxy may. Authentication, the audit event and the upstream request are all made
 * from this one view, so that they cannot disagree.
 */
export class ClientHeaders {
  /** name, value, name, value, ... */
  readonly raw: readonly string[]
  readonly #remote: readonly string[]

  /**
   * What two readers might understand differently: where the request ends, or which host it is for. net/http refuses the
   * same before any handler sees it; here such a request is to be refused, and its connection closed.
   */
  readonly ambiguity: string | undefined

  /**
   * A header that `Connection` names although it decides who asks or what is recorded. A client has no honest reason for
   * that, and removing the header, as the standard wants, would make the apiserver see another request than the one that
   * was authenticated: such a request is to be refused.
   */
  readonly misnamed: string | undefined

  private constructor(
    raw: string[],
    remote: string[],
    misnamed: string | undefined,
    ambiguity: string | undefined,
  ) {
    this.raw = raw
    this.#remote = remote
    this.misnamed = misnamed
    this.ambiguity = ambiguity
  }

  /**
   * @param rawHeaders name, value, name, value, ... as Node.js hands them over (HTTP/2 pseudo-headers are skipped)
   * @param identity which headers assert an identity; X-Remote-* always do
   */
  static from(rawHeaders: readonly string[], identity: IdentityHeaders = X_REMOTE): ClientHeaders {
    let named: Set<string> | undefined
    let misnamed: string | undefined
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      if (name.length !== 10 || name.toLowerCase() !== 'connection') continue
      for (const option of connectionOptions(rawHeaders[i + 1] as string)) {
        if (isProtected(option)) misnamed ??= option
        else (named ??= new Set()).add(option)
      }
    }
    const raw: string[] = []
    const remote: string[] = []
    let ambiguity: string | undefined
    let hosts = 0
    let encodings = 0
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const lower = name.toLowerCase()
      if (identity.has(lower)) {
        remote.push(name, rawHeaders[i + 1] as string)
        continue
      }
      if (lower === 'host' && ++hosts > 1) ambiguity = 'there must not be more than one Host header'
      else if (
        lower === 'transfer-encoding' &&
        (++encodings > 1 || !/^chunked$/i.test(rawHeaders[i + 1] as string))
      ) {
        ambiguity = 'the only Transfer-Encoding is chunked'
      }
      if (lower.charCodeAt(0) === 0x3a /* : */ || HOP_BY_HOP.has(lower) || named?.has(lower) === true)
        continue
      raw.push(name, rawHeaders[i + 1] as string)
    }
    return new ClientHeaders(raw, remote, misnamed, ambiguity)
  }

  /** The first value of a header as text, as Go's http.Header.Get finds it; `name` in lower case. */
  get(name: string): string | undefined {
    const value = first(this.raw, name)
    return value === undefined ? undefined : utf8FromBytes(value)
  }

  /** Every value of a header as text, in order; `name` in lower case. */
  values(name: string): string[] {
    const found: string[] = []
    for (let i = 0; i < this.raw.length; i += 2) {
      if (sameName(this.raw[i] as string, name)) found.push(utf8FromBytes(this.raw[i + 1] as string))
    }
    return found
  }

  /** True where a header's name begins with `prefix` (lower case). */
  hasPrefix(prefix: string): boolean {
    for (let i = 0; i < this.raw.length; i += 2) {
      const name = this.raw[i] as string
      if (name.length >= prefix.length && name.slice(0, prefix.length).toLowerCase() === prefix) return true
    }
    return false
  }

  /** The identity headers that were taken out: name, value, ... Only the request header authenticator reads them. */
  get remoteHeaders(): readonly string[] {
    return this.#remote
  }
}

/** Headers that end at this hop. `te` and `trailer` too: undici frames the upstream request anew. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

const PROTECTED: ReadonlySet<string> = new Set([
  'authorization',
  'audit-id',
  'host',
  'content-length',
  'content-type',
])

function isProtected(lower: string): boolean {
  return PROTECTED.has(lower) || lower.startsWith('impersonate-') || lower.startsWith('sec-websocket-')
}

/** The header names in a Connection header's value, but for those that never pass anyway. */
function connectionOptions(value: string): string[] {
  if (value === 'keep-alive' || value === 'close') return []
  return value
    .split(',')
    .map((option) => option.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'close' && !HOP_BY_HOP.has(name))
}

function sameName(name: string, lower: string): boolean {
  return name.length === lower.length && (name === lower || name.toLowerCase() === lower)
}

function first(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i < raw.length; i += 2) {
    if (sameName(raw[i] as string, name)) return raw[i + 1]
  }
  return undefined
}

/** True for a header that belongs to one connection and must not be passed on; `lower` in lower case. */
export function isHopByHop(lower: string): boolean {
  return HOP_BY_HOP.has(lower)
}

/** Text as the header value that Node.js writes as UTF-8: one character per byte. */
export function headerBytes(text: string): string {
  // eslint-disable-next-line no-control-regex
  return /[^\x00-\x7f]/.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}
