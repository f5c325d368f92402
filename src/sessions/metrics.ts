import { Counter, Gauge, type Registry } from 'prom-client'

const RESULTS = ['recorded', 'ended', 'incomplete', 'refused', 'unrecorded'] as const
/**
 * What became of a session: recorded whole; ended because it could not be; recorded in part; refused; not recorded at all.
 */
export type RecordingResult = (typeof RESULTS)[number]

export class SessionMetrics {
  readonly #sessions: Counter<'result'>
  readonly #bytes: Counter
  readonly #active: Gauge

  constructor(registry: Registry) {
    const registers = [registry]
    this.#sessions = new Counter({
      registers,
      name: 'kube_audit_proxy_session_recordings_total',
      help: 'Counter of sessions of exec and attach that were to be recorded, by result (recorded, ended, incomplete, refused, unrecorded).',
      labelNames: ['result'],
    })
    for (const result of RESULTS) this.#sessions.inc({ result }, 0)
    this.#bytes = new Counter({
      registers,
      name: 'kube_audit_proxy_session_recording_bytes_total',
      help: 'Bytes of finished recordings, before they are compressed.',
    })
    this.#active = new Gauge({
      registers,
      name: 'kube_audit_proxy_session_recordings_active',
      help: 'Sessions that are being recorded.',
    })
  }

  observeResult(result: RecordingResult): void {
    this.#sessions.inc({ result })
  }

  observeBytes(bytes: number): void {
    this.#bytes.inc(bytes)
  }

  observeBegin(): void {
    this.#active.inc()
  }

  observeEnd(): void {
    this.#active.dec()
  }
}

/** What becomes of recordings that are finished. */
export class ArchiveMetrics {
  readonly #removed: Counter<'reason'>
  readonly #recovered: Counter
  readonly #stored: Gauge

  constructor(registry: Registry) {
    // The process that has the archive counts for all.
    const registers = [registry]
    const aggregator = 'first'
    this.#removed = new Counter({
      registers,
      aggregator,
      name: 'kube_audit_proxy_session_recordings_removed_total',
      help: 'Counter of recordings that were removed, by reason (age or total).',
      labelNames: ['reason'],
    })
    for (const reason of ['age', 'total']) this.#removed.inc({ reason }, 0)
    this.#recovered = new Counter({
      registers,
      aggregator,
      name: 'kube_audit_proxy_session_recordings_recovered_total',
      help: 'Counter of recordings that were finished after the process that wrote them was gone.',
    })
    this.#stored = new Gauge({
      registers,
      aggregator,
      name: 'kube_audit_proxy_session_recordings_stored_bytes',
      help: 'Bytes of finished recordings on disk.',
    })
  }

  observeRemoved(reason: 'age' | 'total'): void {
    this.#removed.inc({ reason })
  }

  observeRecovered(): void {
    this.#recovered.inc()
  }

  observeStored(bytes: number): void {
    this.#stored.set(bytes)
  }
}
