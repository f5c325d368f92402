import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, createSecureContext, type ConnectionOptions } from 'node:tls'
import { buildConnector } from 'undici'
import type { CertificateKeyPair, ClusterConnection } from '../kubeconfig/connection.js'
import { portOf, proxyAuthorization, proxyTLS } from './forward-proxy.js'

/** client-go's dialer gives up after 30 seconds (k8s.io/client-go/transport/cache.go). */
export const CONNECT_TIMEOUT = 30_000

export interface DialOptions {
  /** Shown to the server; none is shown without. */
  readonly clientCertificate?: CertificateKeyPair | undefined
  /** Milliseconds; the TLS handshake is included, a forward proxy has as many again. Default 30,000. */
  readonly connectTimeout?: number | undefined
  /** Whether HTTP/2 is asked for, by ALPN; the socket says what the server chose. */
  readonly http2?: boolean | undefined
}

/** Opens one connection. Rejects with the error of the socket, of TLS or of the forward proxy. */
export type Dial = () => Promise<Socket>

/**
 * How to open connections to one cluster: through the forward proxy if there is one, with TLS 1.2 or later.
 * The server's name is the connection's, never one that a request names. TLS sessions are resumed between the
 * connections that one Dial opens.
 */
export function newDial(connection: ClusterConnection, options: DialOptions = {}): Dial {
  const { server, proxyUrl } = connection
  const timeout = options.connectTimeout ?? CONNECT_TIMEOUT
  const hostname = server.hostname.replace(/^\[|\]$/g, '')
  const port = portOf(server)
  const tls = tlsOptions(connection, options.clientCertificate)
  const connect = buildConnector({ ...tls, allowH2: options.http2 === true, timeout })
  const target = { hostname, protocol: server.protocol, port, servername: tls.servername }

  const direct = (httpSocket?: Socket) =>
    new Promise<Socket>((resolve, reject) => {
      // undici's types want a TLSSocket here, but it is the plain one that TLS then runs over.
      const through = httpSocket && ({ httpSocket } as unknown as Partial<buildConnector.Options>)
      connect({ ...target, ...through }, (...args) => (args[0] === null ? resolve(args[1]) : reject(args[0])))
    })
  if (proxyUrl === undefined) return () => direct()
  return async () => {
    const socket = await throughProxy(proxyUrl, `${server.hostname}:${port}`, connection, timeout)
    return server.protocol === 'https:' ? direct(socket) : socket
  }
}

/** The options of tls.connect for one cluster. The context, which takes milliseconds to make, is one for all connections. */
function tlsOptions(
  { server, tls }: ClusterConnection,
  clientCertificate: CertificateKeyPair | undefined,
): ConnectionOptions {
  const hostname = server.hostname.replace(/^\[|\]$/g, '')
  const name = tls.servername ?? hostname
  return {
    secureContext: createSecureContext({
      ca: tls.ca,
      cert: clientCertificate?.cert,
      key: clientCertificate?.key,
    }),
    // An address cannot be asked for (SNI), but as tls-server-name it can still be what the certificate must have.
    ...(isIP(name) === 0 && { servername: name }),
    ...(isIP(name) !== 0 && {
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    }),
    rejectUnauthorized: tls.rejectUnauthorized,
  }
}

/** A tunnel that an HTTP proxy opened with CONNECT. A proxy on https is verified, with the cluster's CA as well. */
function throughProxy(
  proxyUrl: URL,
  target: string,
  connection: ClusterConnection,
  timeout: number,
): Promise<Socket> {
  const authorization = proxyAuthorization(proxyUrl)
  const hostname = proxyUrl.hostname.replace(/^\[|\]$/g, '')
  const options = {
    method: 'CONNECT',
    hostname,
    port: portOf(proxyUrl),
    path: target,
    agent: false as const,
    headers: { host: target, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
  }
  return new Promise((resolve, reject) => {
    const failed = (problem: string) => new Error(`proxy ${proxyUrl.host}: ${problem}`)
    const request =
      proxyUrl.protocol === 'https:'
        ? httpsRequest({ ...options, ...proxyTLS(proxyUrl, connection) })
        : httpRequest(options)
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeout} ms`)), timeout)
    const done = () => clearTimeout(timer)
    request.once('connect', (response: IncomingMessage, socket: Socket, head: Buffer) => {
      done()
      if (response.statusCode === 200 && head.length === 0) return resolve(socket)
      socket.destroy()
      reject(failed(`CONNECT ${target} was answered with status ${response.statusCode}`))
    })
    request.once('response', (response) => {
      done()
      request.destroy()
      reject(failed(`CONNECT ${target} was answered with status ${response.statusCode}`))
    })
    request.once('error', (err) => {
      done()
      reject(failed(err.message))
    })
    request.end()
  })
}
