import type { Awaitable } from '../awaitable.js'
import { headerBytes, isHopByHop } from '../request/client-headers.js'
import type { InboundResponse } from '../request/inbound.js'
import type { RequestBody } from './request-body.js'

/** What an observer is told of a response before its body. Headers are as the upstream sent them. */
export interface ResponseHead {
  readonly statusCode: number
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  /** The Warning headers, one character per byte. */
  readonly warnings: readonly string[]
  /** Whether it has the headers of API priority and fairness. */
  readonly prioritized: boolean
}

/** k8s.io/api/flowcontrol/v1 ResponseHeaderMatchedPriorityLevelConfigurationUID. */
export const PRIORITY_LEVEL = 'x-kubernetes-pf-prioritylevel-uid'

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
  /** The response passed whole; the caller ends it. */
  | { readonly kind: 'complete'; readonly requestComplete: boolean }
  /** The client went away. */
  | { readonly kind: 'client-gone'; readonly started: boolean }
  /** The upstream broke off in the middle of its response. */
  | { readonly kind: 'upstream-gone'; readonly error: Error }
  /** No response came. */
  | { readonly kind: 'unreachable'; readonly error: Error }
  /** The proxy itself ended it. `open`: the response had no announced length, so that it may end where it is. */
  | { readonly kind: 'ended'; readonly started: boolean; readonly open: boolean }

/** A request under way upstream, which its owner can end early. */
export interface Forwarding {
  readonly outcome: Promise<Outcome>
  /** Ends the exchange: the upstream is aborted, and the outcome is `ended`. */
  end(): void
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
  /** True where the response's head must not wait for its first byte of body. */
  readonly longRunning: boolean
}

const NO_WARNINGS: readonly string[] = []
const SWITCHED: ResponseHead = {
  statusCode: 101,
  contentType: undefined,
  contentEncoding: undefined,
  warnings: NO_WARNINGS,
  prioritized: false,
}

/**
 * Passes one response from the upstream to the client, with back-pressure, and knows how that ended. It does not end
 * `res`. The outcome rejects only where the observer threw.
 */
export class ResponsePump implements Forwarding {
  readonly outcome: Promise<Outcome>
  #settle!: (outcome: Outcome) => void
  #fail!: (error: unknown) => void
  #source: ResponseSource | undefined
  #started = false
  #open = false
  #finished = false
  /** Whether the client takes no more for now. */
  #full = false
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
  }

  /** True when the outcome is known: nothing of what comes from the upstream is wanted any more. */
  get over(): boolean {
    return this.#finished
  }

  end(): void {
    this.#finish({ kind: 'ended', started: this.#started, open: this.#open })
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
    const headers: string[] = []
    let contentType: string | undefined
    let contentEncoding: string | undefined
    let warnings = NO_WARNINGS
    let hasLength = false
    let prioritized = false
    for (let i = 0; i < raw.length; i += 2) {
      const name = text(raw[i] as Buffer)
      const value = text(raw[i + 1] as Buffer)
      const lower = name.toLowerCase()
      if (isHopByHop(lower) || lower === 'audit-id') continue
      if (lower === 'content-type') contentType ??= value
      else if (lower === 'content-encoding') contentEncoding ??= value
      else if (lower === 'content-length') hasLength = true
      else if (lower === 'warning') warnings = [...warnings, value]
      else if (lower === PRIORITY_LEVEL) prioritized = true
      headers.push(name, value)
    }
    headers.push('Audit-Id', headerBytes(this.#options.auditID))
    this.#started = true
    this.#open = !hasLength
    this.#afterObserver({ statusCode, contentType, contentEncoding, warnings, prioritized }, () => {
      this.#res.sendDate = false
      this.#res.writeHead(statusCode, statusMessage, headers)
      // A head that announces a body of known length can travel with it; any other may be a stream that stays silent.
      if (this.#options.longRunning || !hasLength) this.#res.flushHeaders()
    })
  }

  data(chunk: Buffer): void {
    if (this.#finished) return
    if (this.#held !== undefined) return void this.#held.push(() => this.data(chunk))
    this.guard(() => {
      this.#options.observer?.data(chunk)
      if (this.#res.write(chunk)) return
      this.#full = true
      this.#source?.pause()
    })
  }

  /** The response has passed whole. */
  complete(rawTrailers: readonly (Buffer | string)[] = []): void {
    if (this.#finished) return
    if (this.#held !== undefined) return void this.#held.push(() => this.complete(rawTrailers))
    if (rawTrailers.length > 0) this.#addTrailers(rawTrailers)
    this.#finish({ kind: 'complete', requestComplete: this.#body?.complete ?? true })
  }

  failed(error: Error): void {
    // A request body that breaks off is what the upstream connection fails with first.
    if (this.#body?.aborted === true) this.#finish({ kind: 'client-gone', started: this.#started })
    else this.#finish(this.#started ? { kind: 'upstream-gone', error } : { kind: 'unreachable', error })
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

  #addTrailers(raw: readonly (Buffer | string)[]): void {
    const trailers: [string, string][] = []
    for (let i = 0; i < raw.length; i += 2) {
      const name = text(raw[i] as Buffer)
      if (!isHopByHop(name.toLowerCase())) trailers.push([name, text(raw[i + 1] as Buffer)])
    }
    this.guard(() => this.#res.addTrailers(trailers))
  }

  readonly #onClose = (): void => {
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

function text(value: Buffer | string): string {
  return typeof value === 'string' ? value : value.toString('latin1')
}
