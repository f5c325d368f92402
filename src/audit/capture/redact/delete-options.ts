import { visitMembers } from '../json/json-cursor.js'
import type { Redaction } from './redaction.js'

/** k8s.io/apimachinery/pkg/apis/meta/v1 DeleteOptions. */
const MEMBERS: ReadonlySet<string> = new Set([
  'kind',
  'apiVersion',
  'gracePeriodSeconds',
  'preconditions',
  'orphanDependents',
  'propagationPolicy',
  'dryRun',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
])

/** The options of a request that deletes something with credentials: what else its body has goes. */
export function redactDeleteOptions(redaction: Redaction): void {
  visitMembers(redaction.text, 0, (name, value) => {
    return MEMBERS.has(name) ? redaction.keep(value) : redaction.hide(value)
  })
}
