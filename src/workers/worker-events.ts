import type { Duplex } from 'node:stream'
import { ABORTED } from '../audit/annotations.js'
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
  readonly #open = new Map<number, string>()
  /** Events of one chunk for which nobody waits. */
  #texts: string[] = []
  /** Resolves when everything that the worker has written is read. */
  readonly ended: Promise<void>

  constructor(stream: Duplex, store: EventStore) {
    this.#store = store
    this.#writer = new FrameWriter(stream, 0)
    const reader = new FrameReader((frame) => this.#take(frame))
    stream.on('data', (chunk: Buffer) => {
      reader.push(chunk)
      this.#storeTexts()
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
    for (const text of newest) this.#store.add(lastEvent(this.#store.decode(text), this.#store.now()))
    return newest.length
  }

  #take(frame: Frame): void {
    const { kind, id, request, text } = frame
    switch (kind) {
      case FRAME.first:
      case FRAME.opened:
        this.#open.set(request, text)
        break
      case FRAME.next:
        // Some are to have no event if the worker dies.
        if (this.#open.has(request)) this.#open.set(request, text)
        break
      default:
        this.#open.delete(request)
    }
    if (kind === FRAME.opened || kind === FRAME.closed) return
    if (id === 0) this.#texts.push(text)
    else this.#storeAndAnswer(id, text)
  }

  #storeTexts(): void {
    if (this.#texts.length === 0) return
    const texts = this.#texts
    this.#texts = []
    void this.#store.process(texts)
  }

  #storeAndAnswer(id: number, text: string): void {
    const stored = this.#store.process([text])
    if (typeof stored === 'boolean') this.#answer(id, stored)
    else void stored.then((success) => this.#answer(id, success))
  }

  #answer(id: number, stored: boolean): void {
    this.#writer.write({ kind: stored ? FRAME.stored : FRAME.notStored, id, request: 0, text: '' })
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
    annotations: { ...event.annotations, [ABORTED]: 'by the proxy, whose worker process died' },
  }
}
