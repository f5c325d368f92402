import { FlagValues, withPrefix } from '../../../cli/flag-values.js'
import type { Flag, Settings } from '../../../cli/flag.js'
import { deliveryFlags, readDelivery, type DeliveryOptions } from '../delivery-options.js'

/** k8s.io/apiserver/plugin/pkg/audit/log AllowedFormats. */
const FORMATS = ['legacy', 'json'] as const

/** --audit-log-*: k8s.io/apiserver/pkg/server/options/audit.go AuditLogOptions. */
export interface AuditLogOptions {
  /** Who gave the path, the start of a message. */
  readonly where: string
  /** `-`: standard output. */
  readonly path: string
  /** Days; 0 keeps rotated files whatever their age. */
  readonly maxage: number
  /** Number of rotated files; 0 keeps all of them. */
  readonly maxbackup: number
  /** Megabytes (of 2^20 bytes) before the file is rotated; 0 leaves the file alone, and what was rotated before. */
  readonly maxsize: number
  readonly compress: boolean
  readonly format: (typeof FORMATS)[number]
  readonly delivery: DeliveryOptions
}

const GROUP = 'Auditing'
const PREFIX = 'audit-log-'

const OWN_FLAGS = [
  {
    name: 'audit-log-path',
    type: 'string',
    default: '',
    group: GROUP,
    help: "File that events are written to, one JSON object per line. '-' means standard output.",
  },
  {
    name: 'audit-log-maxage',
    type: 'int',
    default: 366,
    group: GROUP,
    help: 'Days to keep rotated log files, counted from the time in their names. 0 keeps them whatever their age.',
  },
  {
    name: 'audit-log-maxbackup',
    type: 'int',
    default: 100,
    group: GROUP,
    help: 'Number of rotated log files to keep. 0 keeps all.',
  },
  {
    name: 'audit-log-maxsize',
    type: 'int',
    default: 100,
    group: GROUP,
    help: 'Megabytes of the log file at which it is rotated. 0 turns rotation off: the file grows without end, and rotated files are neither compressed nor removed.',
  },
  {
    name: 'audit-log-compress',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Compress rotated log files with gzip.',
  },
  {
    name: 'audit-log-format',
    type: 'string',
    default: 'json',
    group: GROUP,
    help: 'Format of the log: json is one JSON object per event, legacy one line of text. Known formats are legacy,json.',
  },
] as const satisfies readonly Flag[]

/** The log writes together what arrives together: larger batches would not help it. */
const DELIVERY = deliveryFlags({
  mode: 'blocking',
  maxSize: 1,
  maxWait: 0,
  throttle: false,
  qps: 0,
  burst: 0,
})

export const AUDIT_LOG_FLAGS: readonly Flag[] = [...OWN_FLAGS, ...withPrefix(PREFIX, DELIVERY)]

/**
 * What the flags say; undefined where there is to be no log, and they may say anything (AuditLogOptions.Validate).
 * @throws ConfigError
 */
export function readAuditLogOptions(settings: Settings): AuditLogOptions | undefined {
  const values = new FlagValues(OWN_FLAGS, settings)
  const path = values.text('audit-log-path')
  if (path === undefined) return undefined
  for (const name of ['audit-log-maxage', 'audit-log-maxbackup', 'audit-log-maxsize'] as const)
    values.atLeast(name, 0)
  return {
    where: values.where('audit-log-path'),
    path,
    maxage: values.get('audit-log-maxage'),
    maxbackup: values.get('audit-log-maxbackup'),
    maxsize: values.get('audit-log-maxsize'),
    compress: values.get('audit-log-compress'),
    format: values.choice('audit-log-format', FORMATS),
    delivery: readDelivery(DELIVERY, settings, PREFIX),
  }
}
