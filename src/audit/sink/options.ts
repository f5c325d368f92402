import { FlagValues } from '../../cli/flag-values.js'
import type { Flag, Settings } from '../../cli/flag.js'

/** Where AuditSinks come from. */
export interface SinkOptions {
  /** undefined: none. */
  readonly directory: string | undefined
  /** Whether sinks are read from the cluster. */
  readonly fromCluster: boolean
}

const GROUP = 'Auditing'

export const SINK_FLAGS = [
  {
    name: 'audit-sink-directory',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'Directory with manifests of AuditSinks (auditregistration.k8s.io/v1alpha1), one in a file, to which events are sent as well. It is watched for changes. The version, buffer, batches and truncation are those of the --audit-webhook flags.',
  },
  {
    name: 'audit-dynamic-configuration',
    type: 'bool',
    default: false,
    group: GROUP,
    help: 'Send events to the AuditSinks (auditregistration.k8s.io/v1alpha1) of the cluster as well, as they come and go. The user of --kubeconfig must be allowed to list and watch them.',
  },
] as const satisfies readonly Flag[]

/** undefined: there are no sinks. */
export function readSinkOptions(settings: Settings): SinkOptions | undefined {
  const values = new FlagValues(SINK_FLAGS, settings)
  const directory = values.text('audit-sink-directory')
  const fromCluster = values.get('audit-dynamic-configuration')
  return directory === undefined && !fromCluster ? undefined : { directory, fromCluster }
}
