import { Readable } from 'node:stream'
import type { InboundRequest } from '../request/inbound.js'

/** Sees a body pass. The chunk is not changed; it may be kept. */
export interface BodyObserver {
  write(chunk: Buffer): void
}

/**
 * The client's request body on its way to undici, with back-pressure. It stands between them because undici destroys the
 * stream that it sends when the upstream answers early or fails, and destroying the client's request itself would cut the
 * client off before it has its answer.
 */
export class RequestBody extends Readable {
  /** True when the client has sent all of it. */
  complete = false
  /** True when the client broke off before that. */
  aborted = false

  readonly #request: InboundRequest
  readonly #observer: BodyObserver | undefined

  constructor(request: InboundRequest, observer: BodyObserver | undefined) {
    super({ highWaterMark: 64 * 1024 })
    this.#request = request
    this.#observer = observer
    request.on('data', this.#onData)
    request.on('end', this.#onEnd)
    request.on('aborted', this.#onAborted)
    request.on('error', this.#onAborted)
    request.pause()
    // HTTP/2 can say only after the headers that there is no body, and Node ends such a stream without being read.
    if (request.readableEnded) this.#onEnd()
    else if (request.aborted === true) this.#onAborted()
  }

  override _read(): void {
    this.#request.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
    this.#request.off('aborted', this.#onAborted)
    // What the client still sends is read and thrown away, so that it gets to read its answer. Errors after this point
    // are the response's to notice.
    if (!this.complete) this.#request.resume()
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#observer?.write(chunk)
    if (!this.push(chunk)) this.#request.pause()
  }

  readonly #onEnd = (): void => {
    this.complete = true
    this.push(null)
  }

  readonly #onAborted = (): void => {
    this.aborted = true
    this.destroy(new Error('the client closed the connection before its request was complete'))
  }
}
