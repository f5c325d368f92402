import { Counter, Gauge, type Registry } from 'prom-client'

/** What is counted of one kind of review. */
export interface ReviewMetrics {
  inFlight(change: number): void
  waiting(change: number): void
  refused(): void
}

/** The reviews that clients make the proxy ask, by who they are about. */
export type ReviewKind = 'unknown-token' | 'known-token' | 'impersonation'

/** Makes the metrics of reviews, of all kinds. */
export function newReviewMetrics(registry: Registry): (kind: ReviewKind) => ReviewMetrics {
  const options = { registers: [registry], labelNames: ['kind' as const] }
  const inFlight = new Gauge({
    ...options,
    name: 'kube_audit_proxy_reviews_in_flight',
    help: 'Gauge of TokenReviews and SubjectAccessReviews that the apiserver is being asked.',
  })
  const waiting = new Gauge({
    ...options,
    name: 'kube_audit_proxy_reviews_waiting',
    help: 'Gauge of TokenReviews and SubjectAccessReviews that wait for their turn.',
  })
  const refused = new Counter({
    ...options,
    name: 'kube_audit_proxy_reviews_refused_total',
    help: 'Counter of TokenReviews and SubjectAccessReviews that were not asked because too many waited.',
  })
  return (kind) => {
    const labels = { kind }
    inFlight.set(labels, 0)
    waiting.set(labels, 0)
    refused.inc(labels, 0)
    return {
      inFlight: (change) => inFlight.inc(labels, change),
      waiting: (change) => waiting.inc(labels, change),
      refused: () => refused.inc(labels),
    }
  }
}
