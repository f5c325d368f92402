/** Which limit left a body out: the one on a body, or the one on all captures in flight. */
export type CaptureLimit = 'body' | 'total'

/** Whose body was left out. */
export type BodyKind = 'request' | 'response'

/** The bytes that captures in flight hold together. */
export class CaptureBudget {
  /** In bytes. */
  readonly limit: number
  #used = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** Bytes held now. */
  get used(): number {
    return this.#used
  }

  /** Takes `bytes`, or takes nothing and says false where that would go over the limit. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false
    this.#used += bytes
    return true
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#used -= bytes
  }
}

/** The annotations of an event whose `kind` body was left out; the first is the one kube-apiserver's truncate backend sets. */
export function truncatedAnnotations(
  kind: BodyKind,
  limit: CaptureLimit,
  bytes: number,
): Record<string, string> {
  return {
    'audit.k8s.io/truncated': 'true',
    [`kube-audit-proxy.io/truncated-${kind}-object`]:
      limit === 'body' ? `body larger than ${bytes} bytes` : `captures in flight over ${bytes} bytes`,
  }
}

/** The annotation of an event whose `kind` body nobody could read. */
export function unreadAnnotation(kind: BodyKind, why: string): Record<string, string> {
  return { [`kube-audit-proxy.io/unread-${kind}-object`]: why }
}
