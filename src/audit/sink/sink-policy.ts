import type { UserInfo } from '../../request/user-info.js'
import type { RequestInfo } from '../../request/request-info.js'
import { LEVELS, STAGES, type Level, type Stage } from '../event.js'
import type { Evaluator } from '../policy/evaluate.js'
import type { AuditConfig } from '../audit-config.js'

/** What a sink asks for, of every request. */
export interface SinkDemand {
  readonly level: Level
  readonly stages: readonly Stage[]
}

/**
 * The policy, and on top of it what the sinks ask for: events are made as the one that wants most needs them, and each
 * backend reduces them to what it is to have. Without sinks the policy's answer is given as it is.
 */
export class SinkPolicy implements Evaluator {
  readonly #policy: Evaluator
  #demand: { readonly level: Level; readonly stages: ReadonlySet<Stage> } | undefined
  /** By the policy's answer, of which there are as many as it has rules. */
  #raised = new WeakMap<AuditConfig, AuditConfig>()

  constructor(policy: Evaluator) {
    this.#policy = policy
  }

  /** What all sinks of now ask for. */
  setDemands(demands: readonly SinkDemand[]): void {
    const wanting = demands.filter(({ level }) => level !== 'None')
    const level = wanting.reduce<Level>((most, { level }) => higher(most, level), 'None')
    const stages = new Set(wanting.flatMap(({ stages }) => stages))
    this.#demand = wanting.length === 0 ? undefined : { level, stages }
    this.#raised = new WeakMap()
  }

  evaluate(user: UserInfo | undefined, info: RequestInfo): AuditConfig {
    const config = this.#policy.evaluate(user, info)
    if (this.#demand === undefined) return config
    let raised = this.#raised.get(config)
    if (raised === undefined) {
      const { level, stages } = this.#demand
      const omitted = (stage: Stage) => config.level === 'None' || config.omitStages.has(stage)
      raised = {
        level: higher(config.level, level),
        omitStages: new Set(STAGES.filter((stage) => omitted(stage) && !stages.has(stage))),
        omitManagedFields: config.omitManagedFields,
        byPolicy: config,
      }
      this.#raised.set(config, raised)
    }
    return raised
  }
}

function higher(a: Level, b: Level): Level {
  return LEVELS.indexOf(a) >= LEVELS.indexOf(b) ? a : b
}
