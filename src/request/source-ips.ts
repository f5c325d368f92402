import { canonicalIP } from './ip.js'

/**
 * How many entries of one X-Forwarded-For are looked at. kube-apiserver looks at all; no real chain of proxies is this
 * long. The last ones are kept: those were added nearest to us.
 */
export const MAX_FORWARDED_FOR = 64

/** Where a request came from. Headers count as Go's Header.Get reads them: the first of its name. */
export interface Origin {
  /** The first `X-Forwarded-For` header: addresses separated by commas. */
  readonly forwardedFor?: string | undefined
  /** The first `X-Real-Ip` header. */
  readonly realIP?: string | undefined
  /** The peer of the connection, as Node's `socket.remoteAddress` has it; undefined once the connection is gone. */
  readonly remoteAddress?: string | undefined
}

/**
 * The sourceIPs of an event: what X-Forwarded-For says, then X-Real-Ip unless it is among them, then the peer unless it
 * is the last of them. What is not an address is left out. k8s.io/apimachinery/pkg/util/net/http.go SourceIPs, which
 * is the same in Kubernetes 1.20 and now.
 */
export function sourceIPs(origin: Origin): string[] {
  const ips = origin.forwardedFor ? forwardedIPs(origin.forwardedFor) : []

  const realIP = origin.realIP ? canonicalIP(origin.realIP) : undefined
  if (realIP !== undefined && !ips.includes(realIP)) ips.push(realIP)

  const peer = origin.remoteAddress ? canonicalIP(withoutZone(origin.remoteAddress)) : undefined
  if (peer !== undefined && ips.at(-1) !== peer) ips.push(peer)
  return ips
}

function forwardedIPs(header: string): string[] {
  const ips: string[] = []
  let end = header.length
  for (let parts = 0; parts < MAX_FORWARDED_FOR && end >= 0; parts++) {
    const comma = end === 0 ? -1 : header.lastIndexOf(',', end - 1)
    const ip = canonicalIP(header.slice(comma + 1, end).trim())
    if (ip !== undefined) ips.push(ip)
    end = comma
  }
  return ips.reverse()
}

/** `fe80::1%eth0` as `fe80::1`: the interface is ours, not the peer's. */
function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}
