import { FlagValues } from '../../cli/flag-values.js'
import type { Flag, Settings } from '../../cli/flag.js'
import { EVENT_VERSIONS, type EventVersion } from '../encode.js'

/** --audit-*-mode: k8s.io/apiserver/pkg/server/options/audit.go AllowedModes, the strictest last. */
export const MODES = ['batch', 'blocking', 'blocking-strict'] as const
export type Mode = (typeof MODES)[number]

/** --audit-*-batch-*: AuditBatchOptions. Only used in mode `batch`. */
export interface BatchOptions {
  /** How many events may wait to be delivered. */
  readonly bufferSize: number
  /** How much memory they may hold, in bytes, estimated. Not one of kube-apiserver's. */
  readonly bufferBytes: number
  /** How many events a batch has at most. */
  readonly maxSize: number
  /** Milliseconds that an event waits for its batch to fill. */
  readonly maxWait: number
  readonly throttleEnable: boolean
  /** Batches per second. */
  readonly throttleQPS: number
  readonly throttleBurst: number
}

/** --audit-*-truncate-*: AuditTruncateOptions. Sizes in bytes. */
export interface TruncateOptions {
  readonly enabled: boolean
  readonly maxBatchSize: number
  readonly maxEventSize: number
}

/** How events reach one backend: what every backend's flags say. */
export interface DeliveryOptions {
  readonly mode: Mode
  readonly version: EventVersion
  readonly batch: BatchOptions
  readonly truncate: TruncateOptions
}

/** What differs between backends: k8s.io/apiserver/pkg/server/options/audit.go NewAuditOptions. */
export interface DeliveryDefaults {
  readonly mode: Mode
  readonly maxSize: number
  /** Milliseconds. */
  readonly maxWait: number
  readonly throttle: boolean
  readonly qps: number
  readonly burst: number
}

const GROUP = 'Auditing'
const BATCH = 'Only used in batch mode.'

/** The flags mode, version, batch-* and truncate-*, without the prefix that says of which backend. */
export function deliveryFlags(defaults: DeliveryDefaults) {
  return [
    {
      name: 'mode',
      type: 'string',
      default: defaults.mode,
      group: GROUP,
      help: 'How events are delivered. batch buffers them and delivers later; blocking makes each request wait for the delivery; blocking-strict also fails a request whose RequestReceived event cannot be delivered. Known modes are batch,blocking,blocking-strict.',
    },
    {
      name: 'version',
      type: 'string',
      default: 'audit.k8s.io/v1',
      group: GROUP,
      help: 'API group and version of the events.',
    },
    {
      name: 'batch-buffer-size',
      type: 'int',
      default: 10_000,
      group: GROUP,
      help: `Number of events that can wait; more are dropped. ${BATCH}`,
    },
    {
      name: 'batch-buffer-bytes',
      type: 'int',
      default: 256 << 20,
      group: GROUP,
      help: `Bytes of memory, estimated, that waiting events can use; more are dropped. ${BATCH}`,
    },
    {
      name: 'batch-max-size',
      type: 'int',
      default: defaults.maxSize,
      group: GROUP,
      help: `Number of events in a batch at most. ${BATCH}`,
    },
    {
      name: 'batch-max-wait',
      type: 'duration',
      default: defaults.maxWait,
      group: GROUP,
      help: `How long to wait for a batch to fill before it is delivered as it is. ${BATCH}`,
    },
    {
      name: 'batch-throttle-enable',
      type: 'bool',
      default: defaults.throttle,
      group: GROUP,
      help: `Limit the number of batches per second. ${BATCH}`,
    },
    {
      name: 'batch-throttle-qps',
      type: 'float32',
      default: defaults.qps,
      group: GROUP,
      help: `Batches per second, on average. ${BATCH}`,
    },
    {
      name: 'batch-throttle-burst',
      type: 'int',
      default: defaults.burst,
      group: GROUP,
      help: `Batches at the same moment, where the average was not used up before. ${BATCH}`,
    },
    {
      name: 'truncate-enabled',
      type: 'bool',
      default: false,
      group: GROUP,
      help: 'Cut events and batches that are too large.',
    },
    {
      name: 'truncate-max-batch-size',
      type: 'int',
      default: 10 << 20,
      group: GROUP,
      help: 'Bytes of a batch at most, apart from a few hundred; a larger one is split.',
    },
    {
      name: 'truncate-max-event-size',
      type: 'int',
      default: 100 << 10,
      group: GROUP,
      help: 'Bytes of an event at most. A larger one loses its request and response objects, and is dropped where that is not enough.',
    },
  ] as const satisfies readonly Flag[]
}

/**
 * What the flags of one backend say, checked as k8s.io/apiserver/pkg/server/options/audit.go Validate does.
 *
 * @param prefix of the backend's flags: `audit-log-`
 * @param batches events are delivered in batches whatever the mode
 * @throws ConfigError
 */
export function readDelivery(
  flags: ReturnType<typeof deliveryFlags>,
  settings: Settings,
  prefix: string,
  { batches = false }: { readonly batches?: boolean } = {},
): DeliveryOptions {
  const values = new FlagValues(flags, settings, prefix)
  const mode = values.choice('mode', MODES)
  const throttleEnable = values.get('batch-throttle-enable')
  if (mode === 'batch' || batches) {
    for (const name of ['batch-buffer-size', 'batch-buffer-bytes', 'batch-max-size'] as const)
      values.atLeast(name, 1)
    values.atLeast('batch-max-wait', 0)
    if (throttleEnable) {
      const qps = values.get('batch-throttle-qps')
      if (!(qps > 0)) values.fail('batch-throttle-qps', qps, 'a positive number')
      values.atLeast('batch-throttle-burst', 1)
    }
  }
  values.atLeast('truncate-max-event-size', 1)
  const maxEventSize = values.get('truncate-max-event-size')
  const maxBatchSize = values.get('truncate-max-batch-size')
  if (maxBatchSize < maxEventSize) {
    const least = `at least --${prefix}truncate-max-event-size (${maxEventSize})`
    values.fail('truncate-max-batch-size', maxBatchSize, least)
  }
  return {
    mode,
    version: values.choice('version', EVENT_VERSIONS),
    batch: {
      bufferSize: values.get('batch-buffer-size'),
      bufferBytes: values.get('batch-buffer-bytes'),
      maxSize: values.get('batch-max-size'),
      maxWait: values.get('batch-max-wait'),
      throttleEnable,
      throttleQPS: values.get('batch-throttle-qps'),
      throttleBurst: values.get('batch-throttle-burst'),
    },
    truncate: { enabled: values.get('truncate-enabled'), maxBatchSize, maxEventSize },
  }
}

/** The strictest of the modes: how long a request waits where several backends have its events. Without any, none. */
export function strictest(modes: readonly Mode[]): Mode {
  return MODES[Math.max(0, ...modes.map((mode) => MODES.indexOf(mode)))] as Mode
}
