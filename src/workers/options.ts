import { availableParallelism } from 'node:os'
import { FlagValues } from '../cli/flag-values.js'
import type { Flag, Settings } from '../cli/flag.js'

/** More than any machine has use for. */
const MAX_WORKERS = 256
const GROUP = 'Generic'

export const WORKER_FLAGS = [
  {
    name: 'workers',
    type: 'count',
    default: 1,
    group: GROUP,
    validate: (value: number | 'auto') =>
      value === 'auto' || (value >= 1 && value <= MAX_WORKERS) ? undefined : `1 to ${MAX_WORKERS}, or auto`,
    help: 'How many processes serve requests; auto is one for each core. With more than one, another process writes the audit log for all of them, and --audit-max-capture-memory is divided among them.',
  },
] as const satisfies readonly Flag[]

/** How many processes serve requests; with 1 there is no other process. */
export function readWorkers(settings: Settings): number {
  const count = new FlagValues(WORKER_FLAGS, settings).get('workers')
  return count === 'auto' ? availableParallelism() : count
}
