import type { AuditMetrics } from '../metrics.js'
import { Captures } from './body-capture.js'
import { BodyReader } from './body-reader.js'
import { CaptureBudget } from './capture-budget.js'
import type { CaptureOptions } from './options.js'
import type { CaptureEnvironment } from './held-capture.js'
import { newConverters } from './new-converters.js'
import { Redactor } from './redact/redactor.js'
import type { Readings } from './threads/readings.js'
import { ReadingThreads } from './threads/reading-threads.js'

/** What the captures of one process have from elsewhere. */
export interface CaptureContext {
  readonly metrics: AuditMetrics
  /** The same secret has the same mark wherever the key is the same. */
  readonly redactionKey: Buffer
  /** Reads what is not read at once. */
  readonly readings: Readings
  /** How many processes share what the flags allow; one body must fit, whatever their number. */
  readonly processes: number
}

/** The captures that the flags ask for. */
export function newCaptures(
  { redact, refusedBodies, maxBodySize, maxCaptureMemory }: CaptureOptions,
  { metrics, redactionKey, readings, processes }: CaptureContext,
): Captures {
  const memory =
    processes === 1 ? maxCaptureMemory : Math.max(maxBodySize, Math.floor(maxCaptureMemory / processes))
  const environment: CaptureEnvironment = {
    maxBodyBytes: maxBodySize,
    budget: new CaptureBudget(memory),
    reader: new BodyReader({
      maxBodyBytes: maxBodySize,
      redactor: redact ? new Redactor(redactionKey) : undefined,
      // A few kilobytes of it take tens of milliseconds.
      converters: { ...newConverters(), yaml: undefined },
    }),
    readings,
    onTruncated: () => metrics.observeTruncated('capture'),
  }
  return new Captures(environment, refusedBodies)
}

/** The threads for what is not read at once. Whoever has them closes them. */
export function newReadingThreads(
  { redact, maxBodySize }: CaptureOptions,
  redactionKey: Buffer,
): ReadingThreads {
  return new ReadingThreads({ maxBodyBytes: maxBodySize, redactionKey: redact ? redactionKey : undefined })
}
