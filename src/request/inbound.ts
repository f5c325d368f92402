import type { Socket } from 'node:net'

/**
 * A request as the handler reads it, whichever protocol brought it: node:http's IncomingMessage is one, and so is
 * Http2Request.
 */
export interface InboundRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  /** 1 or 2. */
  readonly httpVersionMajor: number
  /** name, value, name, value, ... with HTTP/2's pseudo-headers, if it came by that. */
  readonly rawHeaders: readonly string[]
  readonly headers: {
    readonly 'content-length'?: string | undefined
    readonly 'transfer-encoding'?: string | undefined
  }
  /** Whether the head was all of the request. HTTP/2 alone knows; in HTTP/1.1 the headers say it. */
  readonly endAfterHeaders?: boolean
  /** The connection: its TLS state and its other end. */
  readonly socket: Socket
  /** True when its body has broken off, though the client may still wait for an answer. */
  readonly aborted?: boolean
  /** True when its 'end' has been. An empty body can end before anyone listens. */
  readonly readableEnded: boolean
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end' | 'aborted', listener: () => void): unknown
  on(event: 'error', listener: (err: Error) => void): unknown
  off(event: 'data', listener: (chunk: Buffer) => void): unknown
  off(event: 'end' | 'aborted', listener: () => void): unknown
  off(event: 'error', listener: (err: Error) => void): unknown
  pause(): unknown
  resume(): unknown
}

/** The response to a ClientRequest: node:http's ServerResponse is one, and so are Http2Response and UpgradeResponse. */
export interface InboundResponse {
  /** False where no Date header is to be added. */
  sendDate: boolean
  /** False where an HTTP/1.1 connection ends with this response. */
  shouldKeepAlive: boolean
  /** True as soon as writeHead was called. */
  readonly headersSent: boolean
  /** True when nobody is there any more to read it. */
  readonly destroyed: boolean
  /** @param headers name, value, name, value, ... */
  writeHead(statusCode: number, statusMessage: string, headers: string[]): unknown
  flushHeaders(): void
  /** False where the caller is to wait for 'drain'. */
  write(chunk: Buffer): boolean
  addTrailers(trailers: [string, string][]): void
  end(body?: string | Buffer): unknown
  /** Cuts the response off, so that the client can tell. */
  destroy(): unknown
  on(event: 'close' | 'drain', listener: () => void): unknown
  on(event: 'error', listener: (err: Error) => void): unknown
  off(event: 'close' | 'drain', listener: () => void): unknown
}

/** A client that asked to speak another protocol over its connection from here on. */
export interface InboundUpgrade {
  /** What its Upgrade header names, as it spells it. Undefined for what is no business of the upstream's. */
  readonly protocol: string | undefined
  /**
   * Agrees: sends the 101 and hands the connection over, to be read from its first byte after the request.
   * @param headers name, value, name, value, ...
   */
  switchProtocols(statusMessage: string, headers: readonly string[]): Socket
}

/** Takes a request and sees to it that it is answered. `upgrade` is there where the client asked for one. */
export type ServeRequest = (req: InboundRequest, res: InboundResponse, upgrade?: InboundUpgrade) => void

/** RFC 9112 section 6.3: a request has a body where it says how long it is. */
export function hasBody(req: InboundRequest): boolean {
  if (req.endAfterHeaders !== undefined) return !req.endAfterHeaders
  const length = req.headers['content-length']
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}
