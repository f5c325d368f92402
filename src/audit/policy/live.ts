import type { UserInfo } from '../../request/user-info.js'
import type { Reloadable } from '../../live/reloadable.js'
import type { RequestInfo } from '../../request/request-info.js'
import { PolicyEvaluator, type Evaluator } from './evaluate.js'
import { loadPolicy } from './load.js'
import type { Warn } from '../../yaml-document.js'
import type { AuditConfig } from '../audit-config.js'

/** The policy of a file, replaced as a whole: a request is recorded to its end as it was begun. */
export class LivePolicy implements Evaluator, Reloadable {
  readonly name = 'audit-policy-file'
  readonly #file: string
  readonly #warn: Warn
  #current: PolicyEvaluator

  /**
   * @param warn takes what loadPolicy warns of, at each reading
   * @throws ConfigError
   */
  constructor(file: string, warn: Warn = () => undefined) {
    this.#file = file
    this.#warn = warn
    this.#current = this.#load()
  }

  evaluate(user: UserInfo | undefined, info: RequestInfo): AuditConfig {
    return this.#current.evaluate(user, info)
  }

  files(): string[] {
    return [this.#file]
  }

  reload(): void {
    this.#current = this.#load()
  }

  #load(): PolicyEvaluator {
    return new PolicyEvaluator(loadPolicy(this.#file, this.#warn))
  }
}
