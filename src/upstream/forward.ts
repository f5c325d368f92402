import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import type { BodyCapture } from '../audit/capture/capture.js'
import { isHopByHop } from '../request/client-headers.js'
import { RequestBody } from './request-body.js'
import type { UpstreamConnections } from './upstream.js'

/** What someone who watches the response pass is told. An exception in here ends the request, not the process. */
export interface ResponseObserver {
  /**
   * The response has begun.
   * @param contentType and contentEncoding as the upstream sent them, or undefined
   */
  start(statusCode: number, contentType: string | undefined, contentEncoding: string | undefined): void
  data(chunk: Buffer): void
}

export interface ForwardRequest {
  readonly connections: UpstreamConnections
  /** Path and query as they were received. */
  readonly target: string
  /** name, value, ... */
  readonly headers: string[]
  readonly requestCapture: BodyCapture | undefined
  /** Undefined where nobody watches. */
  readonly observer: ResponseObserver | undefined
  readonly auditID: string
  /** True where the response's head must not wait for its first byte of body. */
  readonly longRunning: boolean
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

/**
 * Sends a request upstream and streams the answer back, with back-pressure both ways. It does not end `res`. The outcome
 * rejects only where the observer threw.
 *
 * A request is sent once: undici takes another connection by itself where a kept-alive one had died before anything was
 * written to it, and nothing that was written is ever repeated.
 */
export function forward(req: IncomingMessage, res: ServerResponse, request: ForwardRequest): Forwarding {
  const body = hasBody(req) ? new RequestBody(req, request.requestCapture) : null
  const pump = new ResponsePump(res, request, body)
  const { dispatcher, origin, pathPrefix } = request.connections
  dispatcher.dispatch(
    {
      origin,
      method: req.method ?? 'GET',
      path: pathPrefix + request.target,
      headers: request.headers,
      body,
    },
    pump,
  )
  return pump
}

/** RFC 9112 section 6.3: a request has a body where it says how long it is. */
function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length']
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

class ResponsePump implements Dispatcher.DispatchHandler, Forwarding {
  readonly outcome: Promise<Outcome>
  private settle!: (outcome: Outcome) => void
  private fail!: (error: unknown) => void
  private controller: Dispatcher.DispatchController | undefined
  private started = false
  private open = false
  private over = false

  constructor(
    private readonly res: ServerResponse,
    private readonly request: ForwardRequest,
    private readonly body: RequestBody | null,
  ) {
    this.outcome = new Promise((resolve, reject) => {
      this.settle = resolve
      this.fail = reject
    })
    // A response that ends while the request waits for a connection has no controller to abort yet.
    body?.on('error', ignore)
    res.on('close', this.onClose)
    res.on('drain', this.onDrain)
  }

  end(): void {
    this.finish({ kind: 'ended', started: this.started, open: this.open })
    this.abort()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.over) this.abort()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    _: unknown,
    message?: string,
  ): void {
    if (this.over || statusCode < 200) return
    const raw = controller.rawHeaders as Buffer[]
    const headers: string[] = []
    let contentType: string | undefined
    let contentEncoding: string | undefined
    let hasLength = false
    for (let i = 0; i < raw.length; i += 2) {
      const name = (raw[i] as Buffer).toString('latin1')
      const value = (raw[i + 1] as Buffer).toString('latin1')
      const lower = name.toLowerCase()
      if (isHopByHop(lower) || lower === 'audit-id') continue
      if (lower === 'content-type') contentType ??= value
      else if (lower === 'content-encoding') contentEncoding ??= value
      else if (lower === 'content-length') hasLength = true
      headers.push(name, value)
    }
    headers.push('Audit-Id', this.request.auditID)
    this.started = true
    this.open = !hasLength
    this.guard(() => {
      this.request.observer?.start(statusCode, contentType, contentEncoding)
      this.res.sendDate = false
      this.res.writeHead(statusCode, message ?? '', headers)
      // A head that announces a body of known length can travel with it; any other may be a stream that stays silent.
      if (this.request.longRunning || !hasLength) this.res.flushHeaders()
    })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.over) return
    this.guard(() => {
      this.request.observer?.data(chunk)
      if (!this.res.write(chunk)) controller.pause()
    })
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.over) return
    const trailers = controller.rawTrailers as Buffer[] | null | undefined
    if (trailers != null && trailers.length > 0) this.addTrailers(trailers)
    this.finish({ kind: 'complete', requestComplete: this.body?.complete ?? true })
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.finish(this.started ? { kind: 'upstream-gone', error } : { kind: 'unreachable', error })
  }

  private addTrailers(raw: readonly Buffer[]): void {
    const trailers: [string, string][] = []
    for (let i = 0; i < raw.length; i += 2) {
      trailers.push([(raw[i] as Buffer).toString('latin1'), (raw[i + 1] as Buffer).toString('latin1')])
    }
    this.guard(() => this.res.addTrailers(trailers))
  }

  private readonly onClose = (): void => {
    this.finish({ kind: 'client-gone', started: this.started })
    this.abort()
  }

  private readonly onDrain = (): void => {
    this.controller?.resume()
  }

  /** undici reports an exception of its handler as an upstream error; here it is a bug of ours, and must say so. */
  private guard(action: () => void): void {
    try {
      action()
    } catch (err) {
      if (this.over) return
      this.release()
      this.fail(err)
      this.abort()
    }
  }

  private finish(outcome: Outcome): void {
    if (this.over) return
    this.release()
    this.settle(outcome)
  }

  private release(): void {
    this.over = true
    this.res.off('close', this.onClose)
    this.res.off('drain', this.onDrain)
    if (this.body !== null && !this.body.complete) this.body.destroy()
  }

  private abort(): void {
    this.controller?.abort(new Error('the exchange is over'))
  }
}

function ignore(): void {
  // The pump hears of the same error from undici or from the response.
}
