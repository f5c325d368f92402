import type { Level, Stage } from './event.js'

/** How one request is recorded: k8s.io/apiserver/pkg/apis/audit RequestAuditConfig. */
export interface AuditConfig {
  readonly level: Level
  readonly omitStages: ReadonlySet<Stage>
  readonly omitManagedFields: boolean
  /** What the policy alone says; set where dynamic sinks ask for more. */
  readonly byPolicy?: AuditConfig | undefined
}
