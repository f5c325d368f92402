/**
 * Which limit left a body out: the one on a body, the one on all captures in flight, the one on how much longer than it came a
 * body may become, the ones on the time that it takes to read and until that begins, or the end of the thread that read it.
 */
export type CaptureLimit = 'body' | 'total' | 'growth' | 'time' | 'waiting' | 'thread'

/** The limits that have a number, in bytes. */
export interface ByteLimits {
  readonly body: number
  readonly total: number
}

/** Whose body was left out. */
export type BodyKind = 'request' | 'response'

/** The annotations of an event whose `kind` body was left out; the first is the one kube-apiserver's truncate backend sets. */
export function truncatedAnnotations(
  kind: BodyKind,
  limit: CaptureLimit,
  bytes: ByteLimits,
): Record<string, string> {
  return {
    'audit.k8s.io/truncated': 'true',
    [`kube-audit-proxy.io/truncated-${kind}-object`]: inWords(limit, bytes),
  }
}

function inWords(limit: CaptureLimit, { body, total }: ByteLimits): string {
  switch (limit) {
    case 'body':
      return `body larger than ${body} bytes`
    case 'total':
      return `captures in flight over ${total} bytes`
    case 'growth':
      return 'much larger than what was sent, of a request that may have been refused unread'
    case 'time':
      return 'reading it took too long'
    case 'waiting':
      return 'too many bodies wait to be read'
    case 'thread':
      return 'reading it failed'
  }
}

/** The annotation of an event whose `kind` body nobody could read. */
export function unreadAnnotation(kind: BodyKind, why: string): Record<string, string> {
  return { [`kube-audit-proxy.io/unread-${kind}-object`]: why }
}
