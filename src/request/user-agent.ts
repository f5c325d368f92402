const MAX_USER_AGENT_BYTES = 1024

/**
 * The userAgent of an event: at most 1024 bytes of UTF-8, as k8s.io/apiserver/pkg/audit/request.go
 * maybeTruncateUserAgent cuts it. A character that the cut goes through becomes U+FFFD.
 *
 * @param userAgent the `User-Agent` as text
 */
export function truncateUserAgent(userAgent: string | undefined): string | undefined {
  if (userAgent === undefined) return undefined
  // No character has more than three bytes for each of its UTF-16 units.
  if (userAgent.length * 3 <= MAX_USER_AGENT_BYTES) return userAgent
  const bytes = Buffer.from(userAgent)
  if (bytes.length <= MAX_USER_AGENT_BYTES) return userAgent
  return bytes.toString('utf8', 0, MAX_USER_AGENT_BYTES) + '...TRUNCATED'
}
