import type { Duplex } from 'node:stream'
import { ABORTED, OUTCOME, UNKNOWN } from '../audit/annotations.js'
import type { Event } from '../audit/event.js'
import type { EventStore } from './event-store.js'
import { FRAME, FrameReader, FrameWriter, type Frame } from './frames.js'

/**
 * The primary's end of a worker's stream: hands the worker's events to the backends, and knows which requests are open,
 * so that their events can be ended if the worker dies.
 */
export class WorkerEvents {
  readonly #store: EventStore
  readonly #writer: FrameWriter
  /** The newest event of each request that is under way, as it came. */
  readonly #open = new Map<number, Buffer>()
  /** Requests in #open whose event is part of the chunk that is being read. */
  #fresh: number[] = []
  /** Events of that chunk for which nobody waits. */
  #lines: Buffer[] = []
  /** Resolves when everything that the worker has written is read. */
  readonly ended: Promise<void>

  constructor(stream: Duplex, store: EventStore) {
    this.#store = store
    this.#writer = new FrameWriter(stream, 0)
    const reader = new FrameReader((frame) => this.#take(frame))
    stream.on('data', (chunk: Buffer) => {
      reader.push(chunk)
      this.#detach()
      this.#storeLines()
    })
    // A worker that is killed may leave half a frame behind, and an answer that nobody reads.
    stream.on('error', () => {})
    this.ended = new Promise((resolve) => {
      stream.once('end', resolve)
      stream.once('close', resolve)
    })
  }

  /**
   * The worker has died: writes the last event of the requests that it leaves behind, at stage Panic as for a request
   * that died alone.
   * @returns how many
   */
  endOpenRequests(): number {
    const newest = [...this.#open.values()]
    this.#open.clear()
    for (const line of newest) this.#store.add(lastEvent(this.#store.decode(line), this.#store.now()))
    return newest.length
  }

  #take(frame: Frame<Buffer>): void {
    const { kind, id, request, payload } = frame
    switch (kind) {
      case FRAME.first:
      case FRAME.opened:
        this.#remember(request, payload)
        break
      case FRAME.next:
        // Some are to have no event if the worker dies.
        if (this.#open.has(request)) this.#remember(request, payload)
        break
      default:
        this.#open.delete(request)
    }
    if (kind === FRAME.opened || kind === FRAME.closed) return
    if (id === 0) this.#lines.push(payload)
    else this.#storeAndAnswer(id, payload)
  }

  #remember(request: number, line: Buffer): void {
    this.#open.set(request, line)
    this.#fresh.push(request)
  }

  /** What outlasts its chunk is copied: a request that goes on for hours would hold the whole of it. */
  #detach(): void {
    for (const request of this.#fresh) {
      const line = this.#open.get(request)
      if (line !== undefined) this.#open.set(request, Buffer.from(line))
    }
    this.#fresh = []
  }

  #storeLines(): void {
    if (this.#lines.length === 0) return
    const lines = this.#lines
    this.#lines = []
    void this.#store.process(lines)
  }

  #storeAndAnswer(id: number, line: Buffer): void {
    const stored = this.#store.process([line])
    if (!(stored instanceof Promise)) this.#answer(id, stored)
    else void stored.then((success) => this.#answer(id, success))
  }

  #answer(id: number, stored: boolean): void {
    this.#writer.write({ kind: stored ? FRAME.stored : FRAME.notStored, id, request: 0, payload: '' })
  }
}

function lastEvent(event: Event, now: number): Event {
  return {
    ...event,
    stage: 'Panic',
    responseStatus: {
      code: 500,
      status: 'Failure',
      reason: 'InternalError',
      message: "kube-audit-proxy panic'd: the worker process died",
    },
    stageTimestamp: now,
    annotations: {
      ...event.annotations,
      [ABORTED]: 'by the proxy, whose worker process died',
      [OUTCOME]: UNKNOWN,
    },
  }
}
