import { resourceOf, type LoggedEvent } from './logged-event.js'
import { RateCounter, type Rate } from './rate.js'
import { TopCounter, type Count } from './top-counter.js'

/** How many rows each list has. */
const ROWS = 10

/** A list of the most frequent. */
export interface TopList {
  readonly rows: readonly Count[]
  /** How many rows there would be without the limit. */
  readonly of: number
  /** False where there were so many that counts may be too low. */
  readonly exact: boolean
}

export interface SummaryReport {
  readonly events: number
  readonly stages: Readonly<Record<string, number>>
  readonly requests: number
  /** Requests with a code of 400 or more. */
  readonly failed: number
  /** Of the events, as the log has them; undefined where there is none. */
  readonly first: string | undefined
  readonly last: string | undefined
  readonly users: TopList
  readonly verbs: TopList
  readonly resources: TopList
  /** `CODE USER VERB OBJECT` */
  readonly failures: TopList
  /** Requests over time. */
  readonly rate: Rate
}

/**
 * Adds up events in bounded memory. A request has several events: it is counted when it is over (ResponseComplete,
 * Panic), or at each stage that was asked for.
 */
export class Summary {
  #events = 0
  #requests = 0
  #failed = 0
  #first: string | undefined
  #last: string | undefined
  readonly #stages = new TopCounter(100)
  readonly #users = new TopCounter()
  readonly #verbs = new TopCounter()
  readonly #resources = new TopCounter()
  readonly #failures = new TopCounter()
  readonly #rate = new RateCounter()

  readonly #counted: readonly string[]

  /** @param counted those stages at which an event counts as a request */
  constructor(counted: readonly string[] = ['ResponseComplete', 'Panic']) {
    this.#counted = counted
  }

  add(event: LoggedEvent): void {
    const { stage, stageTimestamp } = event
    this.#events++
    this.#stages.add(stage, false)
    if (this.#first === undefined || stageTimestamp < this.#first) this.#first = stageTimestamp
    if (this.#last === undefined || stageTimestamp > this.#last) this.#last = stageTimestamp
    if (!this.#counted.includes(stage)) return

    const code = event.responseStatus?.code
    const failed = code !== undefined && code >= 400
    const user = event.user.username ?? '-'
    const resource = resourceOf(event)
    this.#requests++
    this.#users.add(user, failed)
    this.#verbs.add(event.verb, failed)
    this.#resources.add(resource ?? '(no resource)', failed)
    this.#rate.add(Date.parse(stageTimestamp))
    if (!failed) return
    this.#failed++
    const { namespace } = event.objectRef ?? {}
    const object = resource === undefined ? event.requestURI.split('?', 1)[0] : resource
    this.#failures.add(`${code} ${user} ${event.verb} ${namespace ? `${namespace}/` : ''}${object}`, true)
  }

  report(): SummaryReport {
    return {
      events: this.#events,
      stages: Object.fromEntries(this.#stages.top(100).map(({ key, count }) => [key, count])),
      requests: this.#requests,
      failed: this.#failed,
      first: this.#first,
      last: this.#last,
      users: topList(this.#users),
      verbs: topList(this.#verbs),
      resources: topList(this.#resources),
      failures: topList(this.#failures),
      rate: this.#rate.rate(),
    }
  }
}

function topList(counter: TopCounter): TopList {
  return { rows: counter.top(ROWS), of: counter.size, exact: counter.exact }
}
