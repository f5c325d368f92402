import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerSessionOptions,
} from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { MAX_HEADER_SIZE } from '../cluster/upstream-connections.js'
import { TokenBucket } from '../token-bucket.js'
import type { ServeRequest } from '../request/inbound.js'
import { MAX_HEADER_FIELDS } from './admission.js'
import { Http2Request, Http2Response } from './http2-stream.js'

/** k8s.io/apiserver/pkg/server/secure_serving.go Serve: its streams unless a flag says how many, and bytes for the upload of each. */
export const MAX_CONCURRENT_STREAMS = 100
const UPLOAD_BUFFER = 256 * 1024
/** Bytes: RFC 9113 section 6.9.1. */
const MAX_WINDOW = 2 ** 31 - 1
/** Bytes that all headers of a request may have, with the 32 that each is reckoned to have more. */
const MAX_HEADER_LIST_SIZE = 1 << 20
/** Bytes of headers that are sent: more than the upstream's can be, as HTTP/2 reckons them before it makes them small. */
const MAX_SEND_HEADER_BLOCK = 4 * MAX_HEADER_SIZE
/**
 * MB that a session may hold of what its client does not read, beyond which it is refused more streams: two writes of 64
 * KiB for each stream, and their headers. So many at least, and so many for each stream.
 */
const MIN_SESSION_MEMORY = 64
const STREAM_MEMORY = 0.256

/** Milliseconds between two pings, which keep what stands between from forgetting the connection. */
const PING_INTERVAL = 30_000
/** Go's IdleTimeout of 90 s (k8s.io/apiserver leaves http2's at http.Server's), counted in pings. */
const IDLE_PINGS = 3

/**
 * How many streams a client may reset at once: so many at least, and so many for each stream that it may have. And how
 * many in a second. A session that does more is ended.
 */
const MIN_RESET_BURST = 750
const RESET_BURST = 3
const RESETS_PER_SECOND = 30

/** What the flags say of HTTP/2. */
export interface Http2Options {
  /** Streams that a client may have at once over one connection; 0: as many as kube-apiserver allows. */
  readonly maxStreams: number
  /** The fraction of requests with whose response their connection ends. */
  readonly goawayChance: number
}

/** The HTTP/2 side of the secure port: sessions over connections that TLS has made. */
export class Http2Sessions {
  readonly #sessions = new Set<Session>()

  readonly #serveRequest: ServeRequest
  readonly #options: Http2Options

  constructor(serveRequest: ServeRequest, { maxStreams, goawayChance }: Http2Options) {
    this.#serveRequest = serveRequest
    this.#options = { maxStreams: maxStreams || MAX_CONCURRENT_STREAMS, goawayChance }
  }

