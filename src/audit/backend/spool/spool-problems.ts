import type { DeliveryMetrics } from '../delivery-metrics.js'
import type { Problems } from '../problems.js'

/** What a spool says of itself. */
export interface SpoolProblems extends Problems {
  /**
   * Files of the spool are not what was written.
   *
   * @param segments how many files of events
   * @param events how many events are known to be lost with them; 0 where nobody can know
   */
  damaged(segments: number, events: number, reason: string): void
}

/** Counts what is damaged: the events where their number is known, and the segments in any case. */
export function spoolProblems(
  plugin: string,
  problems: Problems,
  metrics: Pick<DeliveryMetrics, 'observeDamagedSegments'>,
): SpoolProblems {
  metrics.observeDamagedSegments(plugin, 0)
  return {
    failed: (events, reason) => problems.failed(events, reason),
    dropped: (events, reason) => problems.dropped(events, reason),
    trouble: (kind, reason) => problems.trouble(kind, reason),
    damaged(segments, events, reason) {
      metrics.observeDamagedSegments(plugin, segments)
      if (events > 0) problems.failed(events, reason)
      else problems.trouble('spool damaged', reason)
    },
  }
}
