import type { UserInfo } from '../../request/user-info.js'
import type { Reloadable } from '../../live/reloadable.js'
import type { RequestInfo } from '../../request/request-info.js'
import { PolicyEvaluator, type Evaluator } from './evaluate.js'
import { loadPolicy } from './load.js'
import type { AuditConfig } from '../audit-config.js'

/** The policy of a file, replaced as a whole: a request is recorded to its end as it was begun. */
export class LivePolicy implements Evaluator, Reloadable {
  readonly name = 'audit-policy-file'
  readonly #file: string
  #current: PolicyEvaluator

  /** @throws ConfigError */
  constructor(file: string) {
    this.#file = file
    this.#current = new PolicyEvaluator(loadPolicy(file))
  }

  evaluate(user: UserInfo | undefined, info: RequestInfo): AuditConfig {
    return this.#current.evaluate(user, info)
  }

  files(): string[] {
    return [this.#file]
  }

  reload(): void {
    this.#current = new PolicyEvaluator(loadPolicy(this.#file))
  }
}
