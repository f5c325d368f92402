import type { Awaitable } from '../awaitable.js'
import type { InboundResponse } from '../request/inbound.js'
import type { RequestBody } from './request-body.js'
import { hasNoBody, readHead, readTrailers, SWITCHED, type ResponseHead } from './response-head.js'

/** What someone who watches the response pass is told. An exception in here ends the request, not the process. */
export interface ResponseObserver {
  /**
   * The response has begun. Where the answer is a promise, the client has nothing of the response before it is resolved.
   */
  start(head: ResponseHead): Awaitable<void>
  data(chunk: Buffer): void
}

/** How the exchange with the upstream ended. */
export type Outcome =
  /**
   * The response has come whole; the caller ends it, with the `last` bytes of one that says how long it is: who has those
   * has all of it.
   */
  | { readonly kind: 'complete'; readonly requestComplete: boolean; readonly last: Buffer | undefined }
  /** The client went away. */
  | { readonly kind: 'client-gone'; readonly started: boolean }
  /** The request's body broke off. The client may have gone, or may still wait for an answer. */
  | { readonly kind: 'request-broken'; readonly started: boolean }
  /** The upstream broke off in the middle of its response. */
  | { readonly kind: 'upstream-gone'; readonly error: Error }
  /** No response came. */
  | { readonly kind: 'unanswered'; readonly error: Error }
  /** No response came in time. */
  | { readonly kind: 'late' }
  /** The proxy itself ended it. `open`: the response had no announced length, so that it may end where it is. */
  | { readonly kind: 'ended'; readonly started: boolean; readonly open: boolean }

/** A request under way upstream, which its owner can end early. */
export interface Forwarding {
  readonly outcome: Promise<Outcome>
  /** True once the request was written upstream, or begun to be: what became of it only its answer can tell. */
  readonly sent: boolean
  /** Ends the exchange: the upstream is aborted, and the outcome is `ended`. */
  end(): void
  /** Its time is over: unless the response has begun, the upstream is aborted, and the outcome is `late`. */
  expire(): void
}

/** Where a response comes from. */
export interface ResponseSource {
  pause(): void
  resume(): void
  /** Gives up the request and its response, whose rest nobody wants. */
  abort(reason: Error): void
}

export interface PumpOptions {
  /** Undefined where nobody watches. */
  readonly observer: ResponseObserver | undefined
  readonly auditID: string
  /** The request's. */
  readonly method: string
  /** True where the response's head must not wait for its first byte of body. */
  readonly longRunning: boolean
}

/**
 * Passes one response from the upstream to the client, with back-pressure, and knows how that ended. It does not end
 * `res`, and it passes nothing with which the client would have all of the response: that is for its owner to do, when
 * the request's last event is stored. The outcome rejects only where the observer threw.
 */
export class ResponsePump implements Forwarding {
  readonly outcome: Promise<Outcome>
  #settle!: (outcome: Outcome) => void
  #fail!: (error: unknown) => void
  #source: ResponseSource | undefined
  #sent = false
  #started = false
  #open = false
  #finished = false
  /** Whether the client takes no more for now. */
  #full = false
  /** Bytes of the body that are to come; Infinity where the response does not say how many. */
  #remaining = Infinity
  /** Those of the body's bytes that are its owner's to pass on. */
  #last: Buffer | undefined
  /** What waits for the observer to be ready for the response; undefined where nothing has to. */
  #held: (() => void)[] | undefined

  readonly #res: InboundResponse
  readonly #options: PumpOptions
  readonly #body: RequestBody | null

