import type { UserInfo } from '../../request/user-info.js'
import type { RequestInfo } from '../../request/request-info.js'
import type { Policy, PolicyRule } from './policy.js'
import type { AuditConfig } from '../audit-config.js'
import { MAX_INDEXED, RuleIndex } from './rule-index.js'
import { type Mismatch, RuleMatcher } from './rule-matcher.js'

/** Says how requests are recorded. The answer for equal requests is the same object, until the policy changes. */
export interface Evaluator {
  /** @param user undefined where nobody could be authenticated */
  evaluate(user: UserInfo | undefined, info: RequestInfo): AuditConfig
}

/** A policy, made ready to be asked about every request: k8s.io/apiserver/pkg/audit/policy/checker.go. */
export class PolicyEvaluator implements Evaluator {
  readonly #rules: readonly {
    readonly rule: PolicyRule
    readonly matcher: RuleMatcher
    readonly config: AuditConfig
  }[]
  /** Of MAX_INDEXED rules each. */
  readonly #indexes: readonly RuleIndex[]
  readonly #default: AuditConfig

  constructor(policy: Policy) {
    this.#rules = policy.rules.map((rule) => ({
      rule,
      matcher: new RuleMatcher(rule),
      config: configOf(policy, rule),
    }))
    this.#indexes = Array.from(
      { length: Math.ceil(this.#rules.length / MAX_INDEXED) },
      (_, i) => new RuleIndex(this.#rules.slice(i * MAX_INDEXED, (i + 1) * MAX_INDEXED)),
    )
    this.#default = configOf(policy, undefined)
  }

  /**
   * How a request is recorded: as the first rule says that matches, and not at all where none does. The answer is the
   * same object each time.
   *
   * @param user undefined where nobody could be authenticated: then no rule with users or userGroups matches
   */
  evaluate(user: UserInfo | undefined, info: RequestInfo): AuditConfig {
    for (const [i, index] of this.#indexes.entries()) {
      const rule = index.first(user, info)
      if (rule >= 0) return this.#rules[i * MAX_INDEXED + rule]?.config ?? this.#default
    }
    return this.#default
  }

  /** For each rule in order the field that keeps the request from matching it, undefined for a rule that matches. */
  mismatches(user: UserInfo | undefined, info: RequestInfo): (Mismatch | undefined)[] {
    return this.#rules.map(({ matcher }) => matcher.mismatch(user, info))
  }
}

function configOf(policy: Policy, rule: PolicyRule | undefined): AuditConfig {
  return {
    level: rule?.level ?? 'None',
    omitStages: new Set([...policy.omitStages, ...(rule?.omitStages ?? [])]),
    omitManagedFields: rule?.omitManagedFields ?? policy.omitManagedFields,
  }
}
