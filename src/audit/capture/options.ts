import { atLeast } from '../../cli/checks.js'
import { FlagValues } from '../../cli/flag-values.js'
import type { Flag, Settings } from '../../cli/flag.js'

/** What of bodies goes into events. Sizes in bytes. */
export interface CaptureOptions {
  /** Whether credentials are kept out. */
  readonly redact: boolean
  /** Whether bodies are recorded of requests that kube-apiserver refused before it read them. */
  readonly refusedBodies: boolean
  readonly maxBodySize: number
  /** For all bodies that are being captured, together. */
  readonly maxCaptureMemory: number
}

const GROUP = 'Auditing'

export const CAPTURE_FLAGS = [
  {
    name: 'audit-redact',
    type: 'bool',
    default: true,
    group: GROUP,
    help: 'Keep credentials out of request and response objects: the data of Secrets, issued tokens, the tokens of TokenReviews.',
  },
  {
    name: 'audit-refused-bodies',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Record the bodies of requests that were answered with 401, 429, or the 403 of authorization, too. kube-apiserver does not read them, and has none of them in its log. Anybody can then fill the log.',
  },
  {
    name: 'audit-max-body-size',
    type: 'int',
    // The largest request that kube-apiserver takes: k8s.io/apiserver/pkg/server/config.go MaxRequestBodyBytes.
    default: 3_145_728,
    group: GROUP,
    help: 'Bytes of a request or response body at most that go into an event.',
    validate: atLeast(0),
  },
  {
    name: 'audit-max-capture-memory',
    type: 'int',
    default: 268_435_456,
    group: GROUP,
    help: 'Bytes of memory that all bodies being captured can use together; beyond it events have no objects.',
    validate: atLeast(0),
  },
] as const satisfies readonly Flag[]

export function readCaptureOptions(settings: Settings): CaptureOptions {
  const values = new FlagValues(CAPTURE_FLAGS, settings)
  return {
    redact: values.get('audit-redact'),
    refusedBodies: values.get('audit-refused-bodies'),
    maxBodySize: values.get('audit-max-body-size'),
    maxCaptureMemory: values.get('audit-max-capture-memory'),
  }
}
