import type { Duplex } from 'node:stream'
import { ABORTED } from '../audit/annotations.js'
import type { AuditSink } from '../audit/context.js'
import type { Event } from '../audit/event.js'
import type { RequestKey } from '../audit/open-requests.js'
import { decodeEvents } from './event-json.js'
import { FRAME, FrameReader, FrameWriter } from './frames.js'
import { isLast } from './remote-backend.js'

/**
 * The primary's end of a worker's stream: hands the worker's events to the backends, and knows which requests are open,
 * so that their events can be ended if the worker dies.
 */
export class WorkerEvents {
  readonly #sink: AuditSink
  readonly #writer: FrameWriter
  /** The newest event of each request that is under way. */
  readonly #open = new Map<string, Event>()
  /** Resolves when everything that the worker has written is read. */
  readonly ended: Promise<void>

  constructor(stream: Duplex, sink: AuditSink) {
    this.#sink = sink
    this.#writer = new FrameWriter(stream)
    const reader = new FrameReader((kind, id, text) => this.#take(kind, id, text))
    stream.on('data', (chunk: Buffer) => reader.push(chunk))
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
    const events = [...this.#open.values()].map((event) => this.#lastEvent(event))
    this.#open.clear()
    for (const event of events) {
      this.#sink.observeEvent()
      void this.#sink.backend.processEvents([event])
    }
    return events.length
  }

  #take(kind: number, id: number, text: string): void {
    switch (kind) {
      case FRAME.events:
        return this.#store(id, decodeEvents(text))
      case FRAME.opened:
        for (const event of decodeEvents(text)) this.#open.set(keyOf(event), event)
        return
      case FRAME.closed:
        this.#open.delete(keyOf(JSON.parse(text) as RequestKey))
    }
  }

  #store(id: number, events: readonly Event[]): void {
    for (const event of events) this.#follow(event)
    const stored = this.#sink.backend.processEvents(events)
    if (id === 0) return
    if (typeof stored === 'boolean') this.#answer(id, stored)
    else void stored.then((success) => this.#answer(id, success))
  }

  #answer(id: number, stored: boolean): void {
    this.#writer.write(stored ? FRAME.stored : FRAME.notStored, id, '')
  }

  #follow(event: Event): void {
    const key = keyOf(event)
    if (isLast(event)) this.#open.delete(key)
    else if (event.stage === 'RequestReceived' || this.#open.has(key)) this.#open.set(key, event)
  }

  #lastEvent(event: Event): Event {
    return {
      ...event,
      stage: 'Panic',
      responseStatus: {
        code: 500,
        status: 'Failure',
        reason: 'InternalError',
        message: "kube-audit-proxy panic'd: the worker process died",
      },
      stageTimestamp: this.#sink.now(),
      annotations: { ...event.annotations, [ABORTED]: 'by the proxy, whose worker process died' },
    }
  }
}

function keyOf({ auditID, requestReceivedTimestamp }: RequestKey): string {
  return `${requestReceivedTimestamp} ${auditID}`
}
