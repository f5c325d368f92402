import type { AuditMetrics } from '../metrics.js'
import { Captures } from './body-capture.js'
import { cborToJSON } from './cbor/convert.js'
import { CaptureBudget } from './limits.js'
import type { CaptureOptions } from './options.js'
import { ProtobufConverter } from './protobuf/convert.js'
import { Redactor } from './redact/redactor.js'
import { yamlToJSON } from './yaml/yaml.js'

/** What the captures of one process have from elsewhere. */
export interface CaptureContext {
  readonly metrics: AuditMetrics
  /** The same secret has the same mark wherever the key is the same. */
  readonly redactionKey: Buffer
  /** How many processes share what the flags allow; one body must fit, whatever their number. */
  readonly processes: number
}

/** The captures that the flags ask for. */
export function newCaptures(
  { redact, maxBodySize, maxCaptureMemory }: CaptureOptions,
  { metrics, redactionKey, processes }: CaptureContext,
): Captures {
  const memory =
    processes === 1 ? maxCaptureMemory : Math.max(maxBodySize, Math.floor(maxCaptureMemory / processes))
  return new Captures({
    maxBodyBytes: maxBodySize,
    budget: new CaptureBudget(memory),
    redactor: redact ? new Redactor(redactionKey) : undefined,
    onTruncated: () => metrics.observeTruncated('capture'),
    converters: { yaml: yamlToJSON, protobuf: new ProtobufConverter(), cbor: cborToJSON },
  })
}
