import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import { connect, Server as NetServer, type AddressInfo, type ListenOptions, type Socket } from 'node:net'
import {
  createServer as createTLSServer,
  type Server as TLSServer,
  type TlsOptions,
  type TLSSocket,
} from 'node:tls'
import type { ServeRequest } from '../request/inbound.js'
import { MAX_HEADER_FIELDS } from './admission.js'
import { Http1Connections } from './http1-connections.js'
import { Http2Sessions, type Http2Options } from './http2-session.js'
import type { ServingMaterial } from './serving-tls.js'
import { TLSContexts, type TLSOptions } from './tls-contexts.js'

export interface ListenerOptions extends TLSOptions {
  readonly bindAddress: string
  /** A descriptor that listens already; then bindAddress and port say nothing. */
  readonly fd?: number | undefined
  /** 0 takes a free port. */
  readonly port: number
  readonly http2: Http2Options
  /** Whether others may listen there as well (SO_REUSEPORT). */
  readonly permitPortSharing: boolean
}

/** Go's net/http DefaultMaxHeaderBytes, which kube-apiserver keeps. */
const MAX_HEADER_BYTES = 1 << 20
/** k8s.io/apiserver/pkg/server/secure_serving.go: ReadHeaderTimeout and IdleTimeout, in milliseconds. */
const HEADERS_TIMEOUT = 32_000
const IDLE_TIMEOUT = 90_000

/**
 * How many connections may wait to be taken, as far as net.core.somaxconn allows. It stays with an inherited socket, for
 * the time in which nobody takes any.
 */
const BACKLOG = 4096

/** Milliseconds in which a connection that idles when the shutdown begins may bring one more request. */
const LAST_REQUEST = 500
/** Milliseconds in which the last bytes of the last responses are to reach their clients. */
const FLUSH_TIMEOUT = 1000

/** The secure port: TLS with optional client certificates, HTTP/2 or HTTP/1.1 as the client chooses by ALPN. */
export class Listener {
  readonly #server: Server
  readonly #http2: Http2Sessions
  readonly #sockets = new Set<Socket>()

  /** Make TLS for clients who came to an address that has a certificate of its own. */
  readonly #byAddress = new Map<string, TLSServer>()
  #contexts: TLSContexts

  readonly #options: ListenerOptions

