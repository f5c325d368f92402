import type { Event } from '../event.js'

/** The annotation that has a statement in an event. */
export const SEAL_ANNOTATION = 'kube-audit-proxy.io/seal'

/**
 * A statement as an event, for a receiver of events to keep: with the statement's line in an annotation.
 * @param id of the event: no other one has it
 * @param now milliseconds since the Unix epoch
 */
export function anchorEvent(line: Buffer, id: string, now: number): Event {
  return {
    level: 'Metadata',
    auditID: id,
    stage: 'ResponseComplete',
    requestURI: '',
    verb: 'seal',
    user: { username: 'kube-audit-proxy' },
    sourceIPs: [],
    requestReceivedTimestamp: now * 1000,
    stageTimestamp: now * 1000,
    annotations: { [SEAL_ANNOTATION]: line.toString('utf8') },
  }
}
