import type { Dispatcher } from 'undici'
import { hasBody, type InboundRequest, type InboundResponse } from '../request/inbound.js'
import { RequestBody, type BodyObserver } from './request-body.js'
import { SharedRequest } from './shared-request.js'
import { ResponsePump, type Forwarding, type PumpOptions } from './response-pump.js'
import type { UpstreamConnections } from '../cluster/upstream-connections.js'

export interface ForwardRequest extends PumpOptions {
  readonly connections: UpstreamConnections
  /** Path and query as they were received. */
  readonly target: string
  /** name, value, ... */
  readonly headers: string[]
  /** Sees the request's body pass. */
  readonly requestObserver: BodyObserver | undefined
  /** Milliseconds that the response may stand still once it has begun; 0: for ever. */
  readonly bodyTimeout: number
  /** Whether it stays open, so that it had better share a connection with others. */
  readonly mayShare: boolean
}

/**
 * Sends a request upstream and streams the answer back, with back-pressure both ways. It does not end `res`. The outcome
 * rejects only where the observer threw.
 *
 * A request is sent once: undici takes another connection by itself where a kept-alive one had died before anything was
 * written to it, and nothing that was written is ever repeated.
 */
export function forward(req: InboundRequest, res: InboundResponse, request: ForwardRequest): Forwarding {
  const body = hasBody(req) ? new RequestBody(req, request.requestObserver) : null
  const pump = new ResponsePump(res, request, body)
  body?.on('error', () => {
    if (body.aborted) pump.requestBroken()
  })
  if (pump.over) return pump
  const { dispatcher, shared, origin, pathPrefix } = request.connections
  const path = pathPrefix + request.target
  const { method, headers, bodyTimeout } = request
  const dispatch = () =>
    void dispatcher.dispatch(
      { origin, method, path, headers, body, bodyTimeout },
      new DispatchedResponse(pump),
    )
  if (shared === undefined || !request.mayShare || body !== null) dispatch()
  else void new SharedRequest(shared, pump, dispatch).send({ method, path, headers })
  return pump
}

/** undici's view of a response pump. */
class DispatchedResponse implements Dispatcher.DispatchHandler {
  readonly #pump: ResponsePump

  constructor(pump: ResponsePump) {
    this.#pump = pump
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#pump.attach(controller)
    this.#pump.written()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    _: unknown,
    message?: string,
  ): void {
    if (statusCode >= 200) this.#pump.start(statusCode, message ?? '', controller.rawHeaders as Buffer[])
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#pump.data(chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#pump.complete((controller.rawTrailers as Buffer[] | null | undefined) ?? undefined)
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#pump.failed(error)
  }
}
