import { utf8FromBytes } from './escape.js'

const MAX_USER_AGENT_BYTES = 1024

/**
 * The userAgent of an event: at most 1024 bytes of the header, as k8s.io/apiserver/pkg/audit/request.go
 * maybeTruncateUserAgent cuts it. A character that the cut goes through becomes U+FFFD.
 *
 * @param header the `User-Agent` as received, one character per byte, as Node has it
 */
export function userAgentOf(header: string | undefined): string {
  if (header === undefined) return ''
  if (header.length <= MAX_USER_AGENT_BYTES) return utf8FromBytes(header)
  return utf8FromBytes(header.slice(0, MAX_USER_AGENT_BYTES)) + '...TRUNCATED'
}
