import { CostLimitExceeded } from './errors.js'

/**
 * What one evaluation may cost. `cost` is counted as cel-go counts it (interpreter/runtimecost.go), with kube-apiserver's
 * limit for one expression (k8s.io/apiserver/pkg/apis/cel PerCallLimit). cel-go counts a function after it has run and some
 * at a flat rate; `work` is what is really gone through, in characters and items, so that nothing holds the event loop
 * for long whatever the token.
 */
export interface Limits {
  readonly cost: number
  readonly work: number
  /** Characters or items of one value. */
  readonly size: number
}

export const KUBERNETES_LIMITS: Limits = { cost: 1_000_000, work: 5_000_000, size: 10_000_000 }

/** Counts one evaluation. */
export class Meter {
  #cost = 0
  #work = 0

  readonly #limits: Limits

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** In cel-go's units. */
  get cost(): number {
    return this.#cost
  }

  /** @throws CostLimitExceeded */
  charge(cost: number): void {
    this.#cost += cost
    if (this.#cost > this.#limits.cost) throw new CostLimitExceeded('actual cost limit exceeded')
  }

  /** @throws CostLimitExceeded */
  work(units: number): void {
    this.#work += units
    if (this.#work > this.#limits.work) throw new CostLimitExceeded('the evaluation takes too long')
  }

  /** @throws CostLimitExceeded where a value of that many characters or items is too large to be made */
  size(units: number): void {
    if (units > this.#limits.size) throw new CostLimitExceeded('a value would be too large')
    this.work(units)
  }
}
