import { isIP, type Socket } from 'node:net'
import { rootCertificates } from 'node:tls'
import { buildConnector, type Dispatcher } from 'undici'
import type { ClusterConnection } from '../kubeconfig/connection.js'

/** Proxy-Authorization for the user in a proxy's URL, as Go's net/http sends it; undefined where it names none. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}

/** The port of a URL with http or https, also where it is the scheme's. */
export function portOf({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80')
}

/** How to verify a proxy on https: with the cluster's CA as well. */
export function proxyTLS(proxyUrl: URL, { tls }: ClusterConnection) {
  const hostname = proxyUrl.hostname.replace(/^\[|\]$/g, '')
  return {
    // Without it Node.js would verify the name in the Host header, which is the target's.
    servername: isIP(hostname) === 0 ? hostname : '',
    ...(tls.ca !== undefined && { ca: [...rootCertificates, tls.ca] }),
    rejectUnauthorized: tls.rejectUnauthorized,
  }
}

/**
 * Opens connections to a forward proxy that take requests in the absolute form, for servers on http.
 *
 * @param timeout milliseconds, the TLS handshake included
 */
export function newProxyDial(
  proxyUrl: URL,
  connection: ClusterConnection,
  timeout: number,
): () => Promise<Socket> {
  const { servername, ...tls } = proxyTLS(proxyUrl, connection)
  const connect = buildConnector({ ...tls, allowH2: false, timeout })
  const { protocol } = proxyUrl
  const hostname = proxyUrl.hostname.replace(/^\[|\]$/g, '')
  return () =>
    new Promise((resolve, reject) => {
      connect({ hostname, protocol, port: portOf(proxyUrl), servername }, (err, socket) => {
        if (err === null) resolve(socket)
        else reject(new Error(`proxy ${proxyUrl.host}: ${err.message}`))
      })
    })
}

/**
 * A request to a server on http as a forward proxy takes it: with the whole URL, and who asks the proxy (net/http
 * persistConn.writeLoop and Request.write).
 */
export function inAbsoluteForm(
  options: Dispatcher.DispatchOptions,
  server: URL,
  proxyUrl: URL,
): Dispatcher.DispatchOptions {
  const path = `${server.origin}${options.path}`
  const authorization = proxyAuthorization(proxyUrl)
  if (authorization === undefined) return { ...options, path }
  return { ...options, path, headers: withHeader(options.headers, 'proxy-authorization', authorization) }
}

type Headers = Dispatcher.DispatchOptions['headers']

/** Whatever the request had by that name is not for the proxy. */
function withHeader(headers: Headers, name: string, value: string): Headers {
  const pairs = Array.isArray(headers)
    ? headers.flatMap((_, i) => (i % 2 === 0 ? [[headers[i], headers[i + 1]] as const] : []))
    : headers !== null && headers !== undefined && Symbol.iterator in headers
      ? [...headers]
      : Object.entries(headers ?? {})
  const others = pairs.filter(([other]) => String(other).toLowerCase() !== name)
  return [...others, [name, value] as const].flat() as string[]
}
