import type { Awaitable } from '../awaitable.js'
import type { Duplex } from 'node:stream'
import { settles } from '../timers.js'
import type { Mode } from '../audit/backend/delivery-options.js'
import type { PluginProblems } from '../audit/backend/plugin-problems.js'
import type { Event } from '../audit/event.js'
import { isLastStage, type EventIntake, type RequestEvents } from '../audit/intake.js'
import type { AuditMetrics } from '../audit/metrics.js'
import { FRAME, FrameReader, FrameWriter } from './frames.js'
import type { Wire } from './wire.js'

/** For error metrics and messages: the way from a worker to the primary. */
export const REMOTE_PLUGIN = 'worker'

/** What may wait for a slow primary, in bytes, unless a single event is larger. */
const MAX_PENDING = 64 << 20
/** Milliseconds that an event waits for others where no request waits for it: all that is lost of a worker that is killed. */
const GATHER = 5
/** Ids and the numbers of requests take four bytes in a frame. After the last one they begin at 1 again: in a frame 0 stands for none. */
const MAX_NUMBER = 0xffffffff

export interface RemoteIntakeDeps {
  readonly errors: PluginProblems
  readonly metrics: AuditMetrics
  /** Called once, as soon as it shows; not for a primary that goes after shutdown. */
  readonly onLost: (lost: Lost) => void
}

/** What has become of a primary's worker when the primary is gone: it can only end. */
export interface Lost {
  /** How many events it has handed over, and will never hear of. */
  readonly waiting: number
}

/**
 * The way of a worker's events to the primary, whose backends store them. In mode `batch` nobody waits for that; in the
 * blocking modes the request waits for the primary's answer. A request whose event was handed to a primary that has died
 * never gets one: nobody can know whether the event is stored.
 */
export class RemoteIntake implements EventIntake {
  readonly #stream: Duplex
  readonly #wire: Wire
  readonly #mode: Mode
  readonly #errors: PluginProblems
  readonly #writer: FrameWriter
  readonly #hideQueue: () => void
  readonly #onLost: (lost: Lost) => void
  readonly #waiting = new Map<number, (stored: boolean) => void>()
  #lastId = 0
  #lastRequest = 0
  /** Set by shutdown: called when nobody waits any more. */
  #answered: (() => void) | undefined
  /** Everything was handed over, or given up: from here on the primary may go. */
  #isOver = false

  /**
   * @param stream to the primary's WorkerEvents
   * @param wire as the primary reads it
   * @param mode of the strictest of the primary's backends
   */
  constructor(stream: Duplex, wire: Wire, mode: Mode, { errors, metrics, onLost }: RemoteIntakeDeps) {
    this.#stream = stream
    this.#wire = wire
    this.#mode = mode
    this.#errors = errors
    this.#onLost = onLost
    this.#writer = new FrameWriter(stream, mode === 'batch' ? GATHER : 0)
    this.#hideQueue = metrics.showQueue(
      REMOTE_PLUGIN,
      () => this.#waiting.size,
      () => this.#writer.pending,
    )
    const reader = new FrameReader(({ kind, id }) => this.#settle(id, kind === FRAME.stored))
    stream.on('data', (chunk: Buffer) => reader.push(chunk))
    for (const end of ['error', 'end', 'close']) stream.on(end, () => this.#lose())
  }

  begin(): RequestEvents {
    this.#lastRequest = next(this.#lastRequest)
    return new RemoteRequest(this, this.#lastRequest, this.#wire)
  }

  /** @returns whether it was written; false where the primary is too slow. Nobody waits for an answer. */
  tell(kind: number, request: number, payload: string): boolean {
    if (!this.#hasRoom(payload)) return false
    this.#writer.write({ kind, id: 0, request, payload })
    return true
  }

  /** As tell, and resolves when the primary has stored the event; never, where the primary has died. */
  ask(kind: number, request: number, payload: string): Promise<boolean> | false {
    if (!this.#stream.writable && !this.#isOver) return new Promise(() => {})
    if (!this.#hasRoom(payload)) return false
    const id = (this.#lastId = next(this.#lastId))
    this.#writer.write({ kind, id, request, payload })
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  get blocks(): boolean {
    return this.#mode !== 'batch'
  }

  /** An event is given up: what the request is to hear of that. */
  drop(): boolean {
    this.#errors.dropped(1, `the primary is too slow: ${this.#writer.pending} bytes wait to be written`)
    return this.#mode !== 'blocking-strict'
  }

  /** Returns when the primary has everything, and in the blocking modes has stored it. */
  async shutdown(deadline: AbortSignal): Promise<void> {
    const answered = new Promise<void>((resolve) => (this.#answered = resolve))
    if (this.#waiting.size === 0) this.#answered?.()
    await settles(answered, deadline)
    this.#isOver = true
    this.#writer.flush()
    const written = new Promise<void>((resolve) => this.#stream.once('close', resolve).end(resolve))
    if (!(await settles(written, deadline))) this.#giveUp('not handed over before the shutdown deadline')
    this.#hideQueue()
  }

  /** Frames without a payload are small, and no more than there are requests that the primary knows of. */
  #hasRoom(payload: string): boolean {
    const { pending } = this.#writer
    const full = payload !== '' && pending > 0 && pending + payload.length > MAX_PENDING
    return !full && this.#stream.writable
  }

  #settle(id: number, stored: boolean): void {
    this.#waiting.get(id)?.(stored || this.#mode === 'blocking')
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#answered?.()
  }

  #lose(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onLost({ waiting: this.#waiting.size })
  }

  #giveUp(reason: string): void {
    const lost = this.#waiting.size
    for (const id of [...this.#waiting.keys()]) this.#settle(id, false)
    if (lost > 0) this.#errors.failed(lost, reason)
  }
}

/** One request's events on their way to the primary. */
class RemoteRequest implements RequestEvents {
  readonly #intake: RemoteIntake
  readonly #request: number
  readonly #wire: Wire
  /** Whether the primary would end it, should this process die. */
  #known = false

  constructor(intake: RemoteIntake, request: number, wire: Wire) {
    this.#intake = intake
    this.#request = request
    this.#wire = wire
  }

  process(event: Event): Awaitable<boolean> {
    const last = isLastStage(event.stage)
    const kind = last ? FRAME.last : event.stage === 'RequestReceived' ? FRAME.first : FRAME.next
    const payload = this.#wire.encode(event)
    const intake = this.#intake
    const answer = intake.blocks
      ? intake.ask(kind, this.#request, payload)
      : intake.tell(kind, this.#request, payload)
    if (answer === false) {
      if (last) this.closed()
      return intake.drop()
    }
    if (kind === FRAME.first) this.#known = true
    return answer
  }

  opened(event: () => Event): void {
    this.#known = this.#intake.tell(FRAME.opened, this.#request, this.#wire.encode(event()))
  }

  closed(): void {
    if (this.#known) this.#intake.tell(FRAME.closed, this.#request, '')
    this.#known = false
  }
}

function next(number: number): number {
  return number === MAX_NUMBER ? 1 : number + 1
}
