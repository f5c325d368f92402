import type { SigningKey } from './forged-tokens.js'
import type { Field } from './http2-frames.js'

/** Who a client of the proxy is: by client certificate (`alice`, `eve`), by token (`bob`, `carol`, `robot`), or nobody. */
export type Identity = 'alice' | 'eve' | 'bob' | 'carol' | 'robot' | 'nobody' | 'eve as mallory'

/** Client certificates: two good ones, and those that must make nobody an administrator. */
export const BAD_CERTIFICATES = [
  'expired',
  'not yet valid',
  'for servers',
  'self-signed',
  'of another authority',
  'of an authority of the same name',
  'signed by a leaf',
  'signed by a leaf of an intermediate authority',
  'without a name',
  'with two UIDs',
  'of an intermediate authority, without it',
] as const
export type Certificate =
  | 'alice'
  | 'eve'
  | 'none'
  /** alice's, by an intermediate authority that comes along. */
  | 'alice, by an intermediate authority'
  | (typeof BAD_CERTIFICATES)[number]

/** What becomes of one request of a case. They are listed in the order in which the client gets its answers. */
export type Fate =
  /** It goes upstream as what it is; both logs tell of it. `code` is the answer, where it is of interest. */
  | { readonly kind: 'seen'; readonly by: Identity; readonly part: string; readonly code?: number }
  /** It ends at the proxy, whose log tells of it. `by` undefined: who asks was not established. */
  | {
      readonly kind: 'refused'
      readonly by: Identity | undefined
      readonly part: string
      readonly code: number
    }
  /** It is let through, but refused by the HTTP server of kube-apiserver before that audits anything. */
  | { readonly kind: 'unserved'; readonly by: Identity; readonly part: string; readonly code: number }
  /** It goes upstream, but its body is broken off: how far it gets, and how it is answered, is a matter of time. */
  | { readonly kind: 'broken'; readonly by: Identity; readonly part: string }
  /** It comes behind an answer that ends the connection: it may still be served, for what it is, but is not answered. */
  | { readonly kind: 'late'; readonly by: Identity; readonly part: string }
  /** It never was a request, so that no log has it. 0: the connection is closed without an answer. */
  | { readonly kind: 'unread'; readonly code: number }

export const seen = (by: Identity, part = '', code?: number): Fate => ({
  kind: 'seen',
  by,
  part,
  ...(code === undefined ? {} : { code }),
})
export const refused = (code: number, by?: Identity, part = ''): Fate => ({ kind: 'refused', by, part, code })
export const unserved = (code: number, by: Identity, part = ''): Fate => ({
  kind: 'unserved',
  by,
  part,
  code,
})
export const broken = (by: Identity, part = ''): Fate => ({ kind: 'broken', by, part })
export const late = (by: Identity, part: string): Fate => ({ kind: 'late', by, part })
export const unread = (code: number): Fate => ({ kind: 'unread', code })

export type Mode = 'request header' | 'impersonation'
export const MODES: readonly Mode[] = ['request header', 'impersonation']

/** What the bytes of a case are made from. */
export interface Ingredients {
  /** case-0017: the Audit-ID of its requests, and a part of their paths, by which the logs are searched. */
  readonly id: string
  /** A path of its own that everybody but nobody may get; `part` tells apart the requests of one case. */
  path(part?: string): string
  /** A service account's token that is good. */
  readonly robotToken: string
  /** Signs service accounts' tokens. */
  readonly serviceAccountKey: SigningKey
}

export interface HostileCase {
  readonly name: string
  /** The client certificate; `alice` without it. */
  readonly certificate?: Certificate
  /** What is sent over TLS with HTTP/1.1. */
  readonly bytes?: (given: Ingredients) => string | Buffer
  /** Or, with HTTP/2: the fields of each request, pseudo-headers too, and its frames beyond these. */
  readonly streams?: (given: Ingredients) => readonly Stream[]
  readonly fates: readonly Fate[] | ((mode: Mode) => readonly Fate[])
  /** Or frames of HTTP/2 that no request needs; `ids` are the streams that are to be answered. */
  readonly frames?: (given: Ingredients) => { readonly bytes: Buffer; readonly ids: readonly number[] }
  /** The client asks for another handshake after the first answer, and then sends these bytes. */
  readonly renegotiates?: (given: Ingredients) => string
  /** The body that must arrive upstream as it is, one character per byte. */
  readonly body?: string
  /** It asks for a WebSocket, and so goes upstream. */
  readonly upgrades?: boolean
  /** The body is beyond what the proxy reads: its event says so. */
  readonly unread?: boolean
  /** The body is refused unread: no event has it. */
  readonly unrecorded?: boolean
  /** The first kube-apiserver whose log tells of it. */
  readonly since?: string
  /** The client hangs up after its bytes, because what it began can never be answered. */
  readonly hangsUp?: boolean
}

export interface Stream {
  readonly fields: readonly Field[]
  readonly data?: string
  readonly trailers?: readonly Field[]
}

export interface Family {
  readonly family: string
  readonly cases: readonly HostileCase[]
}

/** A case with the number by which it is found again. */
export interface NumberedCase extends HostileCase {
  readonly id: string
  readonly family: string
}

export function numbered(families: readonly Family[]): NumberedCase[] {
  return families
    .flatMap(({ family, cases }) => cases.map((one) => ({ ...one, family })))
    .map((one, i) => ({ ...one, id: `case-${String(i + 1).padStart(4, '0')}` }))
}

export function needsHttp2({ streams, frames }: HostileCase): boolean {
  return streams !== undefined || frames !== undefined
}

export function fatesOf(one: HostileCase, mode: Mode): readonly Fate[] {
  return typeof one.fates === 'function' ? one.fates(mode) : one.fates
}

/** The case and the part of it that an audit event or a request is about: case-0017, case-0017-inner. */
export function marker(auditID: string, uri: string): string | undefined {
  const pattern = /case-\d{4}(?:-[a-z0-9]+)?/
  return (pattern.exec(uri) ?? pattern.exec(auditID))?.[0]
}

export function markerOf(one: NumberedCase, part: string): string {
  return part === '' ? one.id : `${one.id}-${part}`
}

/** A well-formed request with further lines of header; the last request on its connection unless it says otherwise. */
export function get(given: Ingredients, lines: readonly string[] = [], part = ''): string {
  return request(`GET ${given.path(part)} HTTP/1.1`, given, ['Connection: close', ...lines])
}

/** The same, but the connection stays open for the next. */
export function getNext(given: Ingredients, lines: readonly string[] = [], part = ''): string {
  return request(`GET ${given.path(part)} HTTP/1.1`, given, lines)
}

/** A request with the lines that it needs, and those given. */
export function request(
  line: string,
  given: Ingredients,
  lines: readonly string[] = [],
  body: string = '',
): string {
  return [line, 'Host: kubernetes', `Audit-ID: ${given.id}`, ...lines, '', body].join('\r\n')
}
