import type { Level, Stage } from '../event.js'
export interface AuditConfig {
  readonly level: Level
  readonly omitStages: ReadonlySet<Stage>
  readonly omitManagedFields: boolean
}
