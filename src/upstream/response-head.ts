import { headerBytes, isHopByHop } from '../request/client-headers.js'

/** What an observer is told of a response before its body. Headers are as the upstream sent them. */
export interface ResponseHead {
  readonly statusCode: number
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  /** The Warning headers, one character per byte. */
  readonly warnings: readonly string[]
  /** Whether it has the headers of API priority and fairness. */
  readonly prioritized: boolean
}

/** Headers of a response: name, value, ...; Buffers hold latin1. */
export type RawHeaders = readonly (Buffer | string)[]

/** k8s.io/api/flowcontrol/v1 ResponseHeaderMatchedPriorityLevelConfigurationUID. */
export const PRIORITY_LEVEL = 'x-kubernetes-pf-prioritylevel-uid'
const NO_WARNINGS: readonly string[] = []

/** Of an upgrade that was agreed to. */
export const SWITCHED: ResponseHead = {
  statusCode: 101,
  contentType: undefined,
  contentEncoding: undefined,
  warnings: NO_WARNINGS,
  prioritized: false,
}

/** What of a head passes to the client, with the Audit-ID that the proxy answers for, and what it says. */
export interface ReadHead extends Omit<ResponseHead, 'statusCode'> {
  /** name, value, ... */
  readonly headers: string[]
  /** Bytes of the body; Infinity where they are not announced. */
  readonly length: number
}

export function readHead(raw: RawHeaders, auditID: string): ReadHead {
  const headers: string[] = []
  let contentType: string | undefined
  let contentEncoding: string | undefined
  let warnings = NO_WARNINGS
  let length = Infinity
  let prioritized = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = text(raw[i] as Buffer)
    const value = text(raw[i + 1] as Buffer)
    const lower = name.toLowerCase()
    if (isHopByHop(lower) || lower === 'audit-id') continue
    if (lower === 'content-type') contentType ??= value
    else if (lower === 'content-encoding') contentEncoding ??= value
    else if (lower === 'content-length') length = Number(value)
    else if (lower === 'warning') warnings = [...warnings, value]
    else if (lower === PRIORITY_LEVEL) prioritized = true
    headers.push(name, value)
  }
  headers.push('Audit-Id', headerBytes(auditID))
  return { headers, length, contentType, contentEncoding, warnings, prioritized }
}

/** Those trailers that pass to the client. */
export function readTrailers(raw: RawHeaders): [string, string][] {
  const trailers: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = text(raw[i] as Buffer)
    if (!isHopByHop(name.toLowerCase())) trailers.push([name, text(raw[i + 1] as Buffer)])
  }
  return trailers
}

/** Whether the head is the whole of the response (RFC 9112 section 6.3). */
export function hasNoBody(method: string, statusCode: number): boolean {
  return method === 'HEAD' || statusCode === 204 || statusCode === 304
}

function text(value: Buffer | string): string {
  return typeof value === 'string' ? value : value.toString('latin1')
}
