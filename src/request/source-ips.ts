import { canonicalIP } from './ip.js'

/**
 * How many entries of one X-Forwarded-For are looked at. kube-apiserver looks at all; no real chain of proxies is this
 * long. The last ones are kept: those were added nearest to us.
 */
export const MAX_FORWARDED_FOR = 64

/**
 * The sourceIPs of an event: what X-Forwarded-For says, then X-Real-Ip unless it is among them, then the peer unless it
 * is the last of them. What is not an address is left out. k8s.io/apimachinery/pkg/util/net/http.go SourceIPs, which
 * is the same in Kubernetes 1.20 and now. Of a header that repeats it reads the first, as Go's Header.Get does.
 *
 * @param forwardedFor the first `X-Forwarded-For` header: addresses separated by commas
 * @param realIP the first `X-Real-Ip` header
 * @param peer the other end of the connection, as Node's `socket.remoteAddress` has it; empty once that is gone
 */
export function sourceIPs(
  forwardedFor: string | undefined,
  realIP: string | undefined,
  peer: string | undefined,
): string[] {
  const ips = forwardedFor ? forwardedIPs(forwardedFor) : []

  const real = realIP ? canonicalIP(realIP) : undefined
  if (real !== undefined && !ips.includes(real)) ips.push(real)

  const remote = peer ? canonicalIP(withoutZone(peer)) : undefined
  if (remote !== undefined && ips.at(-1) !== remote) ips.push(remote)
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