  constructor(res: InboundResponse, options: PumpOptions, body: RequestBody | null) {
    this.#res = res
    this.#options = options
    this.#body = body
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = resolve
      this.#fail = reject
    })
    res.on('close', this.#onClose)
    res.on('drain', this.#onDrain)
    // It may have gone while it was being authenticated.
    if (res.destroyed) this.#onClose()
    else if (body?.aborted === true) this.requestBroken()
  }

  /** True when the outcome is known: nothing of what comes from the upstream is wanted any more. */
  get over(): boolean {
    return this.#finished
  }

  get sent(): boolean {
    return this.#sent
  }

  end(): void {
    this.#finish({ kind: 'ended', started: this.#started, open: this.#open })
    this.#abort()
  }

  expire(): void {
    if (this.#started) return
    this.#finish({ kind: 'late' })
    this.#abort()
  }

  /** The request is about to be written. */
  written(): void {
    if (!this.#finished) this.#sent = true
  }

  /** The client has broken off what it was sending. */
  requestBroken(): void {
    this.#finish({ kind: 'request-broken', started: this.#started })
    this.#abort()
  }

  /** The request is under way. Where that is too late, it is aborted at once. */
  attach(source: ResponseSource): void {
    this.#source = source
    if (this.#finished) this.#abort()
  }

  /** @param raw name, value, ...; Buffers hold latin1 */
  start(statusCode: number, statusMessage: string, raw: readonly (Buffer | string)[]): void {
    if (this.#finished) return
    const { headers, length, ...seen } = readHead(raw, this.#options.auditID)
    this.#remaining = length
    this.#started = true
    this.#open = this.#remaining === Infinity
    const whole = this.#remaining === 0 || hasNoBody(this.#options.method, statusCode)
    this.#afterObserver({ statusCode, ...seen }, () => {
      this.#res.sendDate = false
      this.#res.writeHead(statusCode, statusMessage, headers)
      // A head that announces a body of known length can travel with it; any other may be a stream that stays silent.
      if (!whole && (this.#options.longRunning || this.#open)) this.#res.flushHeaders()
    })
  }

  data(chunk: Buffer): void {
    if (this.#finished) return
    if (this.#held !== undefined) return void this.#held.push(() => this.data(chunk))
    this.guard(() => {
      this.#options.observer?.data(chunk)
      this.#remaining -= chunk.length
      if (this.#remaining <= 0) this.#last = chunk
      else if (this.#res.write(chunk)) return
      else this.#hold()
    })
  }

  #hold(): void {
    this.#full = true
    this.#source?.pause()
  }

  /** The response has passed whole. */
  complete(rawTrailers: readonly (Buffer | string)[] = []): void {
    if (this.#finished) return
    if (this.#held !== undefined) return void this.#held.push(() => this.complete(rawTrailers))
    if (rawTrailers.length > 0) this.guard(() => this.#res.addTrailers(readTrailers(rawTrailers)))
    this.#finish({ kind: 'complete', requestComplete: this.#body?.complete ?? true, last: this.#last })
  }

  failed(error: Error): void {
    this.#finish(this.#started ? { kind: 'upstream-gone', error } : { kind: 'unanswered', error })
  }

  /**
   * The upstream agreed to an upgrade: from here on what passes is no response.
   * @param join joins the two connections, which the caller watches from then on
   */
  switched(join: () => void): void {
    this.#started = true
    this.#open = true
    this.#afterObserver(SWITCHED, () => {
      this.#res.off('close', this.#onClose)
      this.#res.off('drain', this.#onDrain)
      join()
    })
  }

  /** Tells the observer that the response has begun, and goes on when it is ready for that; the rest waits meanwhile. */
  #afterObserver(head: ResponseHead, goOn: () => void): void {
    this.guard(() => {
      const ready = this.#options.observer?.start(head)
      if (!(ready instanceof Promise)) return goOn()
      const held: (() => void)[] = [goOn]
      this.#held = held
      this.#source?.pause()
      void ready.then(() => {
        this.#held = undefined
        for (const step of held) if (!this.#finished) this.guard(step)
        if (!this.#full) this.#source?.resume()
      })
    })
  }

  /** Runs what may throw because of a bug of ours: the outcome rejects, and the upstream is not blamed. */
  guard(action: () => void): void {
    try {
      action()
    } catch (err) {
      if (this.#finished) return
      this.#release()
      this.#fail(err)
      this.#abort()
    }
  }

  readonly #onClose = (): void => {
    if (this.#body?.complete === false) return this.requestBroken()
    this.#finish({ kind: 'client-gone', started: this.#started })
    this.#abort()
  }

  readonly #onDrain = (): void => {
    this.#full = false
    this.#source?.resume()
  }

  #finish(outcome: Outcome): void {
    if (this.#finished) return
    this.#release()
    this.#settle(outcome)
  }

  #release(): void {
    this.#finished = true
    this.#res.off('close', this.#onClose)
    this.#res.off('drain', this.#onDrain)
    if (this.#body !== null && !this.#body.complete) this.#body.destroy()
  }

  #abort(): void {
    this.#source?.abort(new Error('the exchange is over'))
  }
}
