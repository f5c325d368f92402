import { FlagValues } from '../../cli/flag-values.js'
import type { Flag, Settings } from '../../cli/flag.js'

const GROUP = 'Auditing'

export const POLICY_FLAGS = [
  {
    name: 'audit-policy-file',
    type: 'string',
    default: '',
    group: GROUP,
    help: 'File with the audit policy, of kind Policy in audit.k8s.io/v1.',
  },
] as const satisfies readonly Flag[]

/** The file of the audit policy; undefined: nothing is recorded. */
export function readPolicyFile(settings: Settings): string | undefined {
  return new FlagValues(POLICY_FLAGS, settings).text('audit-policy-file')
}