  /** Speaks HTTP/2 over a connection whose client chose it by ALPN. */
  serve(socket: TLSSocket): void {
    const onClose = () => this.#sessions.delete(session)
    const session = new Session(socket, this.#serveRequest, this.#options, onClose)
    this.#sessions.add(session)
  }

  /** Sends GOAWAY: streams under way go on, no more come, and a session ends with its last stream. */
  close(): void {
    for (const session of this.#sessions) session.close()
  }
}

/**
 * One session, kept as kube-apiserver keeps it: pinged while streams are open, ended when there was none for 90 seconds,
 * and ended when its client resets streams faster than anyone who wants answers (CVE-2023-44487).
 */
class Session {
  readonly #session: ServerHttp2Session
  readonly #ticks: NodeJS.Timeout
  readonly #resets: TokenBucket
  readonly #open = new Set<ServerHttp2Stream>()
  #idleTicks = 0
  /** Pings that wait to be sent, and bytes that were sent, a tick ago. */
  #unsent = 0
  #written = -1

  readonly #socket: TLSSocket
  readonly #serveRequest: ServeRequest
  readonly #options: Http2Options

  constructor(socket: TLSSocket, serveRequest: ServeRequest, options: Http2Options, onClose: () => void) {
    this.#socket = socket
    this.#serveRequest = serveRequest
    this.#options = options
    const { maxStreams } = options
    const burst = Math.max(MIN_RESET_BURST, RESET_BURST * maxStreams)
    this.#resets = new TokenBucket(RESETS_PER_SECOND, burst, performance.now())
    this.#session = performServerHandshake(socket, sessionOptions(maxStreams))
    this.#session.on('stream', this.#onStream)
    // What the client breaks ends its session; the streams hear of it from 'close'.
    this.#session.on('error', ignore)
    this.#session.on('close', () => {
      clearInterval(this.#ticks)
      onClose()
    })
    // Room for all streams together, so that none waits for another's upload. k8s.io/apiserver: MaxUploadBufferPerConnection.
    this.#session.setLocalWindowSize(Math.min(UPLOAD_BUFFER * maxStreams, MAX_WINDOW))
    this.#ticks = setInterval(this.#onTick, PING_INTERVAL)
    this.#ticks.unref()
  }

  readonly close = (): void => {
    if (!this.#session.closed) this.#session.close()
  }

  readonly #onStream = (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    _flags: number,
    rawHeaders: string[],
  ): void => {
    stream.on('error', ignore)
    const response = new Http2Response(stream, headers[':method'] as string, this.close)
    // The client may have taken back the request before it was seen.
    if (response.destroyed) {
      if (stream.aborted) this.#onReset()
      return
    }
    this.#open.add(stream)
    this.#idleTicks = 0
    stream.on('close', () => {
      this.#open.delete(stream)
      if (stream.aborted && !response.cut) this.#onReset()
    })
    if (headers.expect?.toLowerCase() === '100-continue') stream.additionalHeaders({ ':status': 100 })
    if (this.#isLast()) response.shouldKeepAlive = false
    const request = new Http2Request(stream, headers, rawHeaders, this.#socket)
    this.#serveRequest(request, response)
    // Nobody reads a body that is not there, and a stream closes when both of its ends were read.
    if (request.endAfterHeaders) stream.resume()
  }

  /**
   * Whether the connection is to end with this request, so that its client connects again, perhaps to another server
   * (k8s.io/apiserver/pkg/server/filters/goaway.go WithProbabilisticGoaway).
   */
  #isLast(): boolean {
    const { goawayChance } = this.#options
    return goawayChance > 0 && Math.random() < goawayChance
  }

  #onReset(): void {
    if (this.#session.destroyed || this.#resets.take(performance.now()) === 0) return
    this.#session.destroy(new Error('too many streams were reset'), constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }

  readonly #onTick = (): void => {
    if (this.#session.destroyed) return
    if (this.#open.size === 0) {
      this.#idleTicks++
      if (this.#idleTicks >= IDLE_PINGS) this.close()
      return
    }
    if (this.#isBroken()) return this.#session.destroy()
    // Whether it is answered is for TCP to find out: a client that is merely stopped may come back.
    this.#session.ping(ignore)
  }

  /**
   * Whether the client broke the protocol while streams are open. nghttp2 then neither reads nor sends any more, so that
   * nobody sees the client go, and Node.js says nothing: but the last ping was not sent, although nothing else waits to be.
   */
  #isBroken(): boolean {
    const { outboundQueueSize = 0 } = this.#session.state
    const { bytesWritten } = this.#socket
    const isStuck = bytesWritten === this.#written && outboundQueueSize > this.#unsent
    this.#unsent = outboundQueueSize
    this.#written = bytesWritten
    return isStuck && [...this.#open].every((stream) => stream.writableLength === 0)
  }
}

function sessionOptions(maxStreams: number): ServerSessionOptions {
  return {
    settings: {
      maxConcurrentStreams: maxStreams,
      initialWindowSize: UPLOAD_BUFFER,
      maxFrameSize: UPLOAD_BUFFER,
      maxHeaderListSize: MAX_HEADER_LIST_SIZE,
    },
    maxHeaderListPairs: MAX_HEADER_FIELDS,
    maxSendHeaderBlockLength: MAX_SEND_HEADER_BLOCK,
    maxSessionMemory: Math.max(MIN_SESSION_MEMORY, Math.ceil(maxStreams * STREAM_MEMORY)),
  }
}

function ignore(): void {
  // Whoever needs to know hears of it elsewhere.
}
