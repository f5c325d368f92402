import { FlagValues, withPrefix } from '../../../cli/flag-values.js'
import type { Flag, Settings } from '../../../cli/flag.js'
import { deliveryFlags, readDelivery, type DeliveryOptions } from '../delivery-options.js'

/** --audit-webhook-*: k8s.io/apiserver/pkg/server/options/audit.go AuditWebhookOptions. */
export interface AuditWebhookOptions {
  /** Who gave the file, the start of a message. */
  readonly where: string
  /** A kubeconfig file. */
  readonly configFile: string
  /** Milliseconds before the first retry. */
  readonly initialBackoff: number
  readonly delivery: DeliveryOptions
  /** Where events wait on disk; undefined: in memory. Not one of kube-apiserver's. */
  readonly spool: { readonly directory: string; readonly maxBytes: number } | undefined
}

const GROUP = 'Auditing'
const PREFIX = 'audit-webhook-'

const OWN_FLAGS = [
  {
    name: 'audit-webhook-config-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'File in kubeconfig format that says where and how to send events.',
  },
  {
    name: 'audit-webhook-initial-backoff',
    deprecatedName: 'audit-webhook-batch-initial-backoff',
    type: 'duration',
    default: 10_000,
    group: GROUP,
    help: 'How long to wait before the first retry of a request that failed.',
  },
  {
    name: 'audit-webhook-spool-directory',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'Directory in which events wait for a webhook that does not answer, also over a restart. Without it they wait in memory. In the blocking modes a request then waits until its event is there, not for the webhook.',
  },
  {
    name: 'audit-webhook-spool-max-size',
    type: 'int',
    default: 1 << 30,
    group: GROUP,
    help: 'Bytes of the spool directory at most.',
    validate: (value: number) => (value >= 1 ? undefined : 'a positive number'),
  },
] as const satisfies readonly Flag[]

const DELIVERY = deliveryFlags({
  mode: 'batch',
  maxSize: 400,
  maxWait: 30_000,
  throttle: true,
  qps: 10,
  burst: 15,
})

export const AUDIT_WEBHOOK_FLAGS: readonly Flag[] = [...OWN_FLAGS, ...withPrefix(PREFIX, DELIVERY)]

/**
 * What the flags say; undefined where there is to be no webhook, and they may say anything (AuditWebhookOptions.Validate).
 * @throws ConfigError
 */
export function readAuditWebhookOptions(settings: Settings): AuditWebhookOptions | undefined {
  const values = new FlagValues(OWN_FLAGS, settings)
  values.needs('audit-webhook-spool-directory', 'audit-webhook-config-file')
  values.needs('audit-webhook-spool-max-size', 'audit-webhook-spool-directory')
  const configFile = values.text('audit-webhook-config-file')
  if (configFile === undefined) return undefined
  values.atLeast('audit-webhook-initial-backoff', 0)
  const directory = values.text('audit-webhook-spool-directory')
  const delivery = readDelivery(DELIVERY, settings, PREFIX, { batches: directory !== undefined })
  return {
    where: values.where('audit-webhook-config-file'),
    configFile,
    initialBackoff: values.get('audit-webhook-initial-backoff'),
    delivery,
    spool:
      directory === undefined
        ? undefined
        : { directory, maxBytes: values.get('audit-webhook-spool-max-size') },
  }
}

/**
 * How events reach a webhook, whether or not --audit-webhook-config-file names one.
 * @throws ConfigError
 */
export function readWebhookDelivery(settings: Settings): DeliveryOptions {
  return readDelivery(DELIVERY, settings, PREFIX)
}
