import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { errorMessage } from '../errors.js'

/** Requests over one connection, where the server allows as many: what ends it ends no more than these. */
const MAX_STREAMS = 100
/**
 * Bytes that the server may send before it hears that they were read, for all streams together. Each has 64 KiB of its
 * own: a reader that stands still holds that much, and none of the others.
 */
const WINDOW = 8 << 20
/** Bytes of response headers that are read, and how many headers: those of no bytes count 32 each. */
const MAX_HEADER_LIST_SIZE = 1 << 20
const MAX_HEADER_LIST_PAIRS = MAX_HEADER_LIST_SIZE / 32
/** Bytes of request headers that are sent: a client may send 1 MiB, to which the proxy adds its own. */
const MAX_SEND_HEADER_BLOCK = 2 << 20
/** MB that a session may hold of what nobody reads: the windows of all streams, and their headers. */
const MAX_SESSION_MEMORY = 64

/** Milliseconds: k8s.io/apimachinery/pkg/util/net/http.go readIdleTimeoutSeconds and pingTimeoutSeconds. */
const PING_INTERVAL = 30_000
const PING_TIMEOUT = 15_000
/** Milliseconds that an unused connection is kept. */
const KEEP_ALIVE = 30_000

/** One HTTP/2 connection, with the requests on it. */
export class SharedConnection {
  readonly #session: ClientHttp2Session
  readonly #ping: NodeJS.Timeout
  readonly #onEnd: () => void
  readonly #limit: number
  #streams = 0
  #retired = false
  #idleSince = Date.now()

  private constructor(session: ClientHttp2Session, onEnd: () => void) {
    this.#session = session
    this.#onEnd = onEnd
    this.#limit = Math.min(MAX_STREAMS, session.remoteSettings.maxConcurrentStreams ?? MAX_STREAMS)
    this.#ping = setInterval(this.#onTick, PING_INTERVAL)
    this.#ping.unref()
    session.on('close', () => {
      clearInterval(this.#ping)
      this.#leave()
    })
    // A server that is about to go takes no more requests, and finishes those that it has.
    session.on('goaway', () => this.#leave())
  }

  /**
   * Speaks HTTP/2 over a connection whose server chose it by ALPN. Rejects where the server breaks off before it has said
   * how many streams it allows.
   *
   * @param onEnd is called once, when no more requests can be made
   */
  static over(socket: TLSSocket, origin: string, onEnd: () => void): Promise<SharedConnection> {
    const session = connect(origin, {
      createConnection: () => socket,
      maxHeaderListPairs: MAX_HEADER_LIST_PAIRS,
      maxSendHeaderBlockLength: MAX_SEND_HEADER_BLOCK,
      maxSessionMemory: MAX_SESSION_MEMORY,
      settings: { enablePush: false, maxHeaderListSize: MAX_HEADER_LIST_SIZE },
    })
    return new Promise<SharedConnection>((resolve, reject) => {
      let failure: unknown
      session.on('error', (err) => void (failure = err))
      const onClose = () =>
        reject(new Error(`the connection ended: ${errorMessage(failure ?? 'by the server')}`))
      session.once('close', onClose)
      session.once('connect', () => session.setLocalWindowSize(WINDOW))
      session.once('remoteSettings', () => {
        session.off('close', onClose)
        resolve(new SharedConnection(session, onEnd))
      })
    })
  }

  /**
   * Sends a request without a body; undefined where the connection has no room.
   *
   * @throws TypeError of node:http2 where the headers cannot be sent
   */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream | undefined {
    const { closed, destroyed } = this.#session
    if (this.#retired || closed || destroyed || this.#streams >= this.#limit) return undefined
    const stream = this.#session.request(headers, { endStream: true })
    this.#streams++
    stream.on('close', () => {
      this.#streams--
      this.#idleSince = Date.now()
    })
    return stream
  }

  /** No more requests; the connection ends with the last one on it. */
  retire(): void {
    this.#leave()
    if (!this.#session.closed) this.#session.close()
  }

  destroy(): void {
    this.#session.destroy()
  }

  #leave(): void {
    if (this.#retired) return
    this.#retired = true
    this.#onEnd()
  }

  readonly #onTick = (): void => {
    if (this.#session.destroyed) return
    if (this.#streams === 0 && Date.now() - this.#idleSince >= KEEP_ALIVE) return this.retire()
    // A connection that something on the way has forgotten would keep its watches waiting for ever.
    const timer = setTimeout(() => this.#session.destroy(new Error('a ping was not answered')), PING_TIMEOUT)
    timer.unref()
    this.#session.ping(() => clearTimeout(timer))
  }
}