  constructor(options: ListenerOptions, material: ServingMaterial, serveRequest: ServeRequest) {
    this.#options = options
    this.#http2 = new Http2Sessions(serveRequest, options.http2)
    this.#contexts = new TLSContexts(material, options)
    const tls: TlsOptions = {
      requestCert: material.clientCA !== undefined,
      // Whether a certificate is good is for the authenticators to say, with a Status.
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
      ...(material.named.length > 0 && {
        SNICallback: (name, use) => use(null, this.#contexts.forServerName(name)),
      }),
    }
    this.#server = createServer({
      ...this.#contexts.fallback,
      ...tls,
      maxHeaderSize: MAX_HEADER_BYTES,
      // A request may take as long as it likes: uploads, watches. Only its head must come in time.
      requestTimeout: 0,
      headersTimeout: HEADERS_TIMEOUT,
      keepAliveTimeout: IDLE_TIMEOUT,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      noDelay: true,
      highWaterMark: 64 * 1024,
    })
    // node:http leaves out what is beyond: the one more tells that there are too many.
    this.#server.maxHeadersCount = MAX_HEADER_FIELDS + 1
    for (const [address, context] of this.#contexts.byAddress)
      this.#byAddress.set(address, createTLSServer({ ...context, ...tls }))
    if (this.#byAddress.size > 0) this.#chooseByAddress()
    this.#server.on('connection', (socket: Socket) => this.#track(socket))
    new Http1Connections(serveRequest).attach(this.#server)
    this.#chooseProtocol()
  }

  /** Takes this TLS material for new connections; those that are open keep theirs. */
  setMaterial(material: ServingMaterial): void {
    this.#contexts = new TLSContexts(material, this.#options)
    this.#server.setSecureContext(this.#contexts.fallback)
    for (const [address, context] of this.#contexts.byAddress)
      this.#byAddress.get(address)?.setSecureContext(context)
  }

  /** Rejects where the address cannot be bound. */
  async listen(): Promise<void> {
    const { fd, bindAddress, port, permitPortSharing } = this.#options
    // Of a descriptor each worker process has its own; an address is opened by the primary, once for all.
    // (With reusePort each worker process opens it for itself.) Node's types of version 20 leave reusePort out.
    const address: ListenOptions & { reusePort: boolean } = {
      host: bindAddress,
      port,
      backlog: BACKLOG,
      reusePort: permitPortSharing,
    }
    if (fd === undefined) this.#server.listen(address)
    else this.#server.listen({ fd, exclusive: true }, BACKLOG)
    await once(this.#server, 'listening')
  }

  /** The IP address that it listens on. */
  get address(): string {
    return (this.#server.address() as AddressInfo).address
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Whether a new connection can be made: false where descriptors have run out, say. Takes a second at most. */
  acceptsConnections(): Promise<boolean> {
    const address = this.#server.address() as AddressInfo | null
    if (address === null) return Promise.resolve(false)
    const host =
      address.address === '::' ? '::1' : address.address === '0.0.0.0' ? '127.0.0.1' : address.address
    return new Promise((resolve) => {
      const socket = connect({ host, port: address.port, timeout: 1000 })
      const done = (accepts: boolean): void => {
        socket.destroy()
        resolve(accepts)
      }
      socket.once('connect', () => done(true))
      socket.once('timeout', () => done(false))
      socket.once('error', () => done(false))
    })
  }

  /** Takes no new connections. Requests under way go on, and so do HTTP/1.1 connections that idle. */
  stopAccepting(): void {
    // https.Server's own would close what idles, perhaps while its next request is on the way.
    NetServer.prototype.close.call(this.#server)
    this.#http2.close()
  }

  /**
   * Closes what idles, but not at once: a client that is busy sends its next request meanwhile and is told with the
   * response that it was the last, while whoever finds a connection cut does not know what became of the request.
   * @param deadline until when there is time for that, however short
   */
  async closeIdle(deadline: AbortSignal): Promise<void> {
    await this.#allClosed(AbortSignal.any([deadline, AbortSignal.timeout(LAST_REQUEST)]))
    this.#server.closeIdleConnections()
  }

  /** Every request has been answered: lets what was written reach the clients, and cuts off whatever is still connected. */
  async close(): Promise<void> {
    this.#server.close()
    this.#http2.close()
    await this.#allClosed(AbortSignal.timeout(FLUSH_TIMEOUT))
    for (const socket of this.#sockets) socket.destroy()
  }

  async #allClosed(deadline: AbortSignal): Promise<void> {
    const closed = [...this.#sockets].map((socket) => once(socket, 'close', { signal: deadline }))
    await Promise.allSettled(closed)
  }

  /**
   * Puts a choice before what https.Server does with a connection that TLS has made: speak HTTP/1.1. (http2's own server
   * for both protocols knows fewer of the limits for HTTP/1.1.)
   */
  #chooseProtocol(): void {
    const server = this.#server
    const speakHttp1 = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[]
    server.removeAllListeners('secureConnection')
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') this.#http2.serve(socket)
      else for (const speak of speakHttp1) speak.call(server, socket)
    })
  }

  /** Puts a choice before TLS: whose certificate a client is shown who names no server. */
  #chooseByAddress(): void {
    const server = this.#server
    const byAddress = this.#byAddress
    const makeTLS = server.listeners('connection') as ((socket: Socket) => void)[]
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      const other = byAddress.get(socket.localAddress?.replace(/^::ffff:(?=.*\.)/, '') ?? '')
      if (other !== undefined) other.emit('connection', socket)
      else for (const make of makeTLS) make.call(server, socket)
    })
    for (const other of byAddress.values()) {
      other.on('secureConnection', (socket) => server.emit('secureConnection', socket))
      other.on('tlsClientError', (err, socket) => server.emit('tlsClientError', err, socket))
    }
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
  }
}
