import type { UserInfo } from '../../request/user-info.js'
import type { Reloadable, ReloadReport } from '../../live/reloadable.js'
import type { RequestInfo } from '../../request/request-info.js'
import { comparePolicies } from './compare.js'
import { PolicyEvaluator, type Evaluator } from './evaluate.js'
import { loadPolicy } from './load.js'
import type { Policy } from './policy.js'
import type { Warn } from '../../yaml-document.js'
import type { AuditConfig } from '../audit-config.js'

/** At most so many rules are listed in a line of the log. */
const MAX_LISTED = 20

/** The policy of a file, replaced as a whole: a request is recorded to its end as it was begun. */
export class LivePolicy implements Evaluator, Reloadable {
  readonly name = 'audit-policy-file'
  readonly #file: string
  readonly #warn: Warn
  #policy: Policy
  #current: PolicyEvaluator

  /**
   * @param warn takes what loadPolicy warns of, at each reading
   * @throws ConfigError
   */
  constructor(file: string, warn: Warn = () => undefined) {
    this.#file = file
    this.#warn = warn
    this.#policy = loadPolicy(file, warn)
    this.#current = new PolicyEvaluator(this.#policy)
  }

  evaluate(user: UserInfo | undefined, info: RequestInfo): AuditConfig {
    return this.#current.evaluate(user, info)
  }

  files(): string[] {
    return [this.#file]
  }

  /** Reports which rules are others now, and warns where less is recorded. */
  reload(): ReloadReport {
    const before = this.#policy
    this.#policy = loadPolicy(this.#file, this.#warn)
    this.#current = new PolicyEvaluator(this.#policy)
    return report(before, this.#policy)
  }
}

function report(before: Policy, after: Policy): ReloadReport {
  const { added, removed, moved, lowered } = comparePolicies(before, after)
  const fields = {
    rules: after.rules.length,
    added: added.length,
    removed: removed.length,
    moved,
    ...(added.length > 0 && { addedRules: shown(after, added) }),
    ...(removed.length > 0 && { removedRules: shown(before, removed) }),
  }
  const warning =
    lowered === undefined ? undefined : `the new audit policy records less than the one before it: ${lowered}`
  return { fields, warning }
}

/** `3: Metadata`, of what the policy before or after has as its third rule. */
function shown({ rules }: Policy, numbers: readonly number[]): string[] {
  return numbers.slice(0, MAX_LISTED).map((number) => `${number}: ${rules[number - 1]?.level ?? ''}`)
}
