/** A body of at most so many bytes is small: it gives way only where its user holds no larger one. */
export const SMALL_BODY_BYTES = 65536

/**
 * The bytes that captures in flight hold together, shared fairly by the users whom the requests are from. Where there is no
 * room, the user who would hold the most gives way, and loses whole bodies: large ones before small ones, and of these the
 * one that has waited longest for its next chunk. (The asker's own chunk is what gives way where it belongs to that body.)
 *
 * So of n users who hold bodies, each has an n-th of the memory for certain: whoever gives way would hold more than
 * everybody else, and therefore more than an n-th.
 */
export class CaptureBudget {
  /** In bytes. */
  readonly limit: number
  #used = 0
  readonly #users = new Map<string, UserHoldings>()

  constructor(limit: number) {
    this.limit = limit
  }

  /** Bytes held now. */
  get used(): number {
    return this.#used
  }

  /**
   * One more body, of which nothing is held yet.
   * @param giveWay its memory is needed for others, and is given back when this returns
   */
  hold(user: string, giveWay: () => void): Holding {
    return new Holding(this, user, giveWay)
  }

  /** Takes `bytes` more for a holding, or takes nothing and says false where it is the one that has to give way. */
  take(holding: Holding, bytes: number): boolean {
    if (holding.bytes + bytes > this.limit) return false
    const user = this.#holdingsOf(holding.user)
    user.add(holding, bytes)
    this.#used += bytes
    while (this.#used > this.limit) {
      const victim = this.#largest(user).first()
      if (victim === holding) {
        this.give(holding, bytes)
        return false
      }
      victim.giveWay()
      victim.free()
    }
    return true
  }

  /** Gives back `bytes` of what a holding has. */
  give(holding: Holding, bytes: number): void {
    const user = this.#users.get(holding.user)
    if (user === undefined) return
    user.remove(holding, bytes)
    this.#used -= bytes
    if (user.bytes === 0) this.#users.delete(holding.user)
  }

  /** The user who holds the most; `preferred` where several do. */
  #largest(preferred: UserHoldings): UserHoldings {
    let largest = preferred
    for (const user of this.#users.values()) if (user.bytes > largest.bytes) largest = user
    return largest
  }

  #holdingsOf(name: string): UserHoldings {
    let user = this.#users.get(name)
    if (user === undefined) this.#users.set(name, (user = new UserHoldings()))
    return user
  }
}

/** What one body holds. */
export class Holding {
  readonly #budget: CaptureBudget
  readonly user: string
  readonly giveWay: () => void
  /** Kept by the budget. */
  bytes = 0

  constructor(budget: CaptureBudget, user: string, giveWay: () => void) {
    this.#budget = budget
    this.user = user
    this.giveWay = giveWay
  }

  /** Takes `bytes` more, or takes nothing and says false where there is no room for it. */
  take(bytes: number): boolean {
    return this.#budget.take(this, bytes)
  }

  /** Gives everything back. */
  free(): void {
    if (this.bytes > 0) this.#budget.give(this, this.bytes)
  }
}

/** The bodies of one user, each in the order of their last chunks. */
class UserHoldings {
  bytes = 0
  readonly #small = new Set<Holding>()
  readonly #large = new Set<Holding>()

  add(holding: Holding, bytes: number): void {
    this.#unlist(holding)
    this.#count(holding, bytes)
  }

  remove(holding: Holding, bytes: number): void {
    this.#unlist(holding)
    this.#count(holding, -bytes)
  }

  /** The body that gives way first. There is one. */
  first(): Holding {
    const [first] = this.#large.size > 0 ? this.#large : this.#small
    return first as Holding
  }

  #count(holding: Holding, bytes: number): void {
    holding.bytes += bytes
    this.bytes += bytes
    if (holding.bytes > 0) (holding.bytes > SMALL_BODY_BYTES ? this.#large : this.#small).add(holding)
  }

  #unlist(holding: Holding): void {
    this.#small.delete(holding)
    this.#large.delete(holding)
  }
}
