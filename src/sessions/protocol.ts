/** How a session is carried, as the 101 says it. */
export type SessionProtocol =
  | { readonly kind: 'websocket'; readonly base64: boolean; readonly version: number }
  | { readonly kind: 'spdy'; readonly version: number }
  /** SPDY/3.1 inside of a WebSocket, which carries forwarded ports: not a session. */
  | { readonly kind: 'tunnel' }
  /** Nothing that is known, and why. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** The subprotocols of k8s.io/streaming/pkg/httpstream/wsstream; the empty one is as channel.k8s.io. */
const WEBSOCKET = /^(?:(?:v([1-5])\.)?(base64\.)?channel\.k8s\.io)?$/
const SPDY = /^(?:v([2-4])\.)?channel\.k8s\.io$/
const TUNNEL = 'SPDY/3.1+portforward.k8s.io'

/** @param headers of the 101: name, value, ... */
export function sessionProtocol(headers: readonly string[]): SessionProtocol {
  const upgrade = header(headers, 'upgrade').toLowerCase()
  if (upgrade === 'websocket') {
    if (header(headers, 'sec-websocket-extensions') !== '')
      return { kind: 'unknown', reason: 'the WebSocket has extensions' }
    const protocol = header(headers, 'sec-websocket-protocol')
    if (protocol.toLowerCase() === TUNNEL.toLowerCase()) return { kind: 'tunnel' }
    const found = WEBSOCKET.exec(protocol)
    if (found === null) return { kind: 'unknown', reason: 'the protocol of the WebSocket is not known' }
    return { kind: 'websocket', base64: found[2] !== undefined, version: Number(found[1] ?? 1) }
  }
  if (upgrade === 'spdy/3.1') {
    // Without it a server speaks the first version (client-go/tools/remotecommand/spdy.go).
    const found = SPDY.exec(header(headers, 'x-stream-protocol-version') || 'channel.k8s.io')
    if (found === null) return { kind: 'unknown', reason: 'the protocol of the SPDY streams is not known' }
    return { kind: 'spdy', version: Number(found[1] ?? 1) }
  }
  return { kind: 'unknown', reason: 'the connection speaks neither WebSocket nor SPDY/3.1' }
}

function header(headers: readonly string[], name: string): string {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === name) return headers[i + 1]?.trim() ?? ''
  }
  return ''
}
