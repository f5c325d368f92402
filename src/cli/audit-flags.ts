import type { Flag } from './flag.js'

const group = 'Auditing'
const BATCH = 'Only used in batch mode.'

/** What differs between the two backends: k8s.io/apiserver/pkg/server/options/audit.go NewAuditOptions. */
interface DeliveryDefaults {
  readonly mode: string
  readonly maxSize: number
  readonly maxWait: number
  readonly throttle: boolean
  readonly qps: number
  readonly burst: number
}

/** The flags that the log and the webhook both have: mode, version, batch-* and truncate-*. */
function deliveryFlags<P extends 'log' | 'webhook'>(plugin: P, defaults: DeliveryDefaults) {
  const name = <S extends string>(suffix: S): `audit-${P}-${S}` => `audit-${plugin}-${suffix}`
  return [
    {
      name: name('mode'),
      type: 'string',
      default: defaults.mode,
      group,
      help: 'How events are delivered. batch buffers them and delivers later; blocking makes each request wait for the delivery; blocking-strict also fails a request whose RequestReceived event cannot be delivered. Known modes are batch,blocking,blocking-strict.',
    },
    {
      name: name('version'),
      type: 'string',
      default: 'audit.k8s.io/v1',
      group,
      help: 'API group and version of the events.',
    },
    {
      name: name('batch-buffer-size'),
      type: 'int',
      default: 10_000,
      group,
      help: `Number of events that can wait; more are dropped. ${BATCH}`,
    },
    {
      name: name('batch-buffer-bytes'),
      type: 'int',
      default: 256 << 20,
      group,
      help: `Bytes of memory, estimated, that waiting events can use; more are dropped. ${BATCH}`,
    },
    {
      name: name('batch-max-size'),
      type: 'int',
      default: defaults.maxSize,
      group,
      help: `Number of events in a batch at most. ${BATCH}`,
    },
    {
      name: name('batch-max-wait'),
      type: 'duration',
      default: defaults.maxWait,
      group,
      help: `How long to wait for a batch to fill before it is delivered as it is. ${BATCH}`,
    },
    {
      name: name('batch-throttle-enable'),
      type: 'bool',
      default: defaults.throttle,
      group,
      help: `Limit the number of batches per second. ${BATCH}`,
    },
    {
      name: name('batch-throttle-qps'),
      type: 'float32',
      default: defaults.qps,
      group,
      help: `Batches per second, on average. ${BATCH}`,
    },
    {
      name: name('batch-throttle-burst'),
      type: 'int',
      default: defaults.burst,
      group,
      help: `Batches at the same moment, where the average was not used up before. ${BATCH}`,
    },
    {
      name: name('truncate-enabled'),
      type: 'bool',
      default: false,
      group,
      help: 'Cut events and batches that are too large.',
    },
    {
      name: name('truncate-max-batch-size'),
      type: 'int',
      default: 10 << 20,
      group,
      help: 'Bytes of a batch at most, apart from a few hundred; a larger one is split.',
    },
    {
      name: name('truncate-max-event-size'),
      type: 'int',
      default: 100 << 10,
      group,
      help: 'Bytes of an event at most. A larger one loses its request and response objects, and is dropped where that is not enough.',
    },
  ] as const satisfies readonly Flag[]
}

const logDefaults = { mode: 'blocking', maxSize: 1, maxWait: 0, throttle: false, qps: 0, burst: 0 }
const webhookDefaults = { mode: 'batch', maxSize: 400, maxWait: 30_000, throttle: true, qps: 10, burst: 15 }

/** The section "Auditing flags". Ranges are checked with the backends: what is not in use may be anything. */
export const AUDIT_FLAGS = [
  {
    name: 'audit-policy-file',
    type: 'string',
    default: '',
    group,
    help: 'File with the audit policy, of kind Policy in audit.k8s.io/v1.',
  },
  {
    name: 'audit-log-path',
    type: 'string',
    default: '',
    group,
    help: "File that events are written to, one JSON object per line. '-' means standard output.",
  },
  {
    name: 'audit-log-maxage',
    type: 'int',
    default: 0,
    group,
    help: 'Days to keep rotated log files, counted from the time in their names. 0 keeps them whatever their age.',
  },
  {
    name: 'audit-log-maxbackup',
    type: 'int',
    default: 0,
    group,
    help: 'Number of rotated log files to keep. 0 keeps all.',
  },
  {
    name: 'audit-log-maxsize',
    type: 'int',
    default: 0,
    group,
    help: 'Megabytes of the log file at which it is rotated. 0 means 100.',
  },
  {
    name: 'audit-log-compress',
    type: 'bool',
    default: false,
    group,
    help: 'Compress rotated log files with gzip.',
  },
  {
    name: 'audit-log-format',
    type: 'string',
    default: 'json',
    group,
    help: 'Format of the log: json is one JSON object per event, legacy one line of text. Known formats are legacy,json.',
  },
  ...deliveryFlags('log', logDefaults),
  {
    name: 'audit-webhook-config-file',
    type: 'string',
    default: '',
    group,
    help: 'File in kubeconfig format that says where and how to send events.',
  },
  {
    name: 'audit-webhook-initial-backoff',
    deprecatedName: 'audit-webhook-batch-initial-backoff',
    type: 'duration',
    default: 10_000,
    group,
    help: 'How long to wait before the first retry of a request that failed.',
  },
  ...deliveryFlags('webhook', webhookDefaults),
  {
    name: 'audit-webhook-spool-directory',
    type: 'string',
    default: '',
    group,
    help: 'Directory in which events wait for a webhook that does not answer, also over a restart. Without it they wait in memory.',
  },
  {
    name: 'audit-webhook-spool-max-size',
    type: 'int',
    default: 1 << 30,
    group,
    help: 'Bytes of the spool directory at most.',
    validate: (value: number) => (value >= 1 ? undefined : 'a positive number'),
  },
  {
    name: 'audit-sink-directory',
    type: 'string',
    default: '',
    group,
    help: 'Directory with manifests of AuditSinks (auditregistration.k8s.io/v1alpha1), one in a file, to which events are sent as well. It is watched for changes. The version, buffer, batches and truncation are those of the --audit-webhook flags.',
  },
  {
    name: 'audit-dynamic-configuration',
    type: 'bool',
    default: false,
    group,
    help: 'Send events to the AuditSinks (auditregistration.k8s.io/v1alpha1) of the cluster as well, as they come and go. The user of --kubeconfig must be allowed to list and watch them.',
  },
  {
    name: 'audit-redact',
    type: 'bool',
    default: true,
    group,
    help: 'Keep credentials out of request and response objects: the data of Secrets, issued tokens, the tokens of TokenReviews.',
  },
  {
    name: 'audit-max-body-size',
    type: 'int',
    default: 1_572_864,
    group,
    help: 'Bytes of a request or response body at most that go into an event.',
    validate: (value: number) => (value >= 0 ? undefined : '0 or more'),
  },
  {
    name: 'audit-max-capture-memory',
    type: 'int',
    default: 268_435_456,
    group,
    help: 'Bytes of memory that all bodies being captured can use together; beyond it events have no objects.',
    validate: (value: number) => (value >= 0 ? undefined : '0 or more'),
  },
] as const satisfies readonly Flag[]
